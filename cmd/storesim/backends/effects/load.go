package effects

import "time"

// Load is the most that a backend was asked for at a time, refused requests included: what a client's limits are held against.
type Load struct {
	AtOnce    int64 `json:"max_at_once"`    // requests under way, from their arrival to their end
	PerSecond int64 `json:"max_per_second"` // arrivals within one second, wherever that begins
}

// meter measures a Load.
type meter struct {
	underWay int64
	most     Load
	recent   []time.Time // arrivals of the last second, oldest first from head on
	head     int
}

func (m *meter) arrive(at time.Time) {
	m.underWay++
	m.most.AtOnce = max(m.most.AtOnce, m.underWay)
	for m.head < len(m.recent) && at.Sub(m.recent[m.head]) >= time.Second {
		m.head++
	}
	if m.head > len(m.recent)/2 { // what is moved is less than what was passed over since the last time
		m.recent = append(m.recent[:0], m.recent[m.head:]...)
		m.head = 0
	}
	m.recent = append(m.recent, at)
	m.most.PerSecond = max(m.most.PerSecond, int64(len(m.recent)-m.head))
}
