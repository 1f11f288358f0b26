package check_test

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/schemas"
)

const (
	topic    = "chaos.events"
	entities = 6
	perEach  = 40
	workTime = int64(time.Millisecond)
	someday  = int64(1_790_000_000_000_000_000)
)

// goodRun fabricates a run without harm in which everything went as it must. Processes p0 and p1 share the entities.
func goodRun() *check.Input {
	in := &check.Input{
		World: ledger.World{Shops: 2}, Rates: ledger.Rates{Seed: 7, Transient: 0.2, Permanent: 0.2, NotReady: 0.1, MostFails: 3},
		Schedule:  []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second},
		InlineMax: 500 * time.Millisecond, Topic: topic, Committed: map[int32]int64{},
	}
	offsets := map[int32]int64{}
	for seq := int32(1); seq <= perEach; seq++ {
		for entity := range int32(entities) {
			partition := entity % 3
			offset := offsets[partition] + int64(seq%2) // with gaps
			offsets[partition] = offset + 1
			in.Sent = append(in.Sent, ledger.Sent{Event: ledger.Event{Entity: entity, Seq: seq}, Partition: partition, Offset: offset, At: someday})
		}
	}
	for partition, next := range offsets {
		in.Committed[partition] = next
	}
	states := map[int32]ledger.State{}
	clocks := map[int32]int64{}
	for _, s := range in.Sent {
		if clocks[s.Entity] == 0 {
			clocks[s.Entity] = someday
		}
		now, state := clocks[s.Entity], states[s.Entity]
		clocks[s.Entity], states[s.Entity] = live(in, s, now, state)
	}
	return in
}

// live fabricates the life of one event from now on.
func live(in *check.Input, s ledger.Sent, now int64, state ledger.State) (int64, ledger.State) {
	fate := in.Rates.Of(s.Event)
	first := now
	try := func(attempt int, v ledger.Verdict) {
		in.Effects = append(in.Effects, ledger.Effect{
			Process: "p" + strconv.Itoa(int(s.Entity%2)), Event: s.Event, Attempt: attempt, Partition: s.Partition, Offset: s.Offset,
			Start: now, End: now + workTime, Verdict: v, Seen: state,
		})
		now += workTime + 1
		if v == ledger.Failed && attempt < len(in.Schedule) {
			now += int64(in.Schedule[attempt])
		}
	}
	fails := fate.Fails
	if fate.Kind == ledger.Exhausted {
		fails = len(in.Schedule)
	}
	for range fate.Visits {
		try(1, ledger.Waiting)
		now += int64(fate.Wait)
	}
	for attempt := range fails {
		try(attempt+1, ledger.Failed)
	}
	key := []byte(in.World.Key(s.Entity))
	switch fate.Kind {
	case ledger.Permanent:
		try(1, ledger.Dead)
		in.Letters = append(in.Letters, letter(in, s, "permanent", 1, first, now))
	case ledger.Exhausted:
		in.Letters = append(in.Letters, letter(in, s, "exhausted", fails, first, now))
	default:
		try(fails+1, ledger.Done)
		state = state.Next(s.Seq)
		in.Emitted = append(in.Emitted, &kgo.Record{Topic: "out", Partition: s.Entity % 5, Key: key, Value: ledger.Emitted{Event: s.Event, Source: s.Offset}.Encode()})
		in.State = append(in.State, &kgo.Record{Topic: "state", Partition: s.Partition, Key: key, Value: append([]byte{1, 0}, state.Encode()...)})
	}
	if fails > 2 {
		waiting := schemas.RetryKey(key, s.Offset)
		in.Retry = append(in.Retry, &kgo.Record{Key: waiting, Value: ledger.Body(s.Event)}, &kgo.Record{Key: waiting})
	}
	return now, state
}

func letter(in *check.Input, s ledger.Sent, class string, attempts int, first, last int64) *kgo.Record {
	e := in.World.Envelope(s.Event, time.Unix(0, s.At).UTC())
	headers := schemas.AppendHeaders([]kgo.RecordHeader(nil), &e)
	for _, h := range [][2]string{
		{schemas.HeaderSourceTopic, topic},
		{schemas.HeaderSourcePartition, strconv.Itoa(int(s.Partition))},
		{schemas.HeaderSourceOffset, strconv.FormatInt(s.Offset, 10)},
		{schemas.HeaderAttempts, strconv.Itoa(attempts)},
		{schemas.HeaderFirstFailure, time.Unix(0, first).UTC().Format(time.RFC3339Nano)},
		{schemas.HeaderLastFailure, time.Unix(0, last).UTC().Format(time.RFC3339Nano)},
		{schemas.HeaderErrorClass, class},
		{schemas.HeaderError, "on purpose"},
	} {
		headers = append(headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return &kgo.Record{Topic: "dlq", Partition: s.Partition, Key: []byte(in.World.Key(s.Entity)), Value: ledger.Body(s.Event), Headers: headers}
}
