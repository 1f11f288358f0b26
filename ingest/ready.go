package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of the readiness check.
const (
	readyTimeout = 2 * time.Second
	// readyFor is how long an answer of Kafka is believed, so that probes cost the cluster next to nothing.
	readyFor = time.Second
)

// Reasons for which the receiver is not ready.
var (
	errNotRunning = errors.New("not running")
	errStopping   = errors.New("stopping")
)

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
	// The answer is kept for other callers too, so it must not depend on how long this one waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	s.ready.err = topicsWritable(ctx, p.client)
	s.ready.at, s.ready.once = time.Now(), true
	return s.ready.err
}

func topicsWritable(ctx context.Context, client *kgo.Client) error {
	names := kafkaTopics()
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
