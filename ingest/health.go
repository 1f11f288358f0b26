package ingest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failuresUnready failed writes with no success between them make the receiver unready: for as long as one of them is
	// still with the client, which goes on trying it, else for failureAge, after which requests come again and show whether
	// Kafka is back.
	failuresUnready = 3
	failureAge      = 5 * time.Second
	// topicShare is the part of the room for bodies, one in so many, that unanswered writes of a single topic may hold. A
	// topic that takes nothing would otherwise fill all the room with its deliveries and their repeats, and stop the
	// healthy ones.
	topicShare = 2
)

// health remembers how the last writes went.
type health struct {
	mu       sync.Mutex
	failures int // since the last success
	last     time.Time
	err      error
	pending  int // writes given up and not yet answered by Kafka
}

// answered notes Kafka's answer to a write.
func (h *health) answered(err error) {
	if err != nil {
		h.failed(err)
		return
	}
	h.mu.Lock()
	h.failures = 0
	h.mu.Unlock()
}

func (h *health) failed(err error) {
	h.mu.Lock()
	h.failures++
	h.last, h.err = time.Now(), err
	h.mu.Unlock()
}

func (h *health) addPending(n int) {
	h.mu.Lock()
	h.pending += n
	h.mu.Unlock()
}

// check returns the last error while writes keep failing.
func (h *health) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures >= failuresUnready && (h.pending > 0 || time.Since(h.last) < failureAge) {
		return fmt.Errorf("the last %d writes failed: %w", h.failures, h.err)
	}
	return nil
}

// rooms counts, per Kafka topic, what its unanswered writes hold, those that were given up included.
type rooms struct {
	maxBytes, maxRecords int64
	topics               map[string]*room // fixed when built
}

type room struct{ bytes, records atomic.Int64 }

func newRooms(maxBytes int64) rooms {
	s := rooms{maxBytes: maxBytes / topicShare, maxRecords: maxBufferedRecords / topicShare, topics: map[string]*room{}}
	for _, topic := range kafkaTopics() {
		s.topics[topic] = &room{}
	}
	return s
}

// enter takes room for one write of n bytes, unless the topic holds as much as it may. A topic that holds nothing takes any
// write, so that the largest body fits into the smallest room.
func (s *rooms) enter(topic string, n int64) bool {
	t := s.topics[topic]
	bytes, records := t.bytes.Add(n), t.records.Add(1)
	if records > 1 && (bytes > s.maxBytes || records > s.maxRecords) {
		s.leave(topic, n)
		return false
	}
	return true
}

func (s *rooms) leave(topic string, n int64) {
	t := s.topics[topic]
	t.bytes.Add(-n)
	t.records.Add(-1)
}
