package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNpm writes a script that does what npm pack does with an archive of our own, and counts its calls in a file.
func fakeNpm(t *testing.T, archive []byte) (npm string, calls func() int) {
	t.Helper()
	dir := t.TempDir()
	tgz, log := filepath.Join(dir, "a"), filepath.Join(dir, "calls")
	npm = filepath.Join(dir, "npm")
	script := "#!/bin/sh\necho \"$@\" >> " + log + "\ncp " + tgz + " \"$4/chdb-lib.tgz\"\n"
	for path, text := range map[string]string{tgz: string(archive), npm: script, log: ""} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return npm, func() int {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
}

func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func integrityOf(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func newFetcher(npm, cache string, pkg enginePackage, out io.Writer) *fetcher {
	return &fetcher{cfg: Config{Npm: npm}, pkg: pkg, home: filepath.Join(cache, "home"), out: out, log: slog.New(slog.DiscardHandler)}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func TestTheLibraryEndsUpInTheCacheAndNothingElseDoes(t *testing.T) {
	archive := archiveOf(t, map[string]string{"package/libchdb.so": "the library", "package/index.js": "no", "../evil": "no"})
	npm, _ := fakeNpm(t, archive)
	cache := t.TempDir()
	var out bytes.Buffer
	path, err := newFetcher(npm, cache, enginePackage{platform: "p", library: "libchdb.so", integrity: integrityOf(archive)}, &out).run(t.Context())
	if err != nil {
		t.Fatalf("run() error: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "the library" {
		t.Errorf("library = %q, %v", text, err)
	}
	if got := entries(t, cache); len(got) != 1 || got[0] != "home" {
		t.Errorf("in the cache: %v, want the final directory alone", got)
	}
	for _, line := range []string{"fetching ClickHouse engine", "unpacking ClickHouse engine", "is in " + path} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("progress %q lacks %q", out.String(), line)
		}
	}
}

func TestAnArchiveWithAnotherChecksumIsNotInstalled(t *testing.T) {
	npm, _ := fakeNpm(t, archiveOf(t, map[string]string{"package/libchdb.so": "tampered with"}))
	cache := t.TempDir()
	_, err := newFetcher(npm, cache, enginePackage{platform: "p", library: "libchdb.so", integrity: integrityOf([]byte("x"))}, io.Discard).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("run() error = %v, want a checksum", err)
	}
	if got := entries(t, cache); len(got) != 0 {
		t.Errorf("left in the cache: %v", got)
	}
}

func TestABrokenFetchLeavesNothing(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"npm fails":        {"#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n", "npm error code E404"},
		"npm does nothing": {"#!/bin/sh\n", "0 archives"},
	} {
		t.Run(name, func(t *testing.T) {
			npm, cache := filepath.Join(t.TempDir(), "npm"), t.TempDir()
			if err := os.WriteFile(npm, []byte(tt.script), 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := newFetcher(npm, cache, enginePackage{platform: "p", library: "libchdb.so"}, io.Discard).run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run() error = %v, want %q in it", err, tt.want)
			}
			if got := entries(t, cache); len(got) != 0 {
				t.Errorf("left in the cache: %v", got)
			}
		})
	}
}

func TestAnArchiveWithoutTheLibraryIsAnError(t *testing.T) {
	npm, _ := fakeNpm(t, archiveOf(t, map[string]string{"package/readme": "x"}))
	_, err := newFetcher(npm, t.TempDir(), enginePackage{platform: "p", library: "libchdb.so"}, io.Discard).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no libchdb.so") {
		t.Errorf("run() error = %v", err)
	}
}

func TestAStoppedFetchEndsNpmAndCleansUp(t *testing.T) {
	npm, cache := filepath.Join(t.TempDir(), "npm"), t.TempDir()
	started := filepath.Join(t.TempDir(), "started")
	if err := os.WriteFile(npm, []byte("#!/bin/sh\nmkfifo "+started+".fifo\n: > "+started+"\nread x < "+started+".fifo\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				cancel(errors.New("enough"))
				return
			}
		}
	}()
	_, err := newFetcher(npm, cache, enginePackage{platform: "p", library: "libchdb.so"}, io.Discard).run(ctx)
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("run() error = %v, want the cause of the stop", err)
	}
	if got := entries(t, cache); len(got) != 0 {
		t.Errorf("left in the cache: %v", got)
	}
}

func TestWithoutNpmTheErrorSaysWhatToDo(t *testing.T) {
	_, err := Library(t.Context(), Config{CacheDir: t.TempDir(), OS: "linux", Arch: "amd64", Npm: "/nowhere/npm"}, Deps{Progress: io.Discard, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install Node.js") || !strings.Contains(err.Error(), "--clickhouse-url") {
		t.Errorf("Library() error = %v", err)
	}
}

func TestAnUnknownPlatformIsNamed(t *testing.T) {
	_, err := Library(t.Context(), Config{CacheDir: t.TempDir(), OS: "plan9", Arch: "mips"}, Deps{Progress: io.Discard, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "plan9/mips") || !strings.Contains(err.Error(), "--clickhouse-url") {
		t.Errorf("Library() error = %v", err)
	}
}

func TestTwoProgramsThatStartAtOnceFetchOnce(t *testing.T) {
	npm, calls := fakeNpm(t, archiveOf(t, map[string]string{"package/libchdb.so": "the library"}))
	cfg := Config{CacheDir: t.TempDir(), OS: "linux", Arch: "arm64", Npm: npm} // a platform without pinned checksum
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := Library(t.Context(), cfg, Deps{Progress: io.Discard, Logger: slog.New(slog.DiscardHandler)}); err != nil {
				t.Errorf("Library() error: %v", err)
			}
		})
	}
	group.Wait()
	if n := calls(); n != 1 {
		t.Errorf("npm was called %d times, want 1", n)
	}
}

func TestEveryPlatformThatTheProgramIsBuiltForHasAPackage(t *testing.T) {
	for _, p := range []struct{ os, arch, name string }{
		{"linux", "amd64", "@chdb/lib-linux-x64-gnu"}, {"linux", "arm64", "@chdb/lib-linux-arm64-gnu"}, {"darwin", "arm64", "@chdb/lib-darwin-arm64"},
	} {
		pkg, err := lookup(p.os, p.arch)
		if err != nil || pkg.name() != p.name || pkg.library == "" {
			t.Errorf("lookup(%s, %s) = %+v, %v; want %s", p.os, p.arch, pkg, err, p.name)
		}
	}
}
