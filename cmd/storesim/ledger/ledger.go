package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Status tells how an event ended.
type Status string

// The states of an event in the ledger.
const (
	StatusAcked     Status = "acked"     // at least one delivery was answered 2xx
	StatusGivenUp   Status = "given_up"  // every retry was used up without a 2xx
	StatusAbandoned Status = "abandoned" // the simulator was stopped while the event waited for a retry
	StatusForgotten Status = "forgotten" // it happened in the shop, and no webhook was ever sent; it has no deliveries
)

// Entry is one line: one distinct event.
type Entry struct {
	WebhookID string `json:"webhook_id"`
	EventID   string `json:"event_id"` // shared by the events of one merchant action
	Shop      string `json:"shop"`
	Topic     string `json:"topic"`
	// Entity is <kind>/<id> of what the event is about, from what the simulator knows, not from reading the body.
	Entity string `json:"entity"`
	// Seq numbers events in the order in which they were made, from 1. EntitySeq does so within Entity of Shop; under
	// disorder it differs from the order of delivery.
	Seq        int64      `json:"seq"`
	EntitySeq  int64      `json:"entity_seq"`
	BodySHA256 string     `json:"body_sha256"` // lower-case hex
	Bytes      int        `json:"bytes"`
	Attempts   int        `json:"attempts"`  // HTTP requests over all deliveries
	Storable   int        `json:"storable"`  // of those, the ones after which the receiver may hold the event: 2xx, 5xx, timeout, broken connection
	Late       bool       `json:"late"`      // delivered behind a later event of its entity
	Duplicate  bool       `json:"duplicate"` // delivered twice on purpose
	Acked      bool       `json:"acked"`
	AckedAt    time.Time  `json:"acked_at,omitzero"` // of the first acknowledgement
	Status     Status     `json:"status"`
	Deliveries []Delivery `json:"deliveries"`
	Order      *Order     `json:"order,omitempty"` // set on orders/*
}

// Delivery is one sending of an event with all its retries.
type Delivery struct {
	// Stamp is the position of the delivery among all deliveries of the entity, from 1. A delivery's first attempt is made
	// only after the delivery of the stamp before was answered 2xx or given up, so acknowledged stamps are in the order in
	// which the receiver acknowledged.
	Stamp    int64     `json:"stamp"`
	Attempts int       `json:"attempts"`
	Code     int       `json:"code"` // HTTP status of the last attempt, 0 when there was no answer
	Error    string    `json:"error,omitempty"`
	Acked    bool      `json:"acked"`
	AckedAt  time.Time `json:"acked_at,omitzero"`
}

// Order is the state of the order that the event's body shows, money as in the body.
type Order struct {
	ID                int64  `json:"id"`
	UpdatedAt         string `json:"updated_at"`
	Currency          string `json:"currency"`
	TotalPrice        string `json:"total_price"`
	CurrentTotalPrice string `json:"current_total_price"`
	FinancialStatus   string `json:"financial_status"`
	FulfillmentStatus string `json:"fulfillment_status,omitempty"`
}

// FirstStamp returns the stamp of the event's first delivery, 0 when there is none.
func (e *Entry) FirstStamp() int64 {
	if len(e.Deliveries) == 0 {
		return 0
	}
	return e.Deliveries[0].Stamp
}

// AckStamp returns the stamp of the first acknowledged delivery, 0 when there is none.
func (e *Entry) AckStamp() int64 {
	for i := range e.Deliveries {
		if e.Deliveries[i].Acked {
			return e.Deliveries[i].Stamp
		}
	}
	return 0
}

const (
	flushBytes    = 64 << 10
	flushInterval = 100 * time.Millisecond
)

// Writer appends entries to a ledger. It is safe for concurrent use. Every write to the underlying writer is a run of
// whole lines: buffering is by line, because bufio would cut one wherever its buffer happens to be full.
type Writer struct {
	mu      sync.Mutex
	w       io.Writer
	buf     []byte
	flushed time.Time
	err     error // the first write error; sticks
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, flushed: time.Now()} }

// Record appends one entry. It is written at the latest by the next call of Record or Flush after a tenth of a second.
// An error of the underlying writer is returned by this and every later call.
func (w *Writer) Record(e *Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode ledger line of webhook %s: %w", e.WebhookID, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.buf = append(append(w.buf, line...), '\n')
	if len(w.buf) >= flushBytes || time.Since(w.flushed) >= flushInterval {
		return w.flush()
	}
	return nil
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	w.flushed = time.Now()
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.w.Write(w.buf); err != nil {
		w.err = fmt.Errorf("write ledger: %w", err)
		return w.err
	}
	w.buf = w.buf[:0]
	return nil
}

// ErrExists is returned (wrapped, with the path) by Create when the file already has content.
var ErrExists = errors.New("the ledger already has entries")

// Create opens the file of a new ledger. One file is one run: stamps of two runs would contradict each other, and an account
// of what was acknowledged is not something to overwrite by accident, so a file with content is refused with ErrExists
// unless overwrite is true. The caller closes the file after the last Flush.
func Create(path string, overwrite bool) (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY
	if overwrite {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644) //nolint:gosec // the operator names the file, and a ledger holds no secret
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		err = fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
