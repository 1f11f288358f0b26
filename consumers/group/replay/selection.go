package replay

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/deadletter"
)

// Selection says which events of whom. It is kept with the progress of the run.
type Selection struct {
	Service string   `json:"service"` // its name
	Group   string   `json:"group"`   // its consumer group
	Topics  []string `json:"topics"`  // Kafka topics that it reads

	// What is empty does not restrict; of several words in one field any may match, and all fields must.
	ShopifyTopics []string `json:"shopify_topics,omitempty"`
	Shops         []string `json:"shops,omitempty"`    // domains; without a dot, a name under myshopify.com
	Entities      []string `json:"entities,omitempty"` // order/123, or 123 of any kind
	// From <= t < To, by the records' times as Kafka's index has them; zero: without end.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`

	By string `json:"by"` // who asks: user@host
}

func (s *Selection) validate() error {
	switch {
	case s.Service == "" || s.Group == "" || len(s.Topics) == 0:
		return errors.New("a replay needs a service, its consumer group and its topics")
	case !s.To.IsZero() && !s.From.Before(s.To):
		return fmt.Errorf("no time is from %s to %s", s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339))
	}
	return nil
}

// chooses tells whether an event within the times is meant.
func (s *Selection) chooses(r *kgo.Record) bool {
	f := deadletter.Filter{ShopifyTopics: s.ShopifyTopics, Shops: s.Shops, Entities: s.Entities}
	return f.Chooses(r)
}

// Reasons of Result.Skipped.
const (
	SkipWaiting    = "waiting"     // it waits in the retry topic, and comes anyway
	SkipParked     = "parked"      // it is the dead letter that keeps its key's place
	SkipDeadLetter = "dead_letter" // it is an open dead letter
	SkipTooLarge   = "too_large"   // the retry topic does not take it
)

// Result is how far a run is.
type Result struct {
	Passed, Total int64            // offsets of the topics, those of events that were not chosen included
	Chosen        int64            // events that the selection chooses
	Written       int64            // of these: given to the service
	Skipped       map[string]int64 // of these: left alone, by reason
}

// Done tells whether nothing is left.
func (r *Result) Done() bool { return r.Passed >= r.Total }

func (r *Result) add(m *mark, next int64) {
	r.Passed += next - m.From
	r.Total += m.End - m.From
	r.Chosen += m.Chosen
	r.Written += m.Written
	for reason, n := range m.Skipped {
		if r.Skipped == nil {
			r.Skipped = map[string]int64{}
		}
		r.Skipped[reason] += n
	}
}
