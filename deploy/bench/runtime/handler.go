package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/consumers/group"
)

// reportEvery is how often a member tells how much it has handled.
const reportEvery = 10 * time.Millisecond

// errAway is what a handler that was told to fail says.
var errAway = errors.New("the dependency is away")

// handler is the handler of a member under measurement.
type handler struct {
	spec       memberSpec
	handled    atomic.Int64
	partitions []atomic.Int64

	mu     sync.Mutex // guards what is below
	out    *json.Encoder
	file   *os.File // nil without a ledger
	ledger *bufio.Writer
}

func newHandler(spec memberSpec, out io.Writer) (*handler, error) {
	h := &handler{spec: spec, partitions: make([]atomic.Int64, spec.Partitions), out: json.NewEncoder(out)}
	if spec.Ledger != "" {
		var err error
		if h.file, err = os.Create(spec.Ledger); err != nil {
			return nil, fmt.Errorf("make ledger: %w", err)
		}
		h.ledger = bufio.NewWriter(h.file)
	}
	return h, nil
}

// Handle does what the specification says; with an empty one it only counts.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	if h.spec.FailNot != "" && !strings.HasPrefix(e.Key, h.spec.FailNot) {
		return errAway
	}
	if h.spec.Sleep > 0 {
		time.Sleep(h.spec.Sleep)
	}
	if h.spec.EmitTo != "" {
		if err := h.emit(e, u); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := h.write(e); err != nil {
		return err
	}
	h.partitions[e.Partition].Add(1)
	h.handled.Add(1)
	return nil
}

// emitted is what is emitted for an event: where the event stands, and the how many-th of its key it is.
type emitted struct {
	Partition int32
	Offset    int64
	Nth       int64
}

func (h *handler) emit(e *group.Event, u group.UnitOfWork) error {
	var before int64
	if text := u.State().Get(); text != nil {
		var err error
		if before, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			return group.Permanent(fmt.Errorf("read state: %w", err))
		}
	}
	if err := u.State().Set(strconv.AppendInt(nil, before+1, 10)); err != nil {
		return err
	}
	value := fmt.Appendf(make([]byte, 0, h.spec.EmitBytes), `{"Partition":%d,"Offset":%d,"Nth":%d}`, e.Partition, e.Offset, before+1)
	for len(value) < h.spec.EmitBytes {
		value = append(value, ' ')
	}
	return u.Emit(group.Record{Topic: h.spec.EmitTo, Key: e.Key, Value: value})
}

// write tells of one record where that was asked for.
func (h *handler) write(e *group.Event) error {
	trace := h.spec.Trace != "" && strings.HasPrefix(e.Key, h.spec.Trace)
	if h.ledger == nil && !trace {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ledger != nil {
		if err := binary.Write(h.ledger, binary.LittleEndian, entry{e.Partition, e.Offset}); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	if trace {
		return h.out.Encode(line{At: time.Now().UnixMicro(), Trace: true, Partition: e.Partition, Offset: e.Offset})
	}
	return nil
}

// entry is one handled record in a ledger.
type entry struct {
	Partition int32
	Offset    int64
}

func (h *handler) say(l line) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Encode(l)
}

// report tells how much is handled, when that has changed.
func (h *handler) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for last := int64(0); ; {
		if n := h.handled.Load(); n != last {
			_ = h.say(line{At: time.Now().UnixMicro(), Handled: n}) // without a parent the process ends anyway
			last = n
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *handler) byPartition() []int64 {
	n := make([]int64, len(h.partitions))
	for i := range n {
		n[i] = h.partitions[i].Load()
	}
	return n
}

func (h *handler) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	return errors.Join(h.ledger.Flush(), h.file.Close())
}

// readLedger calls f with each entry of a ledger, in the order of handling.
func readLedger(file string, f func(entry)) error {
	in, err := os.Open(file) //nolint:gosec // a file of the bench
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer in.Close()
	r := bufio.NewReader(in)
	for {
		var e entry
		err := binary.Read(r, binary.LittleEndian, &e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		f(e)
	}
}
