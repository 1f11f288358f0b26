package main

import (
	"slices"
	"time"
)

// median returns the middle value, the upper one of two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quantile returns the least value that at least the share q of the values do not exceed. The values are in order.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// place is where a record stands.
type place struct {
	topic     string
	partition int32
}

// sightings finds out how long each record took from its acknowledgement until a SELECT saw it. Of each partition it takes the greatest
// offset that a SELECT has seen: a partition's rows appear in order.
type sightings struct {
	waiting map[place][]waiting // by offset
	delays  []time.Duration
}

// waiting is a record that no SELECT has seen yet.
type waiting struct {
	offset   int64
	accepted time.Time
}

func newSightings() *sightings { return &sightings{waiting: map[place][]waiting{}} }

// accepted notes that Kafka has acknowledged a record. Acknowledgements of one partition come in the order of offsets.
func (s *sightings) accepted(at place, offset int64, when time.Time) {
	s.waiting[at] = append(s.waiting[at], waiting{offset, when})
}

// seen notes that a SELECT, which ended at when, saw everything of a partition up to an offset.
func (s *sightings) seen(at place, offset int64, when time.Time) {
	w := s.waiting[at]
	n := 0
	for n < len(w) && w[n].offset <= offset {
		// A SELECT that began before the acknowledgement came back may see the row: it was queryable at once.
		s.delays = append(s.delays, max(when.Sub(w[n].accepted), 0))
		n++
	}
	s.waiting[at] = w[n:]
}

// left is how many records no SELECT has seen yet.
func (s *sightings) left() int {
	n := 0
	for _, w := range s.waiting {
		n += len(w)
	}
	return n
}
