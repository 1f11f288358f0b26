package sink

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// harmKind is what was done.
type harmKind string

// The harms.
const (
	harmKill     harmKind = "sink killed"
	harmLateKill harmKind = "sink killed, its insert landed later"
	harmStop     harmKind = "sink stopped by SIGTERM"
	harmZombie   harmKind = "sink frozen in an insert, replaced, woken"
	harmJoin     harmKind = "further sink joined and left"
	harmBroker   harmKind = "broker killed"
	harmGap      harmKind = "engine killed between token and part"
	harmMidway   harmKind = "engine killed in the middle of an insert"
	harmIdle     harmKind = "engine killed while no insert was under way"
)

// killing tells which harms are a kill -9.
func killing() []harmKind {
	return []harmKind{harmKill, harmLateKill, harmBroker, harmGap, harmMidway, harmIdle}
}

// record is what happened to the run: the harms, and the faults that show without any check. Both are written down as they come.
type record struct {
	out io.Writer
	log *os.File

	mu     sync.Mutex
	counts map[harmKind]int
	notes  map[string]int
	faults []string
}

func newRecord(dir string, out io.Writer) (*record, error) {
	log, err := os.OpenFile(filepath.Join(dir, "harms.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return nil, fmt.Errorf("open log of harms: %w", err)
	}
	return &record{out: out, log: log, counts: map[harmKind]int{}, notes: map[string]int{}}, nil
}

func now() string { return time.Now().UTC().Format("15:04:05.000 ") }

// harm notes a harm that is done.
func (r *record) harm(kind harmKind, about string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[kind]++
	fmt.Fprintln(r.log, now()+string(kind)+": "+about)
}

// note counts something that went otherwise than meant, and is no fault.
func (r *record) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes[what]++
	fmt.Fprintln(r.log, now()+"note: "+what)
}

// fault notes something that must not happen.
func (r *record) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := now() + fmt.Sprintf(format, args...)
	r.faults = append(r.faults, text)
	fmt.Fprintln(r.log, "FAULT", text)
	fmt.Fprintln(r.out, "FAULT", text)
}

func (r *record) all() (counts map[harmKind]int, notes map[string]int, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts), maps.Clone(r.notes), slices.Clone(r.faults)
}

// kills is the number of kill -9 so far.
func kills(counts map[harmKind]int) (sum int) {
	for _, k := range killing() {
		sum += counts[k]
	}
	return sum
}

// short says in a line what was done.
func short(counts map[harmKind]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
	}
	if len(parts) == 0 {
		return "no harm yet"
	}
	return strings.Join(parts, ", ")
}

func (r *record) close() error { return r.log.Close() }
