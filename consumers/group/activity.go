package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/partitioning"
	"millrace/schemas"
)

// This file writes what the service does with events to schemas.ActivityTopic. It is information, not a promise: nothing waits for it,
// what finds no room is dropped and counted, and it has a producer of its own, so that a topic that is away cannot hold up a
// transaction.

const (
	// activityRecords bounds what waits to be written; it is some seconds of a busy service, and about 10 MB.
	activityRecords = 16_384
	// activityLinger makes large batches: a record per event at the rate of a busy service would else cost a request per event.
	activityLinger = 50 * time.Millisecond
	// activityPatience is how long a record may wait for its broker.
	activityPatience = 10 * time.Second
	// activityGrace is how long a stop waits for what is not written yet.
	activityGrace = time.Second
	// activityLookEvery is how often a topic that was missing is looked for.
	activityLookEvery = 30 * time.Second
	// activityWarnEvery is how often a loss is logged.
	activityWarnEvery = time.Minute
)

// Reasons of the metric of dropped records.
const (
	droppedFull   = "buffer_full"
	droppedFailed = "failed"
)

// activity is the producer. A nil one writes nothing: that is what a service has whose Config.Activity is false.
type activity struct {
	service, instance string
	client            *kgo.Client
	ctx               context.Context //nolint:containedctx // of the records: they outlive what they tell of
	logger            *slog.Logger
	written           prometheus.Counter
	dropped           *counters
	on                atomic.Bool  // the topic is there
	warned            atomic.Int64 // when a loss was logged last, Unix nanoseconds
	looked            time.Time    // when the topic was looked for last; of the observer
}

// newActivity connects nothing yet.
func (r *Runtime) newActivity() (*activity, error) {
	if !r.cfg.Activity {
		return nil, nil //nolint:nilnil // no producer is what was asked for
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, r.kafka...),
		kgo.RecordPartitioner(partitioning.Partitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(activityLinger),
		kgo.MaxBufferedRecords(activityRecords),
		kgo.RecordDeliveryTimeout(activityPatience),
	)...)
	if err != nil {
		return nil, fmt.Errorf("make the producer of activity: %w", err)
	}
	a := &activity{ctx: context.Background(), service: r.svc.Name, instance: r.cfg.Member.InstanceID, client: cl, logger: r.logger, written: r.metrics.activity, dropped: r.metrics.activityDropped}
	if a.instance == "" {
		a.instance, _ = os.Hostname() // empty is what is left to say
	}
	return a, nil
}

// found notes whether the topic is there.
func (a *activity) found(ctx context.Context, there bool) {
	if a == nil {
		return
	}
	a.looked = time.Now()
	if was := a.on.Swap(there); !there && !was {
		a.logger.WarnContext(ctx, "what this service does is not recorded: the topic is missing; `millrace topics apply` creates it", "topic", schemas.ActivityTopic)
	} else if there && !was {
		a.logger.DebugContext(ctx, "what this service does is recorded", "topic", schemas.ActivityTopic)
	}
}

// findActivity looks for a topic that was missing.
func (r *Runtime) findActivity(ctx context.Context, now time.Time) {
	a := r.activity
	if a == nil || a.on.Load() || now.Sub(a.looked) < activityLookEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a.looked = now
	if counts, err := r.partitionCounts(ctx, schemas.ActivityTopic); err == nil && counts[schemas.ActivityTopic] > 0 {
		a.found(ctx, true)
	}
}

// close gives what is not written yet a moment.
func (a *activity) close(ctx context.Context) {
	if a == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), activityGrace)
	defer cancel()
	_ = a.client.Flush(ctx) // what is left then is dropped, and counted by its promise
	a.client.Close()
}

// send writes a record made by report; nil is nothing.
func (a *activity) send(rec *kgo.Record) {
	if rec != nil {
		a.client.TryProduce(a.ctx, rec, a.promise)
	}
}

// promise counts what became of a record.
func (a *activity) promise(_ *kgo.Record, err error) {
	switch {
	case err == nil:
		a.written.Inc()
		return
	case errors.Is(err, kgo.ErrMaxBuffered):
		a.dropped.With(droppedFull).Inc()
	default:
		a.dropped.With(droppedFailed).Inc()
	}
	now, last := time.Now().UnixNano(), a.warned.Load()
	if time.Duration(now-last) > activityWarnEvery && a.warned.CompareAndSwap(last, now) {
		a.logger.Warn("records of what this service does are dropped: kafka does not take them fast enough", "topic", schemas.ActivityTopic, "err", err)
	}
}

// result is an outcome in the words of schemas.Activity.
type result struct {
	outcome, class string
	err            error
	due            time.Time
}

// report makes the record that says what became of a try; nil when nothing is to be written.
func (a *activity) report(it *schedule.Item, u *unit, res result, began, ended time.Time) *kgo.Record {
	if a == nil || !a.on.Load() {
		return nil
	}
	e := &u.event
	act := schemas.Activity{
		Service: a.service, Instance: a.instance,
		SourceTopic: e.KafkaTopic, SourcePartition: e.Partition, SourceOffset: e.Offset,
		WebhookID: e.ID, Shop: e.Shop, ShopifyTopic: e.Topic, Subject: e.Subject, Received: e.Received,
		Outcome: res.outcome, Class: res.class, Attempt: e.Attempt, Note: u.note,
		Started: began, Ended: ended, Due: res.due,
	}
	if e.Shop == "" { // its headers could not be read
		act.Shop, act.Subject, _ = strings.Cut(e.Key, "|")
	}
	if res.err != nil {
		act.Error = withoutAddresses(res.err.Error())
	}
	return &kgo.Record{Topic: schemas.ActivityTopic, Key: entityKey(it), Value: schemas.AppendActivity(make([]byte, 0, 640), &act)}
}

// withoutAddresses leaves out the words of a text that have an @: what mail servers and APIs answer often repeats a customer's address.
func withoutAddresses(text string) string {
	if len(text) > 4*schemas.MaxActivityText {
		text = text[:4*schemas.MaxActivityText] // it is cut anyway
	}
	if !strings.Contains(text, "@") {
		return text
	}
	words := strings.Split(text, " ")
	for i, w := range words {
		if strings.Contains(w, "@") {
			words[i] = "(address)"
		}
	}
	return strings.Join(words, " ")
}

// buried is the record of an event that could not be written as its handler wanted, and became a dead letter instead.
func buried(rec *kgo.Record, it *schedule.Item) *kgo.Record {
	if rec == nil {
		return nil
	}
	act, err := schemas.ParseActivity(rec.Value)
	if err != nil {
		return nil // it is our own
	}
	act.Outcome, act.Class, act.Error, act.Due = schemas.OutcomeDeadLettered, it.Class, withoutAddresses(it.Err), time.Time{}
	return &kgo.Record{Topic: rec.Topic, Key: rec.Key, Value: schemas.AppendActivity(nil, &act)}
}

// sendAll writes what the events of commits that are through have come to.
func (a *activity) sendAll(commits []schedule.Commit) {
	if a == nil {
		return
	}
	for _, commit := range commits {
		for _, c := range commit.Completions {
			if rec, ok := c.Item.Report.(*kgo.Record); ok {
				a.send(rec)
				c.Item.Report = nil
			}
		}
	}
}
