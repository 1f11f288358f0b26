package gate

// This file is about what members write: it is seen from outside, before and after it is committed.

// Requested tells the gate that a request for the confirmation of an order was written, whether it is committed or not: the step
// that came before is about to be. Of Confirm, which asks nobody, no more can be known before its own outcome.
func (g *Gate) Requested(of Order) { g.confirming(of, Asked) }

// Seen tells it that the outcome of a call is Written, whether it is committed or not, or that it is Committed.
func (g *Gate) Seen(of Order, op Op, at Boundary) {
	if op == Confirm {
		g.confirming(of, at)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.expected; e != nil && e.order == of && e.op == op && e.at == at {
		close(e.seen)
		g.expected = nil
	}
}

func (g *Gate) confirming(of Order, at Boundary) {
	g.mu.Lock()
	member, known := g.owner[of]
	armed := g.armed
	g.mu.Unlock()
	if !armed || !known {
		return
	}
	if at, kill := g.plan.take(Confirm, at); kill {
		g.strike(&call{op: Confirm, member: member, order: of}, at)
	}
}
