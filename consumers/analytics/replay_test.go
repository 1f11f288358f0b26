package analytics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group/member"
)

// log writes a partition: r is a record, a is an aborted one; each ends a transaction, so that control records lie between.
func (w *world) log(pattern string) (offsets []int64) {
	w.t.Helper()
	c, err := kgo.NewClient(append(w.connection(), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		w.t.Fatalf("NewClient() error: %v", err)
	}
	defer c.Close()
	for n, what := range pattern {
		if err := c.BeginTransaction(); err != nil {
			w.t.Fatalf("begin: %v", err)
		}
		r := order(0, n)
		if err := c.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatalf("produce: %v", err)
		}
		if what == 'r' {
			offsets = append(offsets, r.Offset)
		}
		if err := c.EndTransaction(w.t.Context(), kgo.TransactionEndTry(what == 'r')); err != nil {
			w.t.Fatalf("end: %v", err)
		}
	}
	return offsets
}

// The range of a mark is one of offsets: whatever lies at its ends and in it, records, aborted ones or control records, exactly its
// records are one insert under its token, and nothing is waited for that cannot come. Every range of a log is tried.
func TestARangeIsReplayedByItsOffsetsWhateverGapsItHas(t *testing.T) {
	for _, pattern := range []string{"rrar", "aara", "arra"} {
		t.Run(pattern, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				records := w.log(pattern)
				end := w.end(0)
				for from := range end {
					for to := from + 1; to <= end; to++ {
						m := mark{start: from, end: to}
						w.replays(m, records)
					}
				}
			})
		})
	}
}

// replays starts a group at a mark and checks what it inserts.
func (w *world) replays(m mark, records []int64) {
	w.t.Helper()
	cfg := testConfig()
	cfg.Group = fmt.Sprintf("g-%d-%d", m.start, m.end)
	w.setCommit(cfg.Group, m.start, m.String())
	st := &fakeStore{}
	s := w.start(cfg, st)
	var within, after []int64
	for _, o := range records {
		switch {
		case o >= m.start && o < m.end:
			within = append(within, o)
		case o >= m.end:
			after = append(after, o)
		}
	}
	eventually(w.t, fmt.Sprintf("%d rows from %s", len(within)+len(after), m), func() bool { return len(st.stored()) == len(within)+len(after) && value(w.t, s.metrics.replayed) == 1 })
	mustStop(w.t, s)
	var want []call
	if len(within) > 0 {
		want = append(want, call{fmt.Sprintf("shopify.orders/0/%d-%d", m.start, m.end), len(within)})
	}
	if len(after) > 0 {
		want = append(want, call{fmt.Sprintf("shopify.orders/0/%d-%d", m.end, after[len(after)-1]+1), len(after)})
	}
	if diff := cmp.Diff(want, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
		w.t.Errorf("inserts from %s (-want, +got):\n%s", m, diff)
	}
	if at := w.commitOf(cfg.Group, 0); at.Metadata != "" || at.At < m.end {
		w.t.Errorf("from %s the group ends at %d %q, want it beyond the range and finalised", m, at.At, at.Metadata)
	}
}

func TestARangeThatRetentionHasTakenInPartOrAllIsReplayedAsFarAsItIs(t *testing.T) {
	for _, gone := range []int64{3, 10, 15} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.produce(orders(0, 0, 15)...)
				w.setCommit("millrace-analytics", 0, mark{0, 10, 10}.String())
				w.deleteBefore(0, gone)
				cfg := testConfig()
				cfg.OffsetOutOfRange = member.OutOfRangeEarliest
				st := &fakeStore{}
				s := w.start(cfg, st)
				w.produce(order(0, 15))
				eventually(w.t, "the end", func() bool { return w.committed(0) == 16 })
				mustStop(w.t, s)
				if got := len(st.stored()); got != int(16-gone) {
					w.t.Errorf("%d rows, want the %d that are left", got, 16-gone)
				}
			})
		})
	}
}

func TestARangeLargerThanABatchMayBeNowIsOneInsertAllTheSame(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.produce(orders(0, 0, 200)...)
		w.setCommit("millrace-analytics", 0, mark{0, 150, 150}.String())
		cfg := testConfig()
		cfg.BatchRows, cfg.BatchBytes, cfg.BufferBytes = 50, 1000, 1000
		st := &fakeStore{}
		s := w.start(cfg, st)
		eventually(w.t, "the end", func() bool { return w.committed(0) == 200 })
		mustStop(w.t, s)
		if first := st.seen()[0]; first != (call{"shopify.orders/0/0-150", 150}) {
			w.t.Errorf("first insert %v", first)
		}
		if len(st.stored()) != 200 {
			w.t.Errorf("%d rows, want 200", len(st.stored()))
		}
	})
}

