package fetch

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
)

// npmGrace is how long npm may take to end after it was asked to.
const npmGrace = 5 * time.Second

type fetcher struct {
	cfg  Config
	pkg  enginePackage
	home string // where the library ends up
	out  io.Writer
	log  *slog.Logger
}

// run fetches, verifies and unpacks in a directory of its own beside the final one, then renames: the final directory is
// whole or absent.
func (f *fetcher) run(ctx context.Context) (string, error) {
	npm := f.cfg.Npm
	if npm == "" {
		npm = "npm"
	}
	npm, err := exec.LookPath(npm)
	if err != nil {
		return "", fmt.Errorf("%w: npm, which fetches it, is not installed: install Node.js (which brings npm), or point --clickhouse-url at a running ClickHouse server",
			ErrUnavailable)
	}
	begin := time.Now()
	// The name is fixed, so that what a killed fetch left, up to 1 GB, goes away with the next one. The lock makes it ours.
	work := f.home + ".fetch"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o750)); err != nil {
		return "", fmt.Errorf("make directory for the ClickHouse engine: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	archive, err := f.download(ctx, npm, work)
	if err != nil {
		return "", err
	}
	if err := f.verify(archive); err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, "unpacked")
	if err := f.unpack(ctx, archive, unpacked); err != nil {
		return "", err
	}
	if err := os.RemoveAll(f.home); err != nil {
		return "", fmt.Errorf("remove broken ClickHouse engine from cache: %w", err)
	}
	if err := os.Rename(unpacked, f.home); err != nil {
		return "", fmt.Errorf("put ClickHouse engine into cache: %w", err)
	}
	path := filepath.Join(f.home, f.pkg.library)
	_, _ = fmt.Fprintf(f.out, "ClickHouse engine %s is in %s (%.0f s)\n", version, path, time.Since(begin).Seconds())
	return path, nil
}

// download runs npm pack in work. npm keeps its own cache there too: the growing files in it are the only sign of progress
// that npm gives, and 160 MB more in the user's npm cache would be of no use to anyone.
func (f *fetcher) download(ctx context.Context, npm, work string) (string, error) {
	spec := f.pkg.name() + "@" + version
	//nolint:gosec // npm, with a package name from the table above
	cmd := exec.CommandContext(ctx, npm, "pack", spec, "--pack-destination", work, "--cache", filepath.Join(work, "npm"),
		"--ignore-scripts", "--silent", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir = work // so that a project's .npmrc or package.json, where the user happens to stand, has no say
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = npmGrace
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	show := newProgress(f.out, "fetching ClickHouse engine "+version, f.pkg.archiveSize)
	stop := show.watch(func() int64 { return bytesIn(work) })
	err := cmd.Run()
	stop(err == nil)
	if ctx.Err() != nil {
		return "", fmt.Errorf("fetch ClickHouse engine: %w", context.Cause(ctx))
	}
	if err != nil {
		return "", fmt.Errorf("fetch ClickHouse engine: npm pack %s: %w: %s", spec, err, firstLines(said.String()))
	}
	found, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("fetch ClickHouse engine: npm pack %s left %d archives instead of 1", spec, len(found))
	}
	return found[0], nil
}

// verify compares the archive with the pinned checksum.
func (f *fetcher) verify(archive string) error {
	if f.pkg.integrity == "" {
		f.log.Warn("the checksum of this platform's engine package is not pinned in this release; relying on npm's own check", "package", f.pkg.name())
		return nil
	}
	file, err := os.Open(archive) //nolint:gosec // our own temporary file
	if err != nil {
		return fmt.Errorf("verify ClickHouse engine: %w", err)
	}
	defer func() { _ = file.Close() }()
	h := sha512.New()
	if _, err := io.Copy(h, file); err != nil {
		return fmt.Errorf("verify ClickHouse engine: %w", err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != f.pkg.integrity {
		return fmt.Errorf("verify ClickHouse engine: checksum of %s@%s is %s, want %s: nothing was installed", f.pkg.name(), version, got, f.pkg.integrity)
	}
	return nil
}

// unpack takes the library out of the archive, and nothing else.
func (f *fetcher) unpack(ctx context.Context, archive, dir string) (err error) {
	file, err := os.Open(archive) //nolint:gosec // our own temporary file
	if err != nil {
		return fmt.Errorf("unpack ClickHouse engine: %w", err)
	}
	defer func() { _ = file.Close() }()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("unpack ClickHouse engine: %w", err)
	}
	files := tar.NewReader(zipped)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("unpack ClickHouse engine: there is no %s in the archive of %s@%s", f.pkg.library, f.pkg.name(), version)
		}
		if err != nil {
			return fmt.Errorf("unpack ClickHouse engine: %w", err)
		}
		if head.Name == "package/"+f.pkg.library {
			return f.extract(ctx, files, head.Size, dir)
		}
	}
}

func (f *fetcher) extract(ctx context.Context, from io.Reader, size int64, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("unpack ClickHouse engine: %w", err)
	}
	path := filepath.Join(dir, f.pkg.library)
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) //nolint:gosec // our own temporary directory
	if err != nil {
		return fmt.Errorf("unpack ClickHouse engine: %w", err)
	}
	show := newProgress(f.out, "unpacking ClickHouse engine "+version, size)
	stop := show.watch(func() int64 { return bytesIn(dir) })
	_, err = io.Copy(to, contextReader{ctx, from})
	// On disk before the rename that makes it count.
	err = errors.Join(err, to.Sync(), to.Close())
	stop(err == nil)
	if err != nil {
		return fmt.Errorf("unpack ClickHouse engine to %s: %w", path, err)
	}
	return nil
}

// contextReader ends a long copy when the context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one call of io.Copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

func bytesIn(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that npm removed meanwhile
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

func firstLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[:min(len(lines), 4)], "; ")
}
