package keyed

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// record is what happened to the run: the harms, and the faults that show without any check. Both are written down as they come.
type record struct {
	out io.Writer
	log *os.File

	mu     sync.Mutex
	harms  []ledger.Harm
	faults []string
}

func newRecord(dir string, out io.Writer) (*record, error) {
	log, err := os.OpenFile(filepath.Join(dir, "harms.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return nil, fmt.Errorf("open log of harms: %w", err)
	}
	return &record{out: out, log: log}, nil
}

func (r *record) harm(h ledger.Harm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.harms = append(r.harms, h)
	fmt.Fprintln(r.log, h)
}

// fault notes something that must not happen.
func (r *record) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := time.Now().UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	r.faults = append(r.faults, text)
	fmt.Fprintln(r.log, "FAULT", text)
	fmt.Fprintln(r.out, "FAULT", text)
}

func (r *record) all() ([]ledger.Harm, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.harms), slices.Clone(r.faults)
}

func (r *record) close() error { return r.log.Close() }