// Tools that move offsets may copy metadata with them or leave it behind, and another program may have used the group.
func TestMetadataThatIsNotAboutItsOffsetIsIgnoredAndCounted(t *testing.T) {
	for text, ignored := range map[string]float64{"": 0, "v1|P|3|9|6": 1, "v1|P|5|4|0": 1, "node-red": 1, "v2|P|5|9|4": 1} {
		t.Run(text, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.produce(orders(0, 0, 20)...)
				w.setCommit("millrace-analytics", 5, text)
				st := &fakeStore{}
				s := w.start(testConfig(), st)
				eventually(w.t, "the end", func() bool { return w.committed(0) == 20 })
				mustStop(w.t, s)
				if diff := cmp.Diff([]call{{"shopify.orders/0/5-20", 15}}, st.seen(), cmp.AllowUnexported(call{})); diff != "" {
					w.t.Errorf("inserts (-want, +got):\n%s", diff)
				}
				wantMetric(w.t, "marks ignored", s.metrics.marksIgnored, ignored)
			})
		})
	}
}

// Nothing is committed before the metadata was read and its range is in: the mark would be lost.
func TestWhileClickHouseIsAwayAMarkStaysAndRangesInMemoryAreBounded(t *testing.T) {
	inWorld(t, 24, func(w *world) {
		t := w.t
		for p := range int32(24) {
			w.produce(orders(p, 0, 50)...)
		}
		w.setCommits("millrace-analytics", 24, mark{0, 50, 50})
		away := true
		st := &fakeStore{}
		st.onInsert = func(context.Context, int, string) error {
			st.mu.Lock()
			defer st.mu.Unlock()
			if away {
				return errAway
			}
			return nil
		}
		cfg := testConfig()
		cfg.BatchBytes, cfg.BufferBytes = 100_000, 250_000
		s := w.start(cfg, st)
		most := 0
		for range 60 {
			time.Sleep(time.Minute)
			s.mu.Lock()
			most = max(most, s.buffered)
			s.mu.Unlock()
			w.produce(orders(3, 50, 60)...)
		}
		for p := range int32(24) {
			w.wantPending(p, 0, 50)
		}
		one := 50 * recordBytes(order(0, 10))
		if most == 0 || most > 3*one {
			t.Errorf("%d bytes of pending ranges were held in an hour, of %d each; want some, at most two", most, one)
		}
		st.mu.Lock()
		away = false
		st.mu.Unlock()
		for p := range int32(24) {
			eventually(t, "all finalised", func() bool { c := w.commit(p); return c.At >= 50 && c.Metadata == "" })
		}
		eventually(t, "all of the flow", func() bool { return w.committed(3) == 650 })
		mustStop(t, s)
		if n := len(st.stored()); n != 24*50+600 {
			t.Errorf("%d rows, want %d", n, 24*50+600)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.buffered != 0 {
			t.Errorf("%d bytes are still counted as held", s.buffered)
		}
	})
}

// refuseCommits answers commits with an error until it is told to stop.
func (w *world) refuseCommits(with *kerr.Error, asLong func() bool) {
	w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		if !asLong() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, with.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
}

func TestNothingIsInsertedBeforeItsBoundsAreCommitted(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.CoordinatorNotAvailable, kerr.UnknownServerError} {
		t.Run(e.Message, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				until := time.Now().Add(time.Minute)
				w.refuseCommits(e, func() bool { return time.Now().Before(until) })
				st := &fakeStore{onInsert: func(context.Context, int, string) error {
					if c := w.commit(0); c.At != 0 || !strings.HasPrefix(c.Metadata, "v1|P|0|10|") {
						w.t.Errorf("inserted with commit %d %q", c.At, c.Metadata)
					}
					return nil
				}}
				s := w.start(testConfig(), st)
				w.produce(orders(0, 0, 10)...)
				time.Sleep(50 * time.Second)
				if calls := st.seen(); len(calls) > 0 {
					w.t.Errorf("inserts %v, before a commit has succeeded", calls)
				}
				eventually(w.t, "the end", func() bool { return w.committed(0) == 10 })
				mustStop(w.t, s)
			})
		})
	}
}

func TestAFencedMemberInsertsNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.refuseCommits(kerr.FencedInstanceID, func() bool { return true })
		st := &fakeStore{}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 10)...)
		if err := s.wait(); err == nil {
			w.t.Error("Run() went on")
		}
		if calls := st.seen(); len(calls) > 0 {
			w.t.Errorf("inserts %v", calls)
		}
	})
}

// In a flow the mark of the next batch finalises the one before: one commit for each insert. An idle commit ends the flow.
func TestAFlowCostsOneCommitForEachInsert(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		commits := 0
		w.refuseCommits(kerr.UnknownServerError, func() bool { commits++; return false })
		cfg := testConfig()
		cfg.BatchRows = 10
		st := &fakeStore{}
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 500)...)
		eventually(w.t, "the end", func() bool { return w.committed(0) == 500 })
		eventually(w.t, "no lag", func() bool { return value(w.t, s.metrics.lagRecords.WithLabelValues(ordersTopic)) == 0 })
		if inserts := len(st.seen()); commits != inserts+1 {
			w.t.Errorf("%d commits for %d inserts, want one more", commits, inserts)
		}
		mustStop(w.t, s)
	})
}

