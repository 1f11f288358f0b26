package member

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// polled is a Member that has one ready and one unready partition and has polled this.
func polled(t *testing.T, cfg Config, f kgo.FetchPartition) (m *Member, out []Fetched) {
	t.Helper()
	m, err := New(cfg, []string{topic}, newShape(t, "a"), Deps{Logger: quiet()})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	m.partitions[tp(0)] = &partition{TP: tp(0), ready: true, next: 5}
	m.partitions[tp(1)] = &partition{TP: tp(1), next: 5}
	return m, m.sort(t.Context(), kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: topic, Partitions: []kgo.FetchPartition{f}}}}})
}

func records(offsets ...int64) []*kgo.Record {
	var out []*kgo.Record
	for _, o := range offsets {
		out = append(out, &kgo.Record{Topic: topic, Offset: o})
	}
	return out
}

// The client has moved past records that come with an error: to leave them out is to lose them.
func TestRecordsBeforeAnErrorAreAccepted(t *testing.T) {
	m, out := polled(t, testConfig(), kgo.FetchPartition{Err: errors.New("a broken batch"), Records: records(5, 6), LastStableOffset: -1, HighWatermark: 9})
	if len(out) != 1 || len(out[0].Records) != 2 || out[0].End != 9 {
		t.Errorf("accepted %+v, want the two records, and the high watermark as the end", out)
	}
	wantMetric(t, "fetch errors", m.metrics.fetchErrors, 1)
	if m.partitions[tp(0)].next != 7 || m.failure() != nil {
		t.Errorf("next = %d, error %v; want 7 and none", m.partitions[tp(0)].next, m.failure())
	}
}

func TestRecordsOfAPartitionThatIsNotReadyEndRun(t *testing.T) {
	m, out := polled(t, testConfig(), kgo.FetchPartition{Partition: 1, Records: records(5)})
	if len(out) != 0 || m.failure() == nil {
		t.Errorf("accepted %+v, error %v; want an error, since the client has moved past the record", out, m.failure())
	}
}

func TestFetchErrorsThatEndRunAndThatDoNot(t *testing.T) {
	truncated := &kgo.ErrDataLoss{Topic: topic, ConsumedTo: 9, ResetTo: 7}
	earliest := testConfig()
	earliest.OffsetOutOfRange = OutOfRangeEarliest
	for name, tc := range map[string]struct {
		cfg     Config
		err     error
		want    error
		fetch   float64
		session float64
	}{
		"offset gone":             {testConfig(), kerr.OffsetOutOfRange, ErrEventsLost, 1, 0},
		"offset gone, earliest":   {earliest, kerr.OffsetOutOfRange, nil, 1, 0},
		"log truncated":           {testConfig(), truncated, ErrEventsLost, 1, 0},
		"log truncated, earliest": {earliest, truncated, nil, 1, 0},
		"no rights":               {testConfig(), kerr.TopicAuthorizationFailed, nil, 1, 0},
		"nothing came":            {testConfig(), context.DeadlineExceeded, nil, 0, 0},
		"woken":                   {testConfig(), context.Canceled, nil, 0, 0},
		"closed":                  {testConfig(), kgo.ErrClientClosed, nil, 0, 0},
		"session over":            {testConfig(), &kgo.ErrGroupSession{Err: kerr.UnknownMemberID}, nil, 0, 1},
		"fenced":                  {testConfig(), &kgo.ErrGroupSession{Err: kerr.FencedInstanceID}, ErrFenced, 0, 1},
		"instance not free yet":   {testConfig(), &kgo.ErrGroupSession{Err: kerr.UnreleasedInstanceID}, nil, 0, 1},
	} {
		m, out := polled(t, tc.cfg, kgo.FetchPartition{Err: tc.err})
		if len(out) != 0 || !errors.Is(m.failure(), tc.want) {
			t.Errorf("%s: accepted %d, Run ends with %v; want %v", name, len(out), m.failure(), tc.want)
		}
		wantMetric(t, name+": fetch errors", m.metrics.fetchErrors, tc.fetch)
		wantMetric(t, name+": session errors", m.metrics.sessionErrors, tc.session)
	}
}
