package keyed

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
)

func TestTheLongFormIsWhatIsPromised(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.Events < 200_000 || o.Entities < 2_000 || o.Kills+o.Stops < 100 || o.Zombies < 10 || o.Brokers < 5 || o.Members < 3 ||
		o.Transient != 0.02 || o.Permanent != 0.002 || o.Outage < 5*time.Minute {
		t.Errorf("the defaults do less: %+v", o)
	}
}

func TestTheShortFormChangesDefaultsOnly(t *testing.T) {
	o, err := parse([]string{"-short", "-kills", "3"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.Events != 15_000 || o.Entities != 300 || o.Kills != 3 {
		t.Errorf("events %d, entities %d, kills %d", o.Events, o.Entities, o.Kills)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for flags, want := range map[string]string{
		"-scenario x":               "-scenario",
		"-members 1":                "-members",
		"-static some":              "-static",
		"-session 1ms":              "session_timeout",
		"-static none -usurps 1":    "-usurps",
		"-entities 3":               "-entities",
		"-commit-interval 1m":       "commit_interval",
		"-rate 0":                   "-rate",
		"-concurrency 0 -members 9": "-members",
	} {
		if _, err := parse(strings.Fields(flags), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

func TestAnOutageIsMeasuredWithoutAnyHarm(t *testing.T) {
	o, err := parse([]string{"-scenario", "outage", "-short"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	tormentor := tormentor{o: &o, dice: rand.New(rand.NewPCG(1, 1))}
	if deck := tormentor.deck(); len(deck) != 0 || o.Transient != 0 || o.Permanent != 0 {
		t.Errorf("deck %v, %+v", deck, o)
	}
	if o.Outage != 40*time.Second {
		t.Errorf("the outage of the short form lasts %v", o.Outage)
	}
}

func TestTheDeckHasEveryHarm(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	tormentor := tormentor{o: &o, dice: rand.New(rand.NewPCG(1, 1))}
	got := map[ledger.HarmKind]int{}
	for _, kind := range tormentor.deck() {
		got[kind]++
	}
	if got[ledger.Kill] != o.Kills || got[ledger.Zombie] != o.Zombies || got[ledger.Lead]+got[ledger.Assign] != o.Moves || got[ledger.Broker] != o.Brokers {
		t.Errorf("%v for %+v", got, o)
	}
}

func TestHarmLeavesOneMemberAlone(t *testing.T) {
	o := Options{Members: 4, Static: "half"}
	c := newCrew(&o, nil, "", nil)
	dice := rand.New(rand.NewPCG(1, 1))
	if s := c.take(dice, true); s == nil || s.instance == "" {
		t.Fatalf("took %+v for a harm that needs an instance id", s)
	}
	taken := 1
	for c.take(dice, false) != nil {
		taken++
	}
	if taken != 3 {
		t.Errorf("%d of 4 members can be harmed at once", taken)
	}
}

func TestTheLoadNumbersEachEntityFromOne(t *testing.T) {
	o := Options{Entities: 50, Seed: 3, Scenario: scenarioHarm}
	l := &load{o: &o, seqs: make([]int32, o.Entities), dice: rand.New(rand.NewPCG(1, 1))}
	last := map[int32]int32{}
	for range 1000 {
		e := l.next()
		if e.Seq != last[e.Entity]+1 {
			t.Fatalf("%v after event %d", e, last[e.Entity])
		}
		last[e.Entity] = e.Seq
	}
	if last[0] < 150 {
		t.Errorf("the busy entity has %d of 1000 events", last[0])
	}
}

func TestALatencyThatGrewIsAFault(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	u := &outage{o: &Options{Calm: time.Minute}, from: now, to: now.Add(time.Minute)}
	in := &check.Input{}
	add := func(entity int32, at time.Time, took time.Duration) {
		e := ledger.Event{Entity: entity, Seq: int32(len(in.Sent) + 1)}
		in.Sent = append(in.Sent, ledger.Sent{Event: e, At: at.UnixNano()})
		in.Effects = append(in.Effects, ledger.Effect{Event: e, Verdict: ledger.Done, Attempt: 1, End: at.Add(took).UnixNano()})
	}
	for i := range 100 {
		add(1, now.Add(-time.Duration(i+1)*time.Millisecond), 10*time.Millisecond)
		add(1, now.Add(time.Duration(i+1)*time.Millisecond), 11*time.Millisecond)
		add(shops, now.Add(time.Duration(i+1)*time.Millisecond), time.Hour) // of the shop that is away
		add(1, now.Add(-2*time.Minute), time.Hour)                          // while it was warming up
	}
	if text, err := u.latencies(in); err != nil {
		t.Errorf("10 %% more: %v\n%s", err, text)
	}
	for i := range 100 {
		add(1, now.Add(time.Duration(i+1)*time.Millisecond), 13*time.Millisecond)
	}
	if text, err := u.latencies(in); err == nil {
		t.Errorf("30 %% more is no fault\n%s", text)
	}
}
