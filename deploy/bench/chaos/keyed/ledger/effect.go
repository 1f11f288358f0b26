package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Verdict is what a handler said of an attempt.
type Verdict string

// The verdicts.
const (
	Done        Verdict = "done"
	Failed      Verdict = "fail"
	Dead        Verdict = "permanent"
	Waiting     Verdict = "notready"
	Unavailable Verdict = "unavailable"
	Cancelled   Verdict = "cancelled" // the context ended before the effect: nothing happened
	Foreign     Verdict = "foreign"   // a record that no handler should ever have seen
)

// Effect is one attempt at one event.
type Effect struct {
	Process string // name of one life of a member process
	Event
	Attempt   int
	Partition int32
	Offset    int64
	Start     int64 // unix nanoseconds
	End       int64
	Verdict   Verdict
	Seen      State // the entity's state as the handler found it
}

// Last tells whether the attempt settles its event, when a schedule has so many attempts.
func (e *Effect) Last(attempts int) bool {
	return e.Verdict == Done || e.Verdict == Dead || e.Verdict == Failed && e.Attempt >= attempts
}

func (e *Effect) String() string {
	return fmt.Sprintf("%s: %v attempt %d (%d@%d) %s from %s for %v", e.Process, e.Event, e.Attempt, e.Partition, e.Offset, e.Verdict,
		time.Unix(0, e.Start).UTC().Format("15:04:05.000"), time.Duration(e.End-e.Start).Round(10*time.Microsecond))
}

// Lost is a moment at which a member learnt that the group had thrown it out.
type Lost struct {
	Process string
	At      int64
	Reason  string
}

// suffix of the files of a folder that have attempts.
const suffix = ".effects"

// Log is the file of one life of a member process. Its methods may be called from several goroutines.
type Log struct {
	process string
	file    *os.File
}

// OpenLog opens the file of a process.
func OpenLog(dir, process string) (*Log, error) {
	f, err := os.OpenFile(filepath.Join(dir, process+suffix), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return nil, fmt.Errorf("open log of effects: %w", err)
	}
	return &Log{process: process, file: f}, nil
}

const (
	effectFormat = "E %d %d %d %d %d %d %d %s %d %d %x\n"
	lostFormat   = "L %d %q\n"
)

// Effect writes an attempt, with e.Process left to the log.
func (l *Log) Effect(e *Effect) error {
	_, err := fmt.Fprintf(l.file, effectFormat, e.Entity, e.Seq, e.Attempt, e.Partition, e.Offset, e.Start, e.End, e.Verdict,
		e.Seen.Last, e.Seen.Count, e.Seen.Hash)
	return err
}

// Lost writes that the group has thrown the member out.
func (l *Log) Lost(at time.Time, reason string) error {
	_, err := fmt.Fprintf(l.file, lostFormat, at.UnixNano(), reason)
	return err
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// Written tells whether a process has written anything yet.
func Written(dir, process string) bool {
	info, err := os.Stat(filepath.Join(dir, process+suffix))
	return err == nil && info.Size() > 0
}

// Read returns everything that the processes of a folder wrote. A last line without its end is what a kill cut off: the effect
// did not happen.
func Read(dir string) ([]Effect, []Lost, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, nil, fmt.Errorf("list logs of effects: %w", err)
	}
	slices.Sort(files)
	var effects []Effect
	var lost []Lost
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a folder of ours
		if err != nil {
			return nil, nil, fmt.Errorf("read log of effects: %w", err)
		}
		process := strings.TrimSuffix(filepath.Base(file), suffix)
		for line := range bytes.Lines(data) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break
			}
			if err := parseLine(string(line), process, &effects, &lost); err != nil {
				return nil, nil, fmt.Errorf("read %s: line %q: %w", file, line, err)
			}
		}
	}
	return effects, lost, nil
}

func parseLine(line, process string, effects *[]Effect, lost *[]Lost) error {
	if strings.HasPrefix(line, "L") {
		l := Lost{Process: process}
		_, err := fmt.Sscanf(line, lostFormat, &l.At, &l.Reason)
		*lost = append(*lost, l)
		return err
	}
	e := Effect{Process: process}
	_, err := fmt.Sscanf(line, effectFormat, &e.Entity, &e.Seq, &e.Attempt, &e.Partition, &e.Offset, &e.Start, &e.End, &e.Verdict,
		&e.Seen.Last, &e.Seen.Count, &e.Seen.Hash)
	*effects = append(*effects, e)
	return err
}
