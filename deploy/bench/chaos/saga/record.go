package saga

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// record is what went wrong with the run and shows without any check.
type record struct {
	out    io.Writer
	mu     sync.Mutex
	faults []string
}

// fault notes something that must not happen.
func (r *record) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := time.Now().UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	r.faults = append(r.faults, text)
	fmt.Fprintln(r.out, "FAULT", text)
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}
