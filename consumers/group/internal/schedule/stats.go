package schedule

import "time"

// Stats is what a partition holds.
type Stats struct {
	Unfinished int       // admitted and not finished
	Staged     int       // read and not admitted
	StagedSize int       // bytes of them
	Oldest     time.Time // of the oldest unfinished event in memory; zero: none
	Waiting    int       // events in the retry topic
	Timed      int       // keys that wait for a time
	Parked     int       // keys that wait for a person
	Keys       int
	Bytes      int // of all in memory
	Pending    int // finished, and not committed
	Metadata   int // bytes of the last commit's metadata
}

// Stats describes p.
func (p *Partition) Stats() Stats {
	st := Stats{
		Unfinished: p.progress.unfinished, Staged: len(p.staged), StagedSize: p.stagedBytes, Waiting: p.waiting, Timed: len(p.timers),
		Parked: p.parked, Keys: len(p.keys), Bytes: p.bytes, Pending: len(p.pending), Metadata: len(p.last.Metadata),
	}
	switch {
	case len(p.progress.slots) > 0:
		st.Oldest = time.UnixMilli(p.progress.slots[0].time)
	case len(p.staged) > 0:
		st.Oldest = p.staged[0].Timestamp
	}
	return st
}

// Full tells whether p holds so much that no more of it should be read; it is not full again before it holds half.
func (p *Partition) Full(staged int, was bool) bool {
	if was {
		return p.stagedBytes > staged/2
	}
	return p.stagedBytes > staged
}
