package member

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"millrace/partitioning/kafkatest"
)

// What the tests on the fake broker show, on a real one: these are the calls whose behaviour is the broker's.
func TestOnARealKafka(t *testing.T) {
	cluster := kafkatest.Start(t,
		kafkatest.WithProperty("group.consumer.heartbeat.interval.ms", "200"),
		kafkatest.WithProperty("group.consumer.min.heartbeat.interval.ms", "200"),
		kafkatest.WithProperty("group.consumer.session.timeout.ms", "1000"),
		kafkatest.WithProperty("group.consumer.min.session.timeout.ms", "1000"))
	fresh := func(t *testing.T, partitions int32) *world {
		t.Helper()
		w := worldOf(t, cluster.Brokers())
		admin := kadm.NewClient(w.client)
		if _, err := admin.DeleteTopics(t.Context(), topic, retry); err != nil {
			t.Fatalf("delete topics: %v", err)
		}
		eventually(t, "the groups of the last test gone", func() bool {
			_, _ = admin.DeleteGroups(t.Context(), "g")
			groups, err := admin.ListGroups(t.Context())
			return err == nil && len(groups) == 0
		})
		eventually(t, "topics", func() bool {
			made, err := admin.CreateTopics(t.Context(), partitions, 1, nil, topic, retry)
			return err == nil && made.Error() == nil
		})
		return w
	}
	for name, cfg := range map[string]Config{"classic": testConfig(), "consumer": consumerProtocol()} {
		t.Run(name, func(t *testing.T) {
			t.Run("commits", func(t *testing.T) { commitEverywhere(t, fresh(t, 2), cfg) })
			t.Run("swaps", func(t *testing.T) { swapPartitions(t, fresh(t, 6), cfg) })
			t.Run("revocation", func(t *testing.T) { nothingAfterRevocation(t, fresh(t, 2), cfg) })
			t.Run("zombie", func(t *testing.T) {
				w := fresh(t, 1)
				w.produce(0, 5)
				zombie(t, w, cfg)
			})
			t.Run("static", func(t *testing.T) { restartInPlace(t, fresh(t, 4), cfg) })
			t.Run("metadata", func(t *testing.T) {
				w := fresh(t, 1)
				m := w.ready(cfg, newShape(t, "a"), 1)
				full := strings.Repeat("x", MaxMetadata)
				if err := m.offsets(t, Offset{TP: tp(0), Owner: tp(0), At: 1, Metadata: full}); err != nil {
					t.Errorf("Offsets() error: %v", err)
				}
				w.wantCommitted(tp(0), Committed{1, full})
				m.mustStop(t, 2*time.Second)
			})
		})
	}
	t.Run("stop under load", func(t *testing.T) {
		if took := handOver(t, fresh(t, 6), DefaultConfig("g")); took > time.Second {
			t.Errorf("the last partition was worked again %s after the stop, want less than 1s", took)
		}
	})
	t.Run("fenced", func(t *testing.T) { fenceOut(t, fresh(t, 1), testConfig()) })
}
