package deadletter

import (
	"cmp"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// activityTimeout is how long a run waits, at its end, for what it tells schemas.ActivityTopic. The letters are settled by then: like
// the services, a tool does without what Kafka does not take in time.
const activityTimeout = 5 * time.Second

// tell writes that a letter is settled, for the story of its entity.
func (r *settler) tell(l *Letter) {
	if !r.b.activity {
		return
	}
	h := read(l.Headers)
	now := time.Now()
	a := schemas.Activity{
		Service: cmp.Or(r.w.Service, r.b.group), SourceTopic: l.ID.Topic, SourcePartition: l.ID.Partition, SourceOffset: l.ID.Offset,
		WebhookID: l.WebhookID, Shop: l.Shop, ShopifyTopic: l.ShopifyTopic, Subject: l.Entity, Received: parseTime(h.received),
		Outcome: schemas.OutcomeRedriven, Class: l.Class, Attempt: l.Attempts, Started: now, Ended: now,
	}
	if r.action == ActionDrop {
		a.Outcome = schemas.OutcomeDropped
	}
	rec := &kgo.Record{Topic: schemas.ActivityTopic, Key: l.Key, Value: schemas.AppendActivity(nil, &a)}
	r.b.client.TryProduce(r.told, rec, nil)
}

// flush waits for what was told.
func (r *settler) flush(ctx context.Context) {
	if r.b.activity {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), activityTimeout)
		defer cancel()
		_ = r.b.client.Flush(ctx) // as above
	}
}
