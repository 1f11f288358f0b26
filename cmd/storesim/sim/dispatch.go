package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"millrace/cmd/storesim/ledger"
)

// dispatcher delivers parcels: those of one entity one after another, those of different entities concurrently.
//
// Every entity with undelivered parcels is in exactly one place: in ready, in the hands of a worker, or waiting for its
// retry timer. An entity's line is guarded by mu; the parcel at its head belongs to whoever has the entity.
type dispatcher struct {
	cfg    Config
	sender *sender
	rec    Recorder
	tally  *tally
	failed func(p *parcel, r result, again time.Duration) // reports a failed attempt; again 0 means none follows

	slots chan struct{} // one per parcel that is pending
	ready chan *entity  // has room for every entity there can be, since each has a pending parcel: sends never block

	mu   sync.Mutex
	live map[*entity]struct{} // with undelivered parcels
	idle *sync.Cond           // live became empty, or dead set
	dead bool
}

func newDispatcher(cfg Config, s *sender, rec Recorder, t *tally, failed func(*parcel, result, time.Duration)) *dispatcher {
	d := &dispatcher{
		cfg: cfg, sender: s, rec: rec, tally: t, failed: failed,
		slots: make(chan struct{}, cfg.MaxPending), ready: make(chan *entity, cfg.MaxPending), live: map[*entity]struct{}{},
	}
	d.idle = sync.NewCond(&d.mu)
	return d
}

// add takes a parcel, waiting while MaxPending are pending. It returns false, and has not taken p, when ctx has ended.
func (d *dispatcher) add(ctx context.Context, p *parcel) bool {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	d.tally.update(func(s *Stats) { s.Pending++ })
	d.mu.Lock()
	defer d.mu.Unlock()
	e := p.event.entity
	e.line = append(e.line, p)
	if len(e.line) == 1 {
		d.live[e] = struct{}{}
		d.ready <- e
	}
	return true
}

// work delivers until ctx ends. An attempt that has begun is finished: what the receiver answers must be in the ledger.
func (d *dispatcher) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-d.ready:
			if stopped(ctx) { // select chooses at random when both are ready
				return nil
			}
			if err := d.serve(context.WithoutCancel(ctx), e); err != nil {
				return err
			}
		}
	}
}

func stopped(ctx context.Context) bool { return ctx.Err() != nil }

// serve makes one attempt for the head of e's line.
func (d *dispatcher) serve(ctx context.Context, e *entity) error {
	d.mu.Lock()
	p := e.line[0]
	d.mu.Unlock()
	r := d.sender.attempt(ctx, p.event)
	p.take(r)
	d.tally.update(func(s *Stats) {
		s.Attempts++
		s.Bytes += int64(len(p.event.Body))
		s.Statuses[r.code]++
		if p.delivery.Attempts > 1 {
			s.Retries++
		}
	})
	if !r.acked() && p.delivery.Attempts <= MaxRetries {
		wait := Backoff(p.delivery.Attempts, d.cfg.TimeScale)
		d.failed(p, r, wait)
		d.mu.Lock()
		e.timer = time.AfterFunc(wait, func() { d.ready <- e })
		d.mu.Unlock()
		return nil
	}
	if !r.acked() {
		d.failed(p, r, 0)
	}
	err := d.settle(p, ledger.StatusGivenUp)
	d.next(e)
	return err
}

// next takes the delivered head off e's line and makes e ready again if there is more.
func (d *dispatcher) next(e *entity) {
	d.mu.Lock()
	e.line[0] = nil
	e.line = e.line[1:]
	if len(e.line) > 0 {
		d.ready <- e
	} else {
		e.line = nil
		delete(d.live, e)
		if len(d.live) == 0 {
			d.idle.Broadcast()
		}
	}
	d.mu.Unlock()
	<-d.slots
	d.tally.update(func(s *Stats) { s.Pending-- })
}

// take notes the result of an attempt.
func (p *parcel) take(r result) {
	v := &p.delivery
	v.Attempts++
	v.Code, v.Error = r.code, ""
	switch {
	case r.err != nil:
		v.Error = r.err.Error()
	case !r.acked():
		v.Error = fmt.Sprintf("%d %s", r.code, http.StatusText(r.code))
	default:
		v.Acked, v.AckedAt = true, time.Now().UTC()
	}
	if r.storable {
		p.storable++
	}
}

// settle notes the fate of a delivery and, when it was the last of its event, writes the event's line. otherwise is the
// status of an event that no delivery brought home. The deliveries of an event are of one entity, so settle is never called
// twice at once for one event.
func (d *dispatcher) settle(p *parcel, otherwise ledger.Status) error {
	e := p.event
	a := &e.account
	if p.delivery.Attempts > 0 {
		a.Deliveries = append(a.Deliveries, p.delivery)
		a.Attempts += p.delivery.Attempts
		a.Storable += p.storable
	}
	if p.delivery.Acked && !a.Acked {
		a.Acked, a.AckedAt = true, p.delivery.AckedAt
	}
	e.settled++
	if e.settled < e.Copies {
		return nil
	}
	return d.write(e, otherwise)
}

// forget accounts for an event that is never sent.
func (d *dispatcher) forget(e *Event) error { return d.write(e, ledger.StatusForgotten) }

func (d *dispatcher) write(e *Event, otherwise ledger.Status) error {
	a := &e.account
	a.Status = otherwise
	if a.Acked {
		a.Status = ledger.StatusAcked
	}
	d.tally.update(func(s *Stats) {
		switch {
		case e.Forgotten:
		case a.Attempts == 0:
			s.Unsent++
		case a.Status == ledger.StatusAcked:
			s.Acked++
		case a.Status == ledger.StatusGivenUp:
			s.GivenUp++
		default:
			s.Abandoned++
		}
	})
	if d.rec == nil || (a.Attempts == 0 && !e.Forgotten) {
		return nil
	}
	sum := sha256.Sum256(e.Body)
	a.WebhookID, a.EventID, a.Shop, a.Topic, a.Entity = e.WebhookID, e.EventID, e.Shop, e.Topic, e.Entity
	a.Seq, a.EntitySeq, a.BodySHA256, a.Bytes = e.Seq, e.EntitySeq, hex.EncodeToString(sum[:]), len(e.Body)
	a.Late, a.Duplicate, a.Order = e.Late, e.Copies > 1, e.Order
	return d.rec.Record(a)
}

// drained waits until nothing is pending, or ctx ends.
func (d *dispatcher) drained(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.dead = true
		d.idle.Broadcast()
	})
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.live) > 0 && !d.dead {
		d.idle.Wait()
	}
}

// abandon writes the lines of the events that are still pending. No worker may be running.
func (d *dispatcher) abandon(more []*parcel) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := range d.live {
		if e.timer != nil {
			e.timer.Stop()
		}
		for _, p := range e.line {
			if err := d.settle(p, ledger.StatusAbandoned); err != nil {
				return err
			}
		}
	}
	for _, p := range more {
		settle := func() error { return d.settle(p, ledger.StatusAbandoned) }
		if p.event.Forgotten {
			settle = func() error { return d.forget(p.event) }
		}
		if err := settle(); err != nil {
			return err
		}
	}
	return nil
}
