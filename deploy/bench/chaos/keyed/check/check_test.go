package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/schemas"
)

func violated(in *check.Input) []string {
	var names []string
	for _, r := range check.All(in) {
		if r.Count > 0 {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestAGoodRunPassesEveryCheck(t *testing.T) {
	for _, r := range check.All(goodRun()) {
		if r.Count != 0 {
			t.Errorf("%s: %d\n%s", r.Name, r.Count, strings.Join(r.Examples, "\n"))
		}
	}
}

// Names of the checks, as the report has them.
const (
	foreign  = "records that no handler may see"
	lost     = "lost events"
	order    = "attempts that overtook an earlier event of the entity"
	firsts   = "inversions of first effects"
	overlap  = "overlapping handlers of one entity, without a cause"
	repeats  = "repeated effects without a cause"
	attempts = "attempts burned without a failure"
	waits    = "attempts that came too soon"
	seen     = "attempts that found a wrong state"
	letters  = "wrong, missing or doubled dead letters"
	emitted  = "emitted records missing, doubled or out of order"
	state    = "entities whose state is not the replay of the ledger"
	retry    = "events left in the retry topic"
	commits  = "partitions not committed to their last event"
)

// find returns the first attempt that wanted says yes to.
func find(in *check.Input, wanted func(ledger.Effect) bool) *ledger.Effect {
	for i := range in.Effects {
		if wanted(in.Effects[i]) {
			return &in.Effects[i]
		}
	}
	panic("the good run has no such attempt")
}

func done(e ledger.Effect) bool { return e.Verdict == ledger.Done && e.Seq > 3 }

// again adds a repeat of the first effect, made by another process a second later, when nothing else of the entity happens.
func again(in *check.Input) (had ledger.Effect, repeat *ledger.Effect) {
	had = *find(in, func(e ledger.Effect) bool { return done(e) && e.Seq == perEach })
	e := had
	e.Process = "p9"
	e.Start += int64(time.Second)
	e.End += int64(time.Second)
	in.Effects = append(in.Effects, e)
	return had, &in.Effects[len(in.Effects)-1]
}

func setHeader(r *kgo.Record, key, value string) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			r.Headers[i].Value = []byte(value)
			return
		}
	}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

func TestAViolationIsSeen(t *testing.T) {
	tests := map[string]struct {
		spoil func(in *check.Input)
		want  []string // every check that must complain, and none beside them
	}{
		"an event that was never tried": {func(in *check.Input) {
			last := in.Sent[len(in.Sent)-1]
			in.Effects = slices.DeleteFunc(in.Effects, func(e ledger.Effect) bool { return e.Event == last.Event })
		}, []string{lost, state}},
		"an event that only ever failed": {func(in *check.Input) {
			e := find(in, func(e ledger.Effect) bool {
				return e.Verdict == ledger.Done && e.Seq == perEach && in.Rates.Of(e.Event).Kind == ledger.Fine
			})
			e.Verdict = ledger.Failed
		}, []string{lost, state}},
		"an event given up that should have been done": {func(in *check.Input) {
			e := find(in, done)
			e.Verdict = ledger.Dead
		}, []string{lost, seen, state}},
		"an event done that should have been given up": {func(in *check.Input) {
			e := find(in, func(e ledger.Effect) bool { return e.Verdict == ledger.Dead })
			e.Verdict = ledger.Done
		}, []string{lost, seen, state}},
		"two events of an entity swapped": {func(in *check.Input) {
			a := find(in, func(e ledger.Effect) bool {
				next := e.Event
				next.Seq++
				return done(e) && in.Rates.Of(e.Event).Kind == ledger.Fine && in.Rates.Of(next).Kind == ledger.Fine
			})
			b := find(in, func(e ledger.Effect) bool { return e.Entity == a.Entity && e.Seq == a.Seq+1 })
			a.Start, b.Start = b.Start, a.Start
			a.End, b.End = b.End, a.End
		}, []string{order, firsts, state}},
		"an attempt that overtakes a waiting event": {func(in *check.Input) {
			a := *find(in, func(e ledger.Effect) bool { return e.Verdict == ledger.Failed && e.Seq < perEach })
			b := find(in, func(e ledger.Effect) bool { return e.Entity == a.Entity && e.Seq == a.Seq+1 })
			b.Start, b.End = a.End+1, a.End+2
		}, nil}, // what else complains depends on the event; see below
		"two handlers of an entity in one process": {func(in *check.Input) {
			a := find(in, done)
			e := *a
			e.Verdict, e.Start = ledger.Cancelled, e.Start+1
			in.Effects = append(in.Effects, e)
		}, []string{overlap}},
		"two handlers of an entity in two processes": {func(in *check.Input) {
			e := *find(in, done)
			e.Verdict, e.Start, e.Process = ledger.Cancelled, e.Start+1, "p9"
			in.Effects = append(in.Effects, e)
		}, []string{overlap}},
		"a zombie long after it woke": {func(in *check.Input) {
			e := *find(in, done)
			e.Verdict, e.Start, e.Process = ledger.Cancelled, e.Start+1, "p9"
			in.Effects = append(in.Effects, e)
			in.Harms = append(in.Harms, ledger.Harm{Kind: ledger.Zombie, Process: "p9", From: e.Start - int64(30*time.Second), To: e.Start - int64(20*time.Second)})
		}, []string{overlap}},
		"an effect that comes again out of the blue": {func(in *check.Input) { again(in) }, []string{repeats}},
		"a repeat after the kill of another": {func(in *check.Input) {
			had, _ := again(in)
			in.Harms = append(in.Harms, ledger.Harm{Kind: ledger.Kill, Process: "p7", From: had.End + int64(20*time.Second), To: had.End + int64(20*time.Second)})
		}, []string{repeats}},
		"a repeat of what was done long before its process was killed": {func(in *check.Input) {
			had, repeat := again(in)
			repeat.Start += int64(time.Minute)
			repeat.End += int64(time.Minute)
			in.Harms = append(in.Harms, ledger.Harm{Kind: ledger.Kill, Process: had.Process, From: had.End + int64(30*time.Second), To: had.End + int64(30*time.Second)})
		}, []string{repeats}},
		"an attempt that was not earned": {func(in *check.Input) {
			find(in, func(e ledger.Effect) bool { return done(e) && e.Attempt == 1 }).Attempt = 2
		}, []string{attempts}},
		"an attempt burned by an event that was not ready": {func(in *check.Input) {
			find(in, func(e ledger.Effect) bool {
				return e.Verdict == ledger.Done && in.Rates.Of(e.Event).Kind == ledger.NotReady
			}).Attempt++
		}, []string{attempts}},
		"an attempt that did not wait": {func(in *check.Input) {
			e := find(in, func(e ledger.Effect) bool { return e.Attempt == 2 })
			e.Start -= int64(100 * time.Millisecond)
		}, []string{waits}},
		"a stale state": {func(in *check.Input) {
			find(in, done).Seen.Count--
		}, []string{seen}},
		"a record of an aborted transaction": {func(in *check.Input) {
			e := *find(in, done)
			e.Verdict, e.Seq = ledger.Foreign, -1
			in.Effects = append(in.Effects, e)
		}, []string{foreign}},
		"an event at another offset than it was sent to": {func(in *check.Input) {
			e := *find(in, done)
			e.Offset++
			in.Effects = append(in.Effects, e)
		}, []string{foreign}},
		"a missing dead letter": {func(in *check.Input) { in.Letters = in.Letters[1:] }, []string{letters}},
		"a doubled dead letter": {func(in *check.Input) { in.Letters = append(in.Letters, in.Letters[0]) }, []string{letters}},
		"a dead letter of a good event": {func(in *check.Input) {
			e := find(in, done)
			s := in.Sent[slices.IndexFunc(in.Sent, func(s ledger.Sent) bool { return s.Event == e.Event })]
			in.Letters = append(in.Letters, letter(in, s, "exhausted", 4, someday, someday))
		}, []string{letters}},
		"a dead letter of the wrong class":            {func(in *check.Input) { setHeader(in.Letters[0], schemas.HeaderErrorClass, "panic") }, []string{letters}},
		"a dead letter with other attempts":           {func(in *check.Input) { setHeader(in.Letters[0], schemas.HeaderAttempts, "9") }, []string{letters}},
		"a dead letter with another body":             {func(in *check.Input) { in.Letters[0].Value = []byte("{}") }, []string{letters}},
		"a dead letter in another partition":          {func(in *check.Input) { in.Letters[0].Partition++ }, []string{letters}},
		"a dead letter with a retry header":           {func(in *check.Input) { setHeader(in.Letters[0], schemas.HeaderRetryDue, "x") }, []string{letters}},
		"a dead letter with another event's id":       {func(in *check.Input) { setHeader(in.Letters[0], schemas.HeaderID, "x") }, []string{letters}},
		"a dead letter that is no record of an event": {func(in *check.Input) { setHeader(in.Letters[0], schemas.HeaderSourceOffset, "1000000") }, []string{letters}},
		"a missing emitted record":                    {func(in *check.Input) { in.Emitted = in.Emitted[1:] }, []string{emitted}},
		"a doubled emitted record":                    {func(in *check.Input) { in.Emitted = append(in.Emitted, in.Emitted[len(in.Emitted)-1]) }, []string{emitted}},
		"emitted records of an entity swapped": {func(in *check.Input) {
			same := func(r *kgo.Record) bool { return string(r.Key) == in.World.Key(0) }
			i := slices.IndexFunc(in.Emitted, same)
			j := i + 1 + slices.IndexFunc(in.Emitted[i+1:], same)
			in.Emitted[i], in.Emitted[j] = in.Emitted[j], in.Emitted[i]
		}, []string{emitted}},
		"an emitted record of a dead letter": {func(in *check.Input) {
			e := find(in, func(e ledger.Effect) bool { return e.Verdict == ledger.Dead })
			in.Emitted = append(in.Emitted, &kgo.Record{Key: []byte(in.World.Key(e.Entity)), Partition: e.Entity % 5, Value: ledger.Emitted{Event: e.Event, Source: e.Offset}.Encode()})
		}, []string{emitted}},
		"a state that was written twice": {func(in *check.Input) {
			last := in.State[len(in.State)-1]
			s, _ := ledger.DecodeState(last.Value)
			last.Value = s.Next(s.Last).Encode()
		}, []string{state}},
		"a state that was lost":              {func(in *check.Input) { in.State = in.State[:len(in.State)-1] }, []string{state}},
		"a state that cannot be read":        {func(in *check.Input) { in.State[len(in.State)-1].Value = []byte("x") }, []string{state}},
		"a state of an unknown key":          {func(in *check.Input) { in.State = append(in.State, &kgo.Record{Key: []byte("x")}) }, []string{state}},
		"an event that is still waiting":     {func(in *check.Input) { in.Retry = in.Retry[:len(in.Retry)-1] }, []string{retry}},
		"a waiting event with an empty body": {func(in *check.Input) { in.Retry = append(in.Retry, &kgo.Record{Key: []byte("x#1"), Value: []byte{}}) }, []string{retry}},
		"a partition that is not committed":  {func(in *check.Input) { in.Committed[1]-- }, []string{commits}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := goodRun()
			test.spoil(in)
			got := violated(in)
			if test.want == nil {
				if !slices.Contains(got, order) {
					t.Errorf("%q is not among %q", order, got)
				}
				return
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("complained: %q\nwant:       %q", got, test.want)
			}
		})
	}
}

