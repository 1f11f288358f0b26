package engine

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	ramDisk = "/dev/shm"
	// ramDiskReserve is what must be free on the RAM disk for it to be used; ramDiskShare is how much one request may put there.
	ramDiskReserve = 1 << 30
	ramDiskShare   = 256 << 20
)

// spool keeps the data of an INSERT in a file while the engine reads it: the engine's own interface cuts binary data at the
// first line end. The RAM disk saves writing everything twice; data too big for it goes on in a file beside the tables.
type spool struct {
	ram  string // "" where there is no RAM disk
	disk string
	max  int64
}

// newSpool makes the directories anew: what is in them belongs to a process that is dead, as the lock on dataDir shows.
func newSpool(dataDir string, maxBytes int64) (*spool, error) {
	sp := &spool{disk: filepath.Join(dataDir, "tmp", "millrace-spool"), max: maxBytes}
	h := fnv.New64a()
	_, _ = io.WriteString(h, dataDir)
	if info, err := os.Stat(ramDisk); err == nil && info.IsDir() {
		sp.ram = filepath.Join(ramDisk, "millrace-spool-"+strconv.Itoa(os.Getuid())+"-"+strconv.FormatUint(h.Sum64(), 16))
		if err := remake(sp.ram); err != nil {
			sp.ram = "" // not ours to write to: the disk will do
		}
	}
	if err := remake(sp.disk); err != nil {
		return nil, err
	}
	return sp, nil
}

func remake(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty spool directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make spool directory %s: %w", dir, err)
	}
	return nil
}

// close removes the directory on the RAM disk, which outlives processes but should not outlive the engine.
func (sp *spool) close() {
	if sp.ram != "" {
		_ = os.RemoveAll(sp.ram)
	}
}

// put writes all of r to a file and returns its path and size. The caller removes the file.
func (sp *spool) put(r io.Reader) (path string, size int64, err error) {
	limited := &io.LimitedReader{R: r, N: sp.max + 1}
	dir := sp.ram
	if dir == "" || freeBytes(dir) < ramDiskReserve {
		dir = sp.disk
	}
	f, err := os.CreateTemp(dir, "insert-")
	if err != nil {
		return "", 0, fmt.Errorf("make spool file: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if dir == sp.disk {
		size, err = io.Copy(f, limited)
	} else if size, err = io.CopyN(f, limited, ramDiskShare); err == nil {
		if f, err = sp.moveToDisk(f); err == nil {
			var more int64
			more, err = io.Copy(f, limited)
			size += more
		}
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("receive data: %w", err)
	case size > sp.max:
		return "", 0, newException(codeTooBig, "QUERY_IS_TOO_LARGE", fmt.Sprintf("The data is larger than %d bytes.", sp.max))
	}
	return f.Name(), size, nil
}

func (sp *spool) moveToDisk(from *os.File) (*os.File, error) {
	to, err := os.CreateTemp(sp.disk, "insert-")
	if err != nil {
		return from, fmt.Errorf("make spool file: %w", err)
	}
	_, err = from.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	err = errors.Join(err, from.Close(), os.Remove(from.Name()))
	return to, err
}

func freeBytes(dir string) uint64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	return st.Bavail * uint64(st.Bsize) //nolint:gosec // the field's type differs between platforms
}
