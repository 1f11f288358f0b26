package reconcile

import "time"

// Count is what came of one kind of thing.
type Count struct {
	Checked int `json:"checked"`
	Missing int `json:"missing"`
	Stale   int `json:"stale"`
	Sent    int `json:"sent"`
}

// Summary is what came of a run over one store.
type Summary struct {
	Shop  string    `json:"shop"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Through is up to when everything has been looked at, and sent: where the next run may begin.
	Through time.Time       `json:"through"`
	Kinds   map[Kind]*Count `json:"kinds"`
	Gone    int             `json:"gone"` // deleted in the store between the listing and the look at it
	DryRun  bool            `json:"dry_run"`
	Error   string          `json:"error,omitempty"`
}

func newSummary(shop string, span Span, dry bool) *Summary {
	s := &Summary{Shop: shop, Since: span.Since, Until: span.Until, Through: span.Since, Kinds: map[Kind]*Count{}, DryRun: dry}
	for _, k := range Kinds() {
		s.Kinds[k] = &Count{}
	}
	return s
}

// Found is how many findings there are.
func (s *Summary) Found() (n int) {
	for _, c := range s.Kinds {
		n += c.Missing + c.Stale
	}
	return n
}

// Sent is how many events were sent.
func (s *Summary) Sent() (n int) {
	for _, c := range s.Kinds {
		n += c.Sent
	}
	return n
}

func (s *Summary) found(f *Finding) {
	if f.Problem == Missing {
		s.Kinds[f.Kind].Missing++
	} else {
		s.Kinds[f.Kind].Stale++
	}
}

// add takes another store's counts, for a total.
func (c *Count) add(o *Count) {
	c.Checked += o.Checked
	c.Missing += o.Missing
	c.Stale += o.Stale
	c.Sent += o.Sent
}

// Total adds up the counts of several stores.
func Total(all []*Summary) map[Kind]*Count {
	total := map[Kind]*Count{}
	for _, k := range Kinds() {
		total[k] = &Count{}
		for _, s := range all {
			total[k].add(s.Kinds[k])
		}
	}
	return total
}
