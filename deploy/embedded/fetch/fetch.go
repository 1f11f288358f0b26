// Package fetch brings the ClickHouse engine's library to this machine: once, from npm, by the npm client, into a cache that
// all checkouts and programs of the user share. The archive is checked against a checksum pinned here before anything of it
// is used, and two processes that start at once fetch it once.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"millrace/deploy/embedded/filelock"
)

// CacheEnv names the environment variable that moves the cache, for machines where the user's cache directory is small or
// does not outlive a build.
const CacheEnv = "MILLRACE_ENGINE_CACHE"

// ErrUnavailable is wrapped by the errors that say that this machine cannot have the engine: no package for its platform, no
// npm. A program may go on without the engine, a test may be skipped.
var ErrUnavailable = errors.New("the embedded ClickHouse engine is not available")

// Config says what to fetch and where to keep it. The zero value is right for this machine.
type Config struct {
	CacheDir string // default: CacheEnv, else millrace/engine in the user's cache directory
	OS, Arch string // default: those of this program, in Go's names
	Npm      string // default: npm, looked up in PATH
}

// Deps is what the program hands over.
type Deps struct {
	// Progress shows how far the fetch is: a bar if it is a terminal, a line now and then otherwise.
	Progress io.Writer
	Logger   *slog.Logger
}

// Library returns the path of the engine's library, after fetching it if it is not in the cache. A second call takes
// microseconds. The error wraps ErrUnavailable where there is nothing to fetch or nothing to fetch it with.
func Library(ctx context.Context, cfg Config, d Deps) (string, error) {
	if cfg.OS == "" {
		cfg.OS = runtime.GOOS
	}
	if cfg.Arch == "" {
		cfg.Arch = runtime.GOARCH
	}
	pkg, err := lookup(cfg.OS, cfg.Arch)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir(cfg.CacheDir)
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, version+"-"+pkg.platform)
	if path, ok := cached(home, pkg); ok {
		return path, nil
	}
	lock, err := filelock.Acquire(ctx, home+".lock", func() {
		_, _ = fmt.Fprintf(d.Progress, "another process is fetching the ClickHouse engine; waiting for it\n")
	})
	if err != nil {
		return "", fmt.Errorf("fetch ClickHouse engine: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if path, ok := cached(home, pkg); ok {
		return path, nil
	}
	f := &fetcher{cfg: cfg, pkg: pkg, home: home, out: d.Progress, log: d.Logger}
	return f.run(ctx)
}

// cached finds the library of an earlier fetch. It came there by a rename after its archive had been verified, so its size
// is check enough; reading half a gigabyte at every start is not worth it.
func cached(home string, pkg enginePackage) (string, bool) {
	path := filepath.Join(home, pkg.library)
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 || (pkg.librarySize > 0 && info.Size() != pkg.librarySize) {
		return "", false
	}
	return path, true
}

func cacheDir(configured string) (string, error) {
	if configured == "" {
		configured = os.Getenv(CacheEnv)
	}
	if configured == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache directory for the ClickHouse engine (set %s to choose one): %w", CacheEnv, err)
		}
		configured = filepath.Join(user, "millrace", "engine")
	}
	// The engine is loaded by a process with another working directory.
	abs, err := filepath.Abs(configured)
	if err != nil {
		return "", fmt.Errorf("find the cache directory for the ClickHouse engine: %w", err)
	}
	return abs, nil
}
