package gate

// This file is about the step that asks nobody: what is known of it from outside is what the saga writes, also before it is committed.

// Requested tells the gate that a request for the confirmation of an order was written, whether it is committed or not: the step
// that came before is about to be.
func (g *Gate) Requested(of Order) { g.confirming(of, Asked) }

// Confirmed tells it that a confirmation was written, whether it is committed or not.
func (g *Gate) Confirmed(of Order) { g.confirming(of, Heard, Settled) }

func (g *Gate) confirming(of Order, among ...Boundary) {
	g.mu.Lock()
	member, known := g.owner[of]
	armed := g.armed
	g.mu.Unlock()
	if !armed || !known {
		return
	}
	at, kill := g.plan.take(Confirm, among...)
	if !kill {
		return
	}
	c := &call{op: Confirm, member: member, order: of}
	if at == Settled {
		g.soon(c, at)
		return
	}
	g.strike(c, at)
}
