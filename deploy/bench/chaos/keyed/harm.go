package keyed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
	"millrace/partitioning/kafkatest"
)

// tormentor deals the harms out.
type tormentor struct {
	o      *Options
	crew   *crew
	kafka  *kafkatest.Cluster
	record *record
	dice   *rand.Rand

	harms   sync.WaitGroup
	cluster sync.Mutex // one harm to the brokers at a time: with two of three gone nothing could be written
}

// deck returns every harm of the run in a random order.
func (t *tormentor) deck() []ledger.HarmKind {
	var deck []ledger.HarmKind
	for _, c := range []struct {
		kind ledger.HarmKind
		n    int
	}{
		{ledger.Kill, t.o.Kills},
		{ledger.Stop, t.o.Stops},
		{ledger.Zombie, t.o.Zombies},
		{ledger.Usurp, t.o.Usurps},
		{ledger.Broker, t.o.Brokers},
		{ledger.Lead, (t.o.Moves + 1) / 2},
		{ledger.Assign, t.o.Moves / 2},
	} {
		for range c.n {
			deck = append(deck, c.kind)
		}
	}
	t.dice.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// run deals the deck out over a time and returns when everything has been done and undone.
func (t *tormentor) run(ctx context.Context, during time.Duration) error {
	deck := t.deck()
	defer t.harms.Wait()
	if len(deck) == 0 {
		return nil
	}
	every := during / time.Duration(len(deck))
	for _, kind := range deck {
		if err := pause.For(ctx, every/2+time.Duration(t.dice.Int64N(int64(every)))); err != nil {
			return err
		}
		if err := t.deal(ctx, kind); err != nil {
			return err
		}
	}
	return nil
}

// deal begins one harm; it waits for a victim, not for the end of the harm.
func (t *tormentor) deal(ctx context.Context, kind ledger.HarmKind) error {
	long := t.dice.Float64()
	if kind == ledger.Broker || kind == ledger.Lead || kind == ledger.Assign {
		seed := t.dice.Uint64()
		t.harms.Go(func() { t.onCluster(ctx, kind, rand.New(rand.NewPCG(seed, 0)), long) }) //nolint:gosec // repeatable on purpose
		return nil
	}
	for {
		if s := t.crew.take(t.dice, kind == ledger.Usurp); s != nil {
			t.harms.Go(func() {
				defer t.crew.giveBack(s)
				t.onMember(ctx, kind, s, long)
			})
			return nil
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// longestDown is how long a member stays down at most: some come back before their session is over, some after.
const longestDown = 5 * time.Second

// onMember does one harm to a member and undoes it. long is from 0 to 1.
func (t *tormentor) onMember(ctx context.Context, kind ledger.HarmKind, s *slot, long float64) {
	p := t.crew.current(s)
	if kind == ledger.Usurp {
		// Of two that have the same instance id the later to join wins. So it must be a member before it is frozen.
		t.crew.waitWorking(ctx, p)
	}
	h := ledger.Harm{Kind: kind, Process: p.Name, From: time.Now().UnixNano()}
	var err error
	switch kind {
	case ledger.Kill, ledger.Stop:
		sig := syscall.SIGKILL
		if kind == ledger.Stop {
			sig = syscall.SIGTERM
		}
		err = p.End(sig)
		h.To = time.Now().UnixNano()
		t.record.harm(h)
		_ = pause.For(ctx, time.Duration(long*long*float64(longestDown)))
		err = errors.Join(err, t.crew.revive(ctx, s, p))
	default:
		err = t.freeze(ctx, h, s, p, long)
	}
	if err != nil && ctx.Err() == nil {
		t.record.fault("%s of %s: %v", kind, p.Name, err)
	}
}

// freeze stops a member for longer than its session and lets it go on. For a usurpation another process takes its instance id
// meanwhile, so that the old one must end by itself when it finds out.
func (t *tormentor) freeze(ctx context.Context, h ledger.Harm, s *slot, p *child.Process, long float64) error {
	if h.Kind == ledger.Usurp {
		p.Ask()
	}
	err := p.Signal(syscall.SIGSTOP)
	length := t.o.Session + time.Second + time.Duration(long*2*float64(t.o.Session))
	if h.Kind == ledger.Usurp {
		_ = pause.For(ctx, length/4)
		err = errors.Join(err, t.crew.revive(ctx, s, p))
	}
	_ = pause.For(ctx, length)
	err = errors.Join(err, p.Signal(syscall.SIGCONT))
	h.To = time.Now().UnixNano()
	t.record.harm(h)
	if h.Kind != ledger.Usurp {
		// It needs a moment to find out; what ended it by itself is noted by the crew.
		_ = pause.For(ctx, t.o.Session)
		return err
	}
	if !p.Wait(child.StopWithin) {
		_ = p.Signal(syscall.SIGKILL)
		<-p.Done()
		return errors.Join(err, fmt.Errorf("it had been replaced and still ran %v after it woke", child.StopWithin))
	}
	if p.Err() == nil {
		return errors.Join(err, errors.New("it had been replaced and ended as if it had been stopped"))
	}
	return err
}

// onCluster does one harm to the brokers and undoes it.
func (t *tormentor) onCluster(ctx context.Context, kind ledger.HarmKind, dice *rand.Rand, long float64) {
	t.cluster.Lock()
	defer t.cluster.Unlock()
	if ctx.Err() != nil {
		return
	}
	h := ledger.Harm{Kind: kind, From: time.Now().UnixNano()}
	var err error
	if kind == ledger.Broker {
		h.Note, err = t.killBroker(ctx, dice.IntN(brokers), long)
	} else {
		h.Note, err = movePartitions(ctx, t.kafka.Brokers(), kind, dice)
	}
	err = errors.Join(err, t.kafka.WaitInSync(ctx))
	h.To = time.Now().UnixNano()
	t.record.harm(h)
	if err != nil && ctx.Err() == nil {
		t.record.fault("%s: %v", kind, err)
	}
}

func (t *tormentor) killBroker(ctx context.Context, i int, long float64) (string, error) {
	note := fmt.Sprintf("broker %d", i+1)
	if err := t.kafka.Kill(i); err != nil { //nolint:contextcheck // a kill is not given up half way
		return note, err
	}
	if err := pause.For(ctx, time.Duration((1+4*long)*float64(time.Second))); err != nil {
		return note, err
	}
	return note, t.kafka.Restart(ctx, i)
}
