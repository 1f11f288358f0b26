package effects

import "slices"

// Filter chooses entries and refusals; an empty field chooses all.
type Filter struct {
	Backend, Shop, Order, Subject, Key string

	Kind, Anomaly string // of entries
	Reason        string // of refusals
	Limit         int    // at most so many; 0 means all
}

func (f *Filter) common(backend, shop, order, subject, key string) bool {
	return is(f.Backend, backend) && is(f.Shop, shop) && is(f.Order, order) && is(f.Subject, subject) && is(f.Key, key)
}

func is(want, got string) bool { return want == "" || want == got }

// Entries returns effects in their order, up to the limit, and how many there are without it.
func (l *Ledger) Entries(f Filter) (found []Entry, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return choose(l.entries, f.Limit, func(e *Entry) bool {
		return f.common(e.Backend, e.Shop, e.Order, e.Subject, e.Key) && is(f.Kind, string(e.Kind)) && (f.Anomaly == "" || slices.Contains(e.Anomalies, f.Anomaly))
	})
}

// Refusals returns permanent refusals, one per key and reason, in the order of their first.
func (l *Ledger) Refusals(f Filter) (found []Refusal, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return choose(l.refusals, f.Limit, func(r *Refusal) bool {
		return f.common(r.Backend, r.Shop, r.Order, r.Subject, r.Key) && is(f.Reason, r.Reason)
	})
}

func choose[T any](all []*T, limit int, fits func(*T) bool) (found []T, total int) {
	found = []T{}
	for _, v := range all {
		if !fits(v) {
			continue
		}
		total++
		if limit == 0 || len(found) < limit {
			found = append(found, *v)
		}
	}
	return found, total
}
