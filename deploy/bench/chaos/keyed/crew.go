package keyed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
)

// crew keeps the member processes running, but for those that are being harmed.
type crew struct {
	o       *Options
	seeds   []string
	backend string
	record  *record

	watchers sync.WaitGroup
	mu       sync.Mutex
	slots    []*slot
	stopping bool
}

// slot is the place of one member: its lives come one after the other, but for a frozen one that is replaced.
type slot struct {
	number   int
	instance string // instance id, "" for a dynamic member
	life     int
	now      *child.Process
	harmed   bool
}

func newCrew(o *Options, seeds []string, backend string, r *record) *crew {
	c := &crew{o: o, seeds: seeds, backend: backend, record: r}
	for i := range o.Members {
		s := &slot{number: i}
		if o.Static == "all" || o.Static == "half" && i%2 == 0 {
			s.instance = "chaos-" + strconv.Itoa(i)
		}
		c.slots = append(c.slots, s)
	}
	return c
}

func (c *crew) start(ctx context.Context) error {
	for _, s := range c.slots {
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
	name := fmt.Sprintf("m%d-%d", s.number, s.life)
	next, err := child.Start(ctx, MemberRole, name, c.o.Dir, &memberSpec{
		Process: name, Seeds: c.seeds, Dir: c.o.Dir, Backend: c.backend,
		World: c.o.world(), Rates: c.o.rates(), Config: c.o.config(groupID, s.instance),
	})
	if err != nil {
		return err
	}
	s.now = next
	c.watchers.Go(func() { c.watch(ctx, s, next) })
	return nil
}

// watch revives a member that has ended by itself, as an orchestrator would, and notes it: no harm done here is a reason to end.
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

// take gives a slot to a harm, nil when there is none to be had: at least one other member must be left unharmed.
func (c *crew) take(dice *rand.Rand, static bool) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	var free []*slot
	unharmed := 0
	for _, s := range c.slots {
		if s.harmed {
			continue
		}
		unharmed++
		if !static || s.instance != "" {
			free = append(free, s)
		}
	}
	if len(free) == 0 || unharmed < 2 {
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

// workWithin is how long a member may take from its start to its first event.
const workWithin = 20 * time.Second

// waitWorking waits until a process has had an event, for workWithin at most.
func (c *crew) waitWorking(ctx context.Context, p *child.Process) {
	ctx, cancel := context.WithTimeout(ctx, workWithin)
	defer cancel()
	for pause.For(ctx, 100*time.Millisecond) == nil {
		if ledger.Written(c.o.Dir, p.Name) {
			return
		}
	}
}

// static tells whether a process has an instance id.
func (c *crew) static(process string) bool {
	return slices.ContainsFunc(c.slots, func(s *slot) bool {
		return s.instance != "" && strings.HasPrefix(process, fmt.Sprintf("m%d-", s.number))
	})
}

// current returns the slot's process and what it is called.
func (c *crew) current(s *slot) *child.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.now
}

// stop ends all members in order and returns what went wrong with it.
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