// A zombie fails an attempt that its successor has failed before, gets the partition back and goes on with the successor's wait.
func TestAWaitCountsFromTheFirstFailureOfTheAttempt(t *testing.T) {
	zombie := func(wait time.Duration) int {
		in := goodRun()
		next := find(in, func(e ledger.Effect) bool { return e.Attempt == 2 && e.Verdict == ledger.Failed })
		first := find(in, func(e ledger.Effect) bool { return e.Event == next.Event && e.Attempt == 1 })
		twin := *first
		first.Process = "p9"
		first.End = next.Start - int64(wait)
		first.Start = first.End - workTime
		twin.End = next.Start - int64(20*time.Millisecond)
		twin.Start = twin.End - workTime
		in.Effects = append(in.Effects, twin)
		for _, r := range check.All(in) {
			if r.Name == waits {
				return r.Count
			}
		}
		t.Fatal("no such check")
		return 0
	}
	if n := zombie(200 * time.Millisecond); n != 0 {
		t.Errorf("%d attempts came too soon after the successor's failure, want 0", n)
	}
	if n := zombie(100 * time.Millisecond); n != 1 {
		t.Errorf("%d attempts came too soon when the successor's failure was half the wait ago, want 1", n)
	}
}

func TestWhatACrashMayCostIsCountedByItsCause(t *testing.T) {
	during := func(had ledger.Effect, kind ledger.HarmKind, process string) ledger.Harm {
		return ledger.Harm{Kind: kind, Process: process, From: had.End + int64(50*time.Millisecond), To: had.End + int64(60*time.Millisecond)}
	}
	tests := map[string]struct {
		harm func(in *check.Input, had ledger.Effect)
		want string
	}{
		"kill -9": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Kill, had.Process))
		}, "1 repeated; kill -9 1 (oldest 50ms before it); 1.0 per kill -9"},
		"SIGTERM": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Stop, had.Process))
		}, "SIGTERM 1"},
		"the old owner is a zombie": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Zombie, had.Process))
		}, "zombie 1"},
		"the repeat is a zombie's": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Usurp, "p9"))
		}, "zombie 1"},
		"the old owner was thrown out": {func(in *check.Input, had ledger.Effect) {
			in.Lost = append(in.Lost, ledger.Lost{Process: had.Process, At: had.End + 1})
		}, "thrown out of the group 1"},
		"a broker died": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Broker, ""))
		}, "broker or leader change 1"},
		"another member died": {func(in *check.Input, had ledger.Effect) {
			in.Harms = append(in.Harms, during(had, ledger.Kill, "p7"))
		}, "rebalance after another member's harm 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := goodRun()
			had, _ := again(in)
			test.harm(in, had)
			if got := violated(in); got != nil {
				t.Errorf("complained: %q", got)
			}
			for _, r := range check.All(in) {
				if r.Name == repeats && !strings.Contains(r.Remark, test.want) {
					t.Errorf("remark %q does not have %q", r.Remark, test.want)
				}
			}
		})
	}
}

func TestAnOverlapWithAZombieIsCountedAndNoViolation(t *testing.T) {
	in := goodRun()
	e := *find(in, done)
	e.Verdict, e.Start, e.Process = ledger.Cancelled, e.Start+1, "p9"
	in.Effects = append(in.Effects, e)
	in.Harms = append(in.Harms, ledger.Harm{Kind: ledger.Zombie, Process: "p9", From: e.Start - int64(9*time.Second), To: e.Start - int64(time.Second)})
	if got := violated(in); got != nil {
		t.Errorf("complained: %q", got)
	}
	for _, r := range check.All(in) {
		if r.Name == overlap && !strings.Contains(r.Remark, "with a zombie 1,") {
			t.Errorf("remark %q", r.Remark)
		}
	}
}
