package main

import (
	"cmp"
	"slices"
)

// sample is how much a process had handled at one moment.
type sample struct {
	at      int64 // microseconds since 1970
	handled int64
}

// rates are the records per second from the first to the last record, and from the end of the first quarter on: a process that
// has warmed up by then shows its steady state there.
type rates struct {
	whole, steady float64
}

// rate returns the rates of a process, or of several that worked side by side. Samples of each are in order of time.
func rate(processes ...[]sample) rates {
	all := merge(processes)
	if len(all) == 0 {
		return rates{}
	}
	total := all[len(all)-1].handled
	end, _ := slices.BinarySearchFunc(all, total, func(s sample, n int64) int { return cmp.Compare(s.handled, n) })
	since := func(handled int64) float64 {
		from, _ := slices.BinarySearchFunc(all, handled, func(s sample, n int64) int { return cmp.Compare(s.handled, n) })
		took := all[end].at - all[from].at
		if took <= 0 {
			return 0
		}
		return float64(total-all[from].handled) / float64(took) * 1e6
	}
	return rates{whole: since(1), steady: since(max(total/4, 1))}
}

// merge returns the sum of the processes at each moment of which one of them told.
func merge(processes [][]sample) []sample {
	type step struct {
		at, more int64
	}
	var steps []step
	for _, samples := range processes {
		var before int64
		for _, s := range samples {
			steps = append(steps, step{s.at, s.handled - before})
			before = s.handled
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	all := make([]sample, 0, len(steps))
	var sum int64
	for _, s := range steps {
		sum += s.more
		if n := len(all); n > 0 && all[n-1].at == s.at {
			all[n-1].handled = sum
			continue
		}
		all = append(all, sample{s.at, sum})
	}
	return all
}

// median returns the middle value, the upper one of two; it sorts the values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}
