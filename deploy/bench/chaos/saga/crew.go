package saga

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
)

// crew keeps the programs running.
type crew struct {
	o      *Options
	seeds  []string
	record *record

	watchers sync.WaitGroup
	mu       sync.Mutex
	slots    map[string]*slot
	stopping bool
}

// slot is the place of one program: its lives come one after the other.
type slot struct {
	name string
	args []string
	life int
	now  *child.Process
}

func newCrew(o *Options, seeds []string, r *record) *crew {
	return &crew{o: o, seeds: seeds, record: r, slots: map[string]*slot{}}
}

// memberName names a saga process, for good: it is its instance id too.
func memberName(n int) string { return "saga-" + strconv.Itoa(n) }

// member starts a saga process that reaches its partners at an address.
func (c *crew) member(ctx context.Context, n int, partners net.Addr) error {
	url := "http://" + partners.String()
	args := []string{"--saga-consumer-instance-id", memberName(n)}
	for _, partner := range []string{"stock", "payment", "carrier"} {
		args = append(args, "--saga-"+partner+"-url", url, "--saga-"+partner+"-call-timeout", "2s")
	}
	return c.service(ctx, memberName(n), "saga", args...)
}

// service starts `millrace consume`.
func (c *crew) service(ctx context.Context, name, service string, args ...string) error {
	s := &slot{name: name, args: append([]string{
		"consume", service, "--kafka-brokers", strings.Join(c.seeds, ","), "--topics-partitions", strconv.Itoa(partitions),
		"--admin-listen", "", "--" + service + "-consumer-session-timeout", c.o.Session.String(),
	}, args...)}
	c.mu.Lock()
	c.slots[name] = s
	c.mu.Unlock()
	return c.revive(ctx, s, nil)
}

// revive starts the life that follows after p; it does nothing when there is one already.
func (c *crew) revive(ctx context.Context, s *slot, p *child.Process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || s.now != p || ctx.Err() != nil {
		return nil
	}
	s.life++
	next, err := child.Program(ctx, fmt.Sprintf("%s-%d", s.name, s.life), c.o.Dir, filepath.Join(c.o.Bin, "millrace"), s.args...)
	if err != nil {
		return err
	}
	s.now = next
	c.watchers.Go(func() { c.watch(ctx, s, next) })
	return nil
}

// watch revives a program when it has ended: at once if it was killed. That it ends by itself is noted: nothing here is a reason to.
func (c *crew) watch(ctx context.Context, s *slot, p *child.Process) {
	<-p.Done()
	if !p.Asked() {
		c.record.fault("%s ended by itself: %v (see %s.log)", p.Name, p.Err(), p.Name)
		if pause.For(ctx, time.Second) != nil {
			return
		}
	}
	if err := c.revive(ctx, s, p); err != nil {
		c.record.fault("%v", err)
	}
}

// kill kills a program and returns when it is dead; it starts again by itself.
func (c *crew) kill(name string) error {
	c.mu.Lock()
	p := c.slots[name].now
	c.mu.Unlock()
	return p.End(syscall.SIGKILL)
}

// stop ends all programs in order and returns what went wrong with it.
func (c *crew) stop() error {
	c.mu.Lock()
	c.stopping = true
	var last []*child.Process
	for _, s := range c.slots {
		if s.now != nil {
			last = append(last, s.now)
		}
	}
	c.mu.Unlock()
	errs := make([]error, len(last))
	var all sync.WaitGroup
	for i, p := range last {
		all.Go(func() { errs[i] = p.End(syscall.SIGTERM) })
	}
	all.Wait()
	c.watchers.Wait()
	return errors.Join(errs...)
}
