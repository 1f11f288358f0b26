package kafkatest

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Version is the Apache Kafka version that pom.xml and libs.sha256 pin.
const Version = "4.1.0"

// CacheEnv names the environment variable that overrides the directory the jars are kept in.
const CacheEnv = "MILLRACE_KAFKA_CACHE"

// ErrUnavailable is returned (wrapped) when Kafka cannot be had on this machine: Java or Maven is missing, Java is too old, or
// Maven could not fetch the jars. The text says what to install.
var ErrUnavailable = errors.New("real Kafka is not available")

// fetchTimeout bounds Maven's work: cold, it takes about 40 s.
const fetchTimeout = 10 * time.Minute

//go:embed pom.xml
var pom []byte

//go:embed libs.sha256
var libSums string

// Jars are programs from Maven Central, each file of them pinned.
type Jars struct {
	Name, Version string // e.g. Apache Kafka, 4.1.0
	Folder        string // of its own in the cache
	POM           []byte // names them as dependencies
	Sums          string // lines of "<sha256 in hex>  <file>"
}

func kafkaJars() Jars {
	return Jars{Name: "Apache Kafka", Version: Version, Folder: Version, POM: pom, Sums: libSums}
}

// Libs returns the directory of Kafka's jars, see Jars.Dir.
func Libs(ctx context.Context, progress io.Writer) (string, error) {
	return kafkaJars().Dir(ctx, progress)
}

// Dir returns the directory of the jars, which it fetches with mvn on first use; progress gets a line then. Programs that
// call it at the same time share one fetch.
//
// Every call checks every jar against the pinned SHA-256 sums (Kafka's take 0.2 s); a file that differs, is missing or does not
// belong there is named in the error. Without Java or Maven the error wraps ErrUnavailable.
func (j Jars) Dir(ctx context.Context, progress io.Writer) (string, error) {
	base, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := checkJava(ctx); err != nil {
		return "", err
	}
	return j.in(ctx, base, progress, j.fetch)
}

// in is Dir for a given cache; get puts the jars into an empty directory.
func (j Jars) in(ctx context.Context, base string, progress io.Writer, get func(ctx context.Context, dir string) error) (string, error) {
	dir := filepath.Join(base, j.Folder)
	unlock, err := lockDir(ctx, base)
	if err != nil {
		return "", fmt.Errorf("fetch %s %s: %w", j.Name, j.Version, err)
	}
	defer unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(progress, "fetching %s %s with mvn into %s\n", j.Name, j.Version, dir)
		if err := j.install(ctx, base, dir, get); err != nil {
			return "", fmt.Errorf("fetch %s %s: %w", j.Name, j.Version, err)
		}
		return dir, nil
	}
	if err := verify(dir, j.Sums); err != nil {
		return "", fmt.Errorf("the cached %s %s is not the pinned one, remove %s to fetch it again: %w", j.Name, j.Version, dir, err)
	}
	return dir, nil
}

// install fetches into a directory beside dir and renames it only when all sums agree, so that a dir that exists is whole.
func (j Jars) install(ctx context.Context, base, dir string, get func(ctx context.Context, dir string) error) error {
	tmp, err := os.MkdirTemp(base, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := get(ctx, tmp); err != nil {
		return err
	}
	jars := filepath.Join(tmp, "libs")
	if err := verify(jars, j.Sums); err != nil {
		return err
	}
	return os.Rename(jars, dir)
}

// fetch lets Maven copy the jars of the POM to dir/libs.
func (j Jars) fetch(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("%w: install Maven (mvn), which fetches the jars: %w", ErrUnavailable, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), j.POM, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime")
	cmd.Dir = dir
	if out, err := runCommand(cmd, nil); err != nil {
		return fmt.Errorf("%w: mvn could not fetch the jars: %w\n%s", ErrUnavailable, err, out)
	}
	return nil
}

// verify checks that dir holds exactly the files of sums, lines of "<sha256 in hex>  <file>", with these sums.
func verify(dir, sums string) error {
	want := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(sums))
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return fmt.Errorf("the pinned sums: unreadable line %q", lines.Text())
		}
		want[name] = sum
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var problems []error
	for _, e := range entries {
		sum, pinned := want[e.Name()]
		delete(want, e.Name())
		if !pinned {
			problems = append(problems, fmt.Errorf("%s is not among the pinned files", e.Name()))
			continue
		}
		got, err := fileSum(filepath.Join(dir, e.Name()))
		if err != nil {
			problems = append(problems, err)
		} else if got != sum {
			problems = append(problems, fmt.Errorf("%s has sha256 %s, want %s", e.Name(), got, sum))
		}
	}
	for name := range want {
		problems = append(problems, fmt.Errorf("%s is missing", name))
	}
	return errors.Join(problems...)
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // a file of our cache
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache for kafka (%s can name one): %w", CacheEnv, err)
	}
	return filepath.Join(dir, "millrace", "kafka"), nil
}

// lockDir holds dir, which it makes, against other processes until unlock; it waits for its turn until ctx ends.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cache without secrets
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // a lock file without content
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		locked, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if locked {
			return func() { _ = f.Close() }, nil // the lock goes with the descriptor, closed cleanly or not
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another process to release %s: %w", f.Name(), context.Cause(ctx)), f.Close())
		case <-tick.C:
		}
	}
}
