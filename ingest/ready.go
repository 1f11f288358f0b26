package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"millrace/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of the readiness check.
const (
	readyTimeout = 2 * time.Second
	// readyFor is how long an answer of Kafka is believed, so that probes cost the cluster next to nothing.
	readyFor = time.Second
	// failuresUnready failed writes with no success between them make the receiver unready, for failureAge: then requests
	// come again and show whether Kafka is back.
	failuresUnready = 3
	failureAge      = 5 * time.Second
)

// Reasons for which the receiver is not ready.
var (
	errNotRunning = errors.New("not running")
	errStopping   = errors.New("stopping")
)

// health remembers how the last writes went.
type health struct {
	mu       sync.Mutex
	failures int // since the last success
	last     time.Time
	err      error
}

// answered notes Kafka's answer to a write. A full buffer is our own refusal and says nothing of Kafka.
func (h *health) answered(err error) {
	if err == nil {
		h.mu.Lock()
		h.failures = 0
		h.mu.Unlock()
		return
	}
	if !errors.Is(err, kgo.ErrMaxBuffered) {
		h.failed(err)
	}
}

func (h *health) failed(err error) {
	h.mu.Lock()
	h.failures++
	h.last, h.err = time.Now(), err
	h.mu.Unlock()
}

// check returns the last error while writes keep failing.
func (h *health) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures >= failuresUnready && time.Since(h.last) < failureAge {
		return fmt.Errorf("the last %d writes failed: %w", h.failures, h.err)
	}
	return nil
}

// readiness caches the cluster's answer.
type readiness struct {
	mu   sync.Mutex
	at   time.Time
	err  error
	once bool
}

// Ready tells whether the receiver can take deliveries: nil, or why not. It is not ready before Run serves, while it
// stops, while writes keep failing, when no broker answers within two seconds, and when a domain topic is missing or has
// no partition with a leader. One leaderless partition of many is no reason: taking every replica out of a load balancer
// would turn a part of the failures into all.
func (s *Server) Ready(ctx context.Context) error {
	p := s.producer.Load()
	if p == nil {
		return errNotRunning
	}
	if s.stopping.Load() {
		return errStopping
	}
	if err := p.health.check(); err != nil {
		return err
	}
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if s.ready.once && time.Since(s.ready.at) < readyFor {
		return s.ready.err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	s.ready.err = topicsWritable(ctx, p.client)
	s.ready.at, s.ready.once = time.Now(), true
	return s.ready.err
}

func topicsWritable(ctx context.Context, client *kgo.Client) error {
	var names []string
	for _, d := range append(schemas.Domains(), schemas.DomainQuarantine) {
		names = append(names, d.KafkaTopic())
	}
	topics, err := kadm.NewClient(client).ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("ask Kafka for its topics: %w", err)
	}
	for _, name := range names {
		t := topics[name]
		if t.Err != nil {
			return fmt.Errorf("topic %s: %w (create the topics with: millrace topics apply)", name, t.Err)
		}
		led := false
		for _, part := range t.Partitions {
			led = led || part.Err == nil && part.Leader >= 0
		}
		if !led {
			return fmt.Errorf("topic %s: no partition has a leader", name)
		}
	}
	return nil
}
