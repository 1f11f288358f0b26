package ledger

import "time"

// Fate is what the handler is to say of an event. It follows from the event's name and the run's seed, so that every process, and
// the checks afterwards, agree on it without talking.
type Fate struct {
	Kind   FateKind
	Fails  int           // Transient: attempts that fail before one is done
	Visits int           // NotReady: times that each process answers so before it is done
	Wait   time.Duration // NotReady: the wait it asks for
}

// FateKind tells the fates apart.
type FateKind uint8

// The fates.
const (
	Fine      FateKind = iota
	Transient          // fails, and is done by a later attempt
	NotReady           // out of order for a while
	Permanent          // Permanent at the first attempt: a dead letter
	Exhausted          // fails at every attempt: a dead letter
)

// Dead tells whether the event is to become a dead letter.
func (k FateKind) Dead() bool { return k == Permanent || k == Exhausted }

// Rates are the shares of the fates.
type Rates struct {
	Seed      uint64
	Transient float64
	Permanent float64 // half of it Permanent, half Exhausted
	NotReady  float64
	// MostFails is the most failures of a Transient event: one less than there are attempts.
	MostFails int
}

// Waits that NotReady events ask for: one that is waited in memory and one in the retry topic, for the schedules of these runs.
const (
	shortWait = 100 * time.Millisecond
	longWait  = 900 * time.Millisecond
)

// Of returns the fate of an event.
func (r Rates) Of(e Event) Fate {
	h := mix(r.Seed ^ uint64(uint32(e.Entity))<<32 ^ uint64(uint32(e.Seq))) //nolint:gosec // a hash of the bits
	share := float64(h>>11) / (1 << 53)
	more := mix(h)
	permanent, transient := r.Permanent, r.Permanent+r.Transient
	switch {
	case share < permanent/2:
		return Fate{Kind: Permanent}
	case share < permanent:
		return Fate{Kind: Exhausted}
	case share < transient && r.MostFails > 0:
		return Fate{Kind: Transient, Fails: 1 + int(more%uint64(r.MostFails))} //nolint:gosec // small
	case share >= transient && share < transient+r.NotReady:
		f := Fate{Kind: NotReady, Visits: 1 + int(more%3), Wait: shortWait}
		if more&8 != 0 {
			f.Wait = longWait
		}
		return f
	}
	return Fate{}
}

// mix spreads the bits of x over the whole word (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
