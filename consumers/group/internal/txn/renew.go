package txn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ensure makes the client anew where there is none, again and again until ctx is over.
func (p *Producer) ensure(ctx context.Context) error {
	var reason error // of the last try that was not cut off by ctx
	for n := 1; p.cl == nil; n++ {
		if p.closed {
			return errors.New("the producer is closed")
		}
		cl, err := p.connect(ctx)
		if err == nil {
			p.cl = cl
			return nil
		}
		if reason == nil || ctx.Err() == nil {
			reason = err
		}
		if n == 1 && ctx.Err() == nil {
			p.log.WarnContext(ctx, "initialise transactional producer: trying again", "transactional_id", p.id, "err", err)
		}
		if pause.Sleep(ctx, backoff(n)) != nil {
			return fmt.Errorf("initialise transactional id %s: %w: %w", p.id, ctx.Err(), reason)
		}
	}
	return nil
}

// connect builds a client that has got its producer id. The request names no earlier epoch, so the coordinator treats it as a
// new process with this transactional id: it ends what is open and fences all before.
func (p *Producer) connect(ctx context.Context) (*kgo.Client, error) {
	cl, err := kgo.NewClient(p.opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// discard throws the client away, with whatever it still has in flight.
func (p *Producer) discard() {
	if p.cl != nil {
		p.cl.Close()
		p.cl = nil
	}
}

// backoff is the wait after the nth failure in a row.
func backoff(n int) time.Duration { return min(minBackoff<<min(n-1, 10), maxBackoff) }
