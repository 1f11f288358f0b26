package check

import (
	"cmp"
	"slices"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
)

// Failovers returns, for every partition that a harmed process was working on, how long after the harm another process began with an
// event of it. A partition without events after the harm is left out, and so is one that its process has gone on with.
func Failovers(in *Input, kind ledger.HarmKind, of func(process string) bool) []time.Duration {
	byPartition := map[int32][]*ledger.Effect{}
	for i := range in.Effects {
		e := &in.Effects[i]
		byPartition[e.Partition] = append(byPartition[e.Partition], e)
	}
	for _, effects := range byPartition {
		slices.SortStableFunc(effects, func(x, y *ledger.Effect) int { return cmp.Compare(x.Start, y.Start) })
	}
	var took []time.Duration
	for _, h := range in.Harms {
		if h.Kind != kind || !of(h.Process) {
			continue
		}
		for _, effects := range byPartition {
			// The last attempt before the harm tells who had the partition.
			next, _ := slices.BinarySearchFunc(effects, h.From, func(e *ledger.Effect, at int64) int { return cmp.Compare(e.Start, at) })
			if next == 0 || next == len(effects) || effects[next-1].Process != h.Process {
				continue
			}
			if e := effects[next]; e.Process != h.Process {
				took = append(took, time.Duration(e.Start-h.From))
			}
		}
	}
	slices.Sort(took)
	return took
}
