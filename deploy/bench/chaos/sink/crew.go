package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/sink/proxy"
	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
)

// crew keeps the sinks running, but for those that are being harmed.
type crew struct {
	o      *Options
	seeds  []string
	record *record

	watchers sync.WaitGroup
	mu       sync.Mutex
	slots    []*slot
	stopping bool
}

// slot is the place of one sink: its lives come one after the other. Its door stays.
type slot struct {
	number int
	door   *proxy.Door
	life   int
	now    *child.Process
	harmed bool
}

func newCrew(ctx context.Context, o *Options, seeds []string, p *proxy.Proxy, r *record) (*crew, error) {
	c := &crew{o: o, seeds: seeds, record: r}
	for i := range o.Sinks + 1 { // the last is that of the sinks that join for a while
		door, err := p.Open(ctx)
		if err != nil {
			c.closeDoors()
			return nil, err
		}
		c.slots = append(c.slots, &slot{number: i, door: door, harmed: i == o.Sinks})
	}
	return c, nil
}

func (c *crew) closeDoors() {
	for _, s := range c.slots {
		s.door.Close()
	}
}

// guest is the slot of the sinks that join for a while.
func (c *crew) guest() *slot { return c.slots[c.o.Sinks] }

func (c *crew) start(ctx context.Context) error {
	for _, s := range c.slots[:c.o.Sinks] {
		if err := c.revive(ctx, s, nil); err != nil {
			return err
		}
	}
	return nil
}

// revive starts the life that follows after p; it does nothing when there is one already.
func (c *crew) revive(ctx context.Context, s *slot, p *child.Process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || s.now != p || ctx.Err() != nil {
		return nil
	}
	s.life++
	name := fmt.Sprintf("sink%d-%d", s.number, s.life)
	next, err := child.Start(ctx, MemberRole, name, c.o.Dir, &memberSpec{
		Process: name, Seeds: c.seeds, URL: s.door.URL(), SkipReadBack: c.o.WithoutReadBack, Config: c.o.config(),
	})
	if err != nil {
		return err
	}
	s.now = next
	c.watchers.Go(func() { c.watch(ctx, s, next) })
	return nil
}

// watch revives a sink that has ended by itself, as an orchestrator would, and notes it: no harm done here is a reason to end.
func (c *crew) watch(ctx context.Context, s *slot, p *child.Process) {
	<-p.Done()
	if p.Asked() {
		return
	}
	c.record.fault("%s ended by itself: %v (see %s.log)", p.Name, p.Err(), p.Name)
	if pause.For(ctx, time.Second) == nil {
		if err := c.revive(ctx, s, p); err != nil {
			c.record.fault("%v", err)
		}
	}
}

// take gives a slot to a harm, nil when there is none to be had: at least one other sink must be left unharmed.
func (c *crew) take(dice *rand.Rand) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	var free []*slot
	for _, s := range c.slots {
		if !s.harmed {
			free = append(free, s)
		}
	}
	if len(free) < 2 {
		return nil
	}
	s := free[dice.IntN(len(free))]
	s.harmed = true
	return s
}

func (c *crew) giveBack(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.harmed = false
}

func (c *crew) current(s *slot) *child.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.now
}

// stop ends all sinks in order and returns what went wrong with it.
func (c *crew) stop() error {
	c.mu.Lock()
	c.stopping = true
	slots := c.slots
	c.mu.Unlock()
	errs := make([]error, len(slots))
	var all sync.WaitGroup
	for i, s := range slots {
		if p := c.current(s); p != nil {
			all.Go(func() {
				_ = p.Signal(syscall.SIGCONT)
				errs[i] = p.End(syscall.SIGTERM)
			})
		}
	}
	all.Wait()
	c.watchers.Wait()
	return errors.Join(errs...)
}
