package keyed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
)

// Failures of the handler.
var (
	errOnPurpose = errors.New("it fails on purpose")
	errHopeless  = errors.New("it can never be done")
)

// handler does with each event what its fate says, and writes every attempt down at the moment of its effect.
type handler struct {
	world   ledger.World
	rates   ledger.Rates
	log     *ledger.Log
	client  *outgoing.Client // nil without a backend
	backend string
	http    *http.Client

	mu     sync.Mutex
	visits map[ledger.Event]int
	err    error
}

// Handle implements group.Handler.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	entry := ledger.Effect{Attempt: e.Attempt, Partition: e.Partition, Offset: e.Offset, Start: time.Now().UnixNano()}
	var verdict error
	entry.Verdict, verdict = h.handle(ctx, e, u, &entry)
	// The effect: nothing may come between the last look at the clock and the line.
	entry.End = time.Now().UnixNano()
	if err := h.log.Effect(&entry); err != nil {
		h.fail(fmt.Errorf("write down an effect: %w", err))
	}
	return verdict
}

// handle fills in what the entry does not know yet.
func (h *handler) handle(ctx context.Context, e *group.Event, u group.UnitOfWork, entry *ledger.Effect) (ledger.Verdict, error) {
	event, err := h.world.Parse(e.Key, e.Body)
	if entry.Event = event; err != nil {
		return ledger.Foreign, group.Permanent(err)
	}
	if want := h.world.Envelope(event, e.Time); e.Event != want {
		return ledger.Foreign, group.Permanent(fmt.Errorf("%v came with the headers %+v", event, e.Event))
	}
	if entry.Seen, err = ledger.DecodeState(u.State().Get()); err != nil {
		return ledger.Foreign, group.Permanent(err)
	}
	if err := h.work(ctx, event); err != nil {
		return verdictOf(ctx, err), err
	}
	fate := h.rates.Of(event)
	switch {
	case fate.Kind == ledger.Permanent:
		return ledger.Dead, group.Permanent(errHopeless)
	case fate.Kind == ledger.Exhausted, fate.Kind == ledger.Transient && e.Attempt <= fate.Fails:
		return ledger.Failed, errOnPurpose
	case fate.Kind == ledger.NotReady && h.visit(event) <= fate.Visits:
		return ledger.Waiting, group.NotReady(fate.Wait, "another event has to come first")
	}
	return h.finish(u, event, entry)
}

// finish writes what a done event writes.
func (h *handler) finish(u group.UnitOfWork, event ledger.Event, entry *ledger.Effect) (ledger.Verdict, error) {
	err := errors.Join(
		u.State().Set(entry.Seen.Next(event.Seq).Encode()),
		u.Emit(group.Record{Topic: outTopic, Key: h.world.Key(event.Entity), Value: ledger.Emitted{Event: event, Source: entry.Offset}.Encode()}),
	)
	if err != nil {
		return ledger.Foreign, err
	}
	return ledger.Done, nil
}

// mostWork is the longest that the handler works on an event; how long on which follows from the event.
const mostWork = 5 * time.Millisecond

// work takes a while, or calls the backend where there is one.
func (h *handler) work(ctx context.Context, event ledger.Event) error {
	if h.client != nil {
		shop := h.world.Shop(event.Entity)
		return h.client.Do(ctx, shop, func(ctx context.Context) error { return h.call(ctx, shop) })
	}
	return pause.For(ctx, mostWork*time.Duration((event.Entity*7+event.Seq*3)%16)/15)
}

func (h *handler) call(ctx context.Context, shop string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.backend+"/"+shop, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return outgoing.CheckHTTP(resp)
}

// verdictOf names what stopped the work.
func verdictOf(ctx context.Context, err error) ledger.Verdict {
	switch {
	case errors.Is(err, outgoing.ErrRefused):
		return ledger.Unavailable
	case ctx.Err() != nil:
		return ledger.Cancelled
	}
	return ledger.Failed
}

// visit counts how often the event has come to this process.
func (h *handler) visit(event ledger.Event) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.visits[event]++
	return h.visits[event]
}

func (h *handler) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *handler) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
