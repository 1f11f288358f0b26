package sink

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/sink/proxy"
	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
	"millrace/partitioning/kafkatest"
)

// tormentor deals the harms out.
type tormentor struct {
	o      *Options
	crew   *crew
	kafka  *kafkatest.Cluster
	engine *keeper
	proxy  *proxy.Proxy
	gap    *gapKill
	tables map[string]string // folder of each table that an insert writes
	record *record
	dice   *rand.Rand

	harms   sync.WaitGroup
	cluster sync.Mutex // one broker at a time: with two of three gone nothing could be written
	one     sync.Mutex // one death of the engine at a time
}

// deed is a harm that is to be dealt. For the engine the kind is harmGap or harmMidway, whatever comes of it.
type deed struct {
	kind  harmKind
	table string
}

// deck returns every harm of the run in a random order.
func (t *tormentor) deck() []deed {
	var deck []deed
	for _, c := range []struct {
		kind harmKind
		n    int
	}{
		{harmKill, t.o.Kills},
		{harmLateKill, t.o.LateKills},
		{harmStop, t.o.Stops},
		{harmZombie, t.o.Zombies},
		{harmJoin, t.o.Joins},
		{harmBroker, t.o.Brokers},
	} {
		for range c.n {
			deck = append(deck, deed{kind: c.kind})
		}
	}
	// Of the engine's deaths half are in the gap of events, a quarter in that of some model, and a quarter anywhere in an insert.
	for i := range t.o.Engine {
		d := deed{kind: harmGap, table: eventsTable}
		switch {
		case i%4 == 3:
			d = deed{kind: harmMidway}
		case i%4 == 1 && (i > 4 || !t.o.WithoutReadBack):
			d.table = ""
		}
		deck = append(deck, d)
	}
	t.dice.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// run deals the deck out over a time and returns when everything has been done and undone.
func (t *tormentor) run(ctx context.Context, during time.Duration) error {
	deck := t.deck()
	defer t.harms.Wait()
	every := during / time.Duration(len(deck)+1)
	for _, d := range deck {
		if err := pause.For(ctx, every/2+time.Duration(t.dice.Int64N(int64(every)))); err != nil {
			return err
		}
		if err := t.deal(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// deal begins one harm; it waits for a victim, not for the end of the harm.
func (t *tormentor) deal(ctx context.Context, d deed) error {
	dice := rand.New(rand.NewPCG(t.dice.Uint64(), 0)) //nolint:gosec // repeatable on purpose
	switch d.kind {
	case harmBroker:
		t.harms.Go(func() { t.onBroker(ctx, dice) })
		return nil
	case harmGap, harmMidway:
		t.harms.Go(func() { t.onEngine(ctx, d, dice) })
		return nil
	case harmJoin:
		t.harms.Go(func() { t.join(ctx, dice) })
		return nil
	default:
	}
	for {
		if s := t.crew.take(t.dice); s != nil {
			t.harms.Go(func() {
				defer t.crew.giveBack(s)
				t.onSink(ctx, d.kind, s, dice)
			})
			return nil
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// longestDown is how long a sink stays down at most: some come back before their session is over, some after.
const longestDown = 5 * time.Second

func upTo(dice *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(dice.Float64() * float64(d))
}

// onSink does one harm to a sink and undoes it.
func (t *tormentor) onSink(ctx context.Context, kind harmKind, s *slot, dice *rand.Rand) {
	p := t.crew.current(s)
	var err error
	switch kind {
	case harmZombie:
		err = t.zombie(ctx, s, p, dice)
	case harmLateKill:
		err = t.lateKill(ctx, s, p, dice)
	default:
		sig := syscall.SIGKILL
		if kind == harmStop {
			sig = syscall.SIGTERM
		}
		err = p.End(sig)
		t.record.harm(kind, p.Name)
		long := dice.Float64()
		_ = pause.For(ctx, time.Duration(long*long*float64(longestDown)))
		err = errors.Join(err, t.crew.revive(ctx, s, p))
	}
	if err != nil && ctx.Err() == nil {
		t.record.fault("%s, %s: %v", kind, p.Name, err)
	}
}

// heldWithin is how long an insert of one sink may be waited for.
const heldWithin = 20 * time.Second

// hold keeps the sink's next insert in the proxy; nil when none came.
func (t *tormentor) hold(ctx context.Context, s *slot, p *child.Process) *proxy.Hold {
	h := s.door.HoldNext()
	timer := time.NewTimer(heldWithin)
	defer timer.Stop()
	select {
	case <-h.Held():
		return h
	case <-p.Done():
	case <-ctx.Done():
	case <-timer.C:
	}
	s.door.Forget(h)
	return nil
}

// landed waits until the engine has answered an insert that was let go.
func (t *tormentor) landed(ctx context.Context, h *proxy.Hold) {
	timer := time.NewTimer(heldWithin)
	defer timer.Stop()
	select {
	case <-h.Gone():
	case <-ctx.Done():
	case <-timer.C:
	}
}

// zombie freezes a sink in the middle of an insert for longer than its session, so that another one takes its partitions over and
// repeats the batch; then the frozen one's insert lands, and it wakes, in either order.
func (t *tormentor) zombie(ctx context.Context, s *slot, p *child.Process, dice *rand.Rand) error {
	h := t.hold(ctx, s, p)
	if h == nil {
		t.record.note("a sink to be frozen made no insert in time")
		return nil
	}
	defer h.LetGo()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	_ = pause.For(ctx, t.o.Session+time.Second+upTo(dice, 2*t.o.Session))
	var err error
	if dice.IntN(2) == 0 {
		h.LetGo()
		t.landed(ctx, h)
		err = p.Signal(syscall.SIGCONT)
	} else {
		err = p.Signal(syscall.SIGCONT)
		_ = pause.For(ctx, upTo(dice, time.Second))
		h.LetGo()
		t.landed(ctx, h)
	}
	t.record.harm(harmZombie, p.Name)
	_ = pause.For(ctx, t.o.Session) // it needs a moment to find out
	return err
}

// lateKill kills a sink whose insert is in the proxy, which sends it on before or after others have repeated the batch.
func (t *tormentor) lateKill(ctx context.Context, s *slot, p *child.Process, dice *rand.Rand) error {
	h := t.hold(ctx, s, p)
	if h == nil {
		t.record.note("a sink to be killed in an insert made none in time")
	}
	err := p.End(syscall.SIGKILL)
	t.record.harm(harmLateKill, p.Name)
	_ = pause.For(ctx, upTo(dice, t.o.Session))
	err = errors.Join(err, t.crew.revive(ctx, s, p))
	if h != nil {
		_ = pause.For(ctx, upTo(dice, 2*t.o.Session))
		h.LetGo()
		t.landed(ctx, h)
	}
	return err
}

// join lets one more sink into the group for some seconds. It leaves in order or dies.
func (t *tormentor) join(ctx context.Context, dice *rand.Rand) {
	s := t.crew.guest()
	if err := t.crew.revive(ctx, s, t.crew.current(s)); err != nil {
		t.record.fault("%s: %v", harmJoin, err)
		return
	}
	p := t.crew.current(s)
	if p == nil {
		return
	}
	_ = pause.For(ctx, 2*time.Second+upTo(dice, 4*time.Second))
	if err := p.End(syscall.SIGTERM); err != nil && ctx.Err() == nil {
		t.record.fault("%s: %v", harmJoin, err)
	}
	t.record.harm(harmJoin, p.Name)
}

func (t *tormentor) onBroker(ctx context.Context, dice *rand.Rand) {
	t.cluster.Lock()
	defer t.cluster.Unlock()
	if ctx.Err() != nil {
		return
	}
	i := dice.IntN(brokers)
	err := t.kafka.Kill(i) //nolint:contextcheck // a kill is not given up half way
	t.record.harm(harmBroker, strconv.Itoa(i))
	_ = pause.For(ctx, time.Second+upTo(dice, 3*time.Second))
	err = errors.Join(err, t.kafka.Restart(ctx, i), t.kafka.WaitInSync(ctx))
	if err != nil && ctx.Err() == nil {
		t.record.fault("%s: %v", harmBroker, err)
	}
}

// onEngine kills the engine in the middle of an insert and brings it back.
func (t *tormentor) onEngine(ctx context.Context, d deed, dice *rand.Rand) {
	t.one.Lock()
	defer t.one.Unlock()
	if ctx.Err() != nil {
		return
	}
	if err := t.engine.waitReady(ctx); err != nil {
		t.record.fault("%s: %v", d.kind, err)
		return
	}
	if n := t.engine.restarts(); n > 0 {
		t.record.fault("the engine died %d times by itself (see engine.log)", n)
	}
	kind, about, err := t.killEngine(ctx, d, dice)
	if err == nil {
		t.record.harm(kind, about)
		_ = pause.For(ctx, upTo(dice, 500*time.Millisecond))
		err = t.engine.revive(context.WithoutCancel(ctx))
	}
	if err != nil && ctx.Err() == nil {
		t.record.fault("%s: %v", d.kind, err)
	}
}

func (t *tormentor) killEngine(ctx context.Context, d deed, dice *rand.Rand) (harmKind, string, error) {
	if d.kind == harmGap {
		table := d.table
		if table == "" {
			table = pick(dice, t.tables)
		}
		hit, err := t.gap.strike(ctx, t.tables[table])
		switch {
		case err == nil && hit:
			return harmGap, table, nil
		case err == nil:
			t.record.note("the engine died too late for the gap")
			return harmMidway, table, nil
		case errors.Is(err, errNoGap) || errors.Is(err, errNoTrace):
			t.record.note(err.Error())
		default:
			return harmGap, table, err
		}
	}
	return t.killMidway(ctx, dice)
}

// killMidway kills the engine at some moment while an insert is under way.
func (t *tormentor) killMidway(ctx context.Context, dice *rand.Rand) (harmKind, string, error) {
	deadline := time.Now().Add(heldWithin)
	for try := 0; time.Now().Before(deadline) && ctx.Err() == nil; try++ {
		if t.proxy.UnderWay() == 0 {
			_ = pause.For(ctx, time.Millisecond)
			continue
		}
		_ = pause.For(ctx, upTo(dice, 60*time.Millisecond))
		if t.proxy.UnderWay() > 0 {
			return harmMidway, "at random", t.engine.kill()
		}
	}
	return harmIdle, "no insert came", t.engine.kill()
}

func pick(dice *rand.Rand, tables map[string]string) string {
	n := dice.IntN(len(tables))
	for _, name := range sortedKeys(tables) {
		if n == 0 {
			return name
		}
		n--
	}
	return eventsTable
}
