package outgoing

import "millrace/consumers/group"

// Open returns the Gate of a service that calls several others and goes on while any of them is away: it is always open, and tells each
// Client how much of the work this process has. Without it limits of the group would let nothing through. For a service with one
// Client there is Client.Through.
func Open(clients ...*Client) group.Gate { return always(clients) }

type always []*Client

// Permits implements group.Gate.
func (always) Permits() int { return -1 }

// Changed implements group.Gate: never.
func (always) Changed() <-chan struct{} { return nil }

// Share implements group.Shared.
func (o always) Share(owned, all int) {
	for _, c := range o {
		c.Share(owned, all)
	}
}
