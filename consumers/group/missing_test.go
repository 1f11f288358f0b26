package group_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group"
	"millrace/schemas"
)

// A process that was stopped for long finds that what it waits for is gone: its successor has done it. As long as it cannot make sure that
// the partition is still its own, it must not go on as if the event had never been.
func TestNoEventIsPassedOverBeforeItIsSureThatThePartitionIsOurs(t *testing.T) {
	c := newCluster(t, 1)
	var handled ledger
	const key = "acme.myshopify.com|order/1"
	c.produce(event(key, 1))
	cfg := quick()
	cfg.Retry.Schedule = []time.Duration{0, 3 * time.Second}
	failed := make(chan struct{}, 8)
	c.start(group.Service{Handler: group.HandlerFunc(func(_ context.Context, e *group.Event, _ group.UnitOfWork) error {
		handled.add(key, string(e.Body))
		if string(e.Body) == "1" {
			failed <- struct{}{}
			return errors.New("not now")
		}
		return nil
	})}, cfg)
	<-failed
	retry := schemas.RetryTopic(source, groupID)
	eventually(t, func() string {
		if len(c.read(retry)) == 0 {
			return "the event is not in the retry topic"
		}
		return ""
	})

	// Its record goes, and the coordinator does not take commits any more.
	var refusing atomic.Bool
	var refused atomic.Int64
	refusing.Store(true)
	c.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !refusing.Load() {
			return nil, nil, false
		}
		refused.Add(1)
		req := r.(*kmsg.OffsetCommitRequest)
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, topic := range req.Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.InvalidCommitOffsetSize.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	admin := kadm.NewClient(c.cl)
	ends, err := admin.ListEndOffsets(t.Context(), retry)
	if err == nil {
		_, err = admin.DeleteRecords(t.Context(), ends.Offsets())
	}
	if err != nil {
		t.Fatal(err)
	}
	c.produce(event(key, 2))
	eventually(t, func() string {
		if refused.Load() < 3 {
			return "nobody asks whether the partition is ours"
		}
		return ""
	})
	if got := handled.of(key); !slices.Equal(got, []string{"1"}) {
		t.Fatalf("handled %q, want nothing after the first", got)
	}

	// It is ours: then the event is lost, which is counted, and the next one goes on.
	refusing.Store(false)
	eventually(t, func() string {
		if got := handled.of(key); !slices.Equal(got, []string{"1", "2"}) {
			return "the second event is not handled"
		}
		return ""
	})
}
