package kafkatest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// copyJars is a fetch without a network: it links the jars of the real cache.
func copyJars(t *testing.T) func(context.Context, string) error {
	t.Helper()
	libs := RequireLibs(t)
	return func(_ context.Context, dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "libs"), 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(libs)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.Symlink(filepath.Join(libs, e.Name()), filepath.Join(dir, "libs", e.Name())); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestProgramsThatNeedTheJarsAtOnceFetchThemOnce(t *testing.T) {
	t.Parallel()
	get := copyJars(t)
	base := t.TempDir()
	var fetches atomic.Int32
	counted := func(ctx context.Context, dir string) error {
		fetches.Add(1)
		return get(ctx, dir)
	}
	var wg sync.WaitGroup
	for range 5 {
		// Each has its own descriptor of the lock file, as five programs would.
		wg.Go(func() {
			dir, err := kafkaJars().in(t.Context(), base, io.Discard, counted)
			if err != nil || dir != filepath.Join(base, Version) {
				t.Errorf("libs %q: %v", dir, err)
			}
		})
	}
	wg.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestAJarThatIsNotThePinnedOneIsNamed(t *testing.T) {
	t.Parallel()
	get := copyJars(t)
	for name, tc := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"changed": {func(dir string) error {
			file := filepath.Join(dir, "kafka-clients-4.1.0.jar")
			return errors.Join(os.Remove(file), os.WriteFile(file, []byte("not a jar"), 0o600))
		}, "kafka-clients-4.1.0.jar has sha256 "},
		"missing": {func(dir string) error { return os.Remove(filepath.Join(dir, "kafka-clients-4.1.0.jar")) }, "kafka-clients-4.1.0.jar is missing"},
		"added":   {func(dir string) error { return os.WriteFile(filepath.Join(dir, "evil.jar"), nil, 0o600) }, "evil.jar is not among the pinned files"},
	} {
		t.Run(name+" while it was fetched", func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			_, err := kafkaJars().in(t.Context(), base, io.Discard, func(ctx context.Context, dir string) error {
				return errors.Join(get(ctx, dir), tc.spoil(filepath.Join(dir, "libs")))
			})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if errors.Is(err, ErrUnavailable) {
				t.Error("a wrong checksum would skip the test instead of failing it")
			}
			if left, err := os.ReadDir(base); err != nil || len(left) != 1 { // the lock
				t.Errorf("the fetch left %v (%v)", left, err)
			}
		})
		t.Run(name+" in the cache", func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			dir, err := kafkaJars().in(t.Context(), base, io.Discard, get)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := kafkaJars().in(t.Context(), base, io.Discard, get); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "remove "+dir) {
				t.Errorf("got %v, want %q and how to go on", err, tc.want)
			}
		})
	}
}

func TestWaitingForAnotherFetchEndsWithTheContext(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	unlock, err := lockDir(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kafkaJars().in(ctx, base, io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(CacheEnv, t.TempDir())
	if _, err := Libs(t.Context(), io.Discard); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install Java 17") {
		t.Errorf("without java: %v", err)
	}
	if err := kafkaJars().fetch(t.Context(), t.TempDir()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install Maven") {
		t.Errorf("without mvn: %v", err)
	}
}

func TestUnavailableKafkaSkipsOrFailsAsTheEnvironmentSays(t *testing.T) {
	for name, tc := range map[string]struct {
		services   string
		err        error
		skip, fail bool
	}{
		"available":                {"required", nil, false, false},
		"missing on a laptop":      {"", ErrUnavailable, true, false},
		"missing where it must be": {"required", ErrUnavailable, false, true},
		"broken":                   {"", errors.New("it does not start"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(ServicesEnv, tc.services)
			tb := &recordingTB{TB: t}
			SkipUnavailable(tb, tc.err)
			if tb.skipped != tc.skip || tb.failed != tc.fail {
				t.Errorf("skipped %t, failed %t", tb.skipped, tb.failed)
			}
		})
	}
}

type recordingTB struct {
	testing.TB

	skipped, failed bool
}

func (r *recordingTB) Helper()               {}
func (r *recordingTB) Skip(...any)           { r.skipped = !r.failed }
func (r *recordingTB) Fatalf(string, ...any) { r.failed = true }

func TestJavaVersionIsReadFromItsSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		settings string
		want     int // 0 means an error
	}{
		"17":         {"Property settings:\n    java.specification.version = 17\n    x = y\n", 17},
		"8":          {"    java.specification.version = 1.8\n", 1},
		"none":       {"Property settings:\n", 0},
		"not a word": {"    java.specification.version = new\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := javaVersion(tc.settings)
			if got != tc.want || (err == nil) != (tc.want != 0) {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