// A row that the table does not take is found, and the others go in, with the same tokens at each try.
func TestARowThatClickHouseRefusesBecomesADeadLetterAndTheOthersGoIn(t *testing.T) {
	for _, bad := range [][]int{{7}, {0}, {19}, {3, 4}, {0, 19}, {2, 9, 11}} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				t := w.t
				st := &fakeStore{onRows: func(b *block) error {
					for _, o := range b.offsets {
						if slices.Contains(bad, int(o)) {
							return &clickhouse.Exception{Code: 469, Message: "Constraint `c` is violated"}
						}
					}
					return nil
				}}
				w.produce(orders(0, 0, 20)...)
				var tokens [][]call
				for n := range 2 { // the second as a successor would
					if n == 1 {
						w.setCommit("millrace-analytics", 0, mark{0, 20, 20}.String())
						st.calls = nil
					}
					s := w.start(testConfig(), st)
					eventually(t, "the end", func() bool { c := w.commit(0); return c.At == 20 && c.Metadata == "" })
					wantMetric(t, "dead letters", s.metrics.deadLetters.WithLabelValues(string(rejectRefused)), float64(len(bad)))
					mustStop(t, s)
					if n := len(st.stored()); n != 20-len(bad) {
						t.Errorf("%d rows, want %d", n, 20-len(bad))
					}
					tokens = append(tokens, st.seen())
				}
				for _, c := range tokens[1] {
					if !slices.Contains(tokens[0], c) && c.rows > len(bad) {
						t.Errorf("the replay made an insert %v that the first did not make: %v", c, tokens[0])
					}
				}
				for i, r := range w.readAll(lettersTopic, 2*len(bad)) {
					if header(r, "millrace_source_offset") != fmt.Sprint(bad[i%len(bad)]) || header(r, "millrace_error_class") != "permanent" || !strings.Contains(header(r, "millrace_error"), "violated") {
						t.Errorf("letter %d: %v", i, r.Headers)
					}
				}
			})
		})
	}
}

// A view that throws is not a row's fault, and the rows may be in already: nothing is set aside.
func TestAViewThatThrowsStopsItsPartitionAndLosesNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		broken := true
		st := &fakeStore{}
		st.onInsert = func(context.Context, int, string) error {
			st.mu.Lock()
			defer st.mu.Unlock()
			if broken {
				return &clickhouse.Exception{Code: 72, Message: "Cannot parse number: while pushing to view default.mine"}
			}
			return nil
		}
		s := w.start(testConfig(), st)
		w.produce(orders(0, 0, 5)...)
		time.Sleep(time.Minute)
		w.wantPending(0, 0, 5)
		wantMetric(w.t, "dead letters", s.metrics.deadLetters.WithLabelValues(string(rejectRefused)), 0)
		st.mu.Lock()
		broken = false
		st.mu.Unlock()
		eventually(w.t, "the end", func() bool { return w.committed(0) == 5 })
		mustStop(w.t, s)
		if len(st.stored()) != 5 {
			w.t.Errorf("%d rows", len(st.stored()))
		}
	})
}

// An answer to a commit that never comes leaves open whether it will arrive yet. The next one is read back.
func TestAfterACommitWithoutAnAnswerTheNextIsReadBackBeforeTheInsert(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		lost, fetches := 0, 0
		w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			lost++
			return nil, errAway, lost <= 5
		})
		w.cluster.ControlKey(int16(kmsg.OffsetFetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if lost > 0 {
				fetches++
			}
			return nil, nil, false
		})
		cfg := testConfig()
		cfg.CommitTimeout = 300 * time.Millisecond
		before := -1
		st := &fakeStore{onInsert: func(context.Context, int, string) error { before = fetches; return nil }}
		s := w.start(cfg, st)
		w.produce(orders(0, 0, 5)...)
		eventually(w.t, "an insert", func() bool { return len(st.seen()) == 1 })
		if before < 1 {
			w.t.Errorf("inserted after %d read-backs of the commit", before)
		}
		mustStop(w.t, s)
	})
}

// Settings that an insert depends on, whatever the server's profile says.
func TestInsertsPinWhatTheirTokensDependOn(t *testing.T) {
	db := clickHouseStore{db: unreachable(t)}
	got := db.insertSettings("x/0/1-2")
	for key, want := range map[string]any{
		"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": "x/0/1-2",
		"deduplicate_blocks_in_dependent_materialized_views": 1, "max_insert_block_size": maxBatchRows,
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	if maxBatchRows >= 1_048_449 {
		t.Errorf("a batch of %d rows would be cut into blocks", maxBatchRows)
	}
	if _, ok := got["insert_quorum"]; ok {
		t.Error("a server of its own is asked for a quorum")
	}
}
