package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
)

const (
	trickleTopic = "bench.trickle"
	// trickleEvery is the time between two records of one partition, and so the resolution of the fail-over times.
	trickleEvery = 10 * time.Millisecond
	// settledFor is how long two members must have shared the partitions before one of them is stopped.
	settledFor = 2 * time.Second
	// failoverWithin bounds the wait for the partitions of a member that is gone.
	failoverWithin = 2 * time.Minute
)

// failover measures how long the partitions of a member that goes are not worked on.
func (b *bench) failover(ctx context.Context) error {
	for _, writes := range []bool{false, true} {
		if err := b.failoverOf(ctx, writes); err != nil {
			return err
		}
	}
	b.report.say("Two members, a record every %s in each partition; *writes* is a service with state and an emitted record for each event, so that the next owner restores "+
		"the state first. Times are from the signal to the first record of each of the leaver's partitions at the other member, over all partitions of %d repeats. "+
		"Session timeout %s; *handled again* is what the other repeated because it was not committed.", trickleEvery, b.o.failovers, b.o.session)
	return nil
}

func (b *bench) failoverOf(ctx context.Context, writes bool) error {
	topic := fmt.Sprintf("%s-%t", trickleTopic, writes)
	if err := b.makeTopic(ctx, topic); err != nil {
		return err
	}
	group, err := b.newService(ctx, topic, writes)
	if err != nil {
		return err
	}
	spec := b.spec(topic, group)
	spec.Trace = "shop-"
	if writes {
		spec.EmitTo = topic + ".emitted"
		if err := b.makeTopic(ctx, spec.EmitTo); err != nil {
			return err
		}
	}
	stopTrickle, err := b.trickle(ctx, topic)
	if err != nil {
		return err
	}
	defer stopTrickle()
	stays, err := b.startMember(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { stays.kill() }()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		var all []float64
		var again int
		for range b.o.failovers {
			left, err := b.leave(ctx, spec, stays, sig)
			if err != nil {
				return err
			}
			b.note("%s of a member, writes %t: %.0f to %.0f ms, %d handled again", sig, writes, slices.Min(left.millis), slices.Max(left.millis), left.again)
			all, again = append(all, left.millis...), again+left.again
		}
		name := "clean stop (SIGTERM)"
		if sig == syscall.SIGKILL {
			name = "kill -9"
		}
		b.report.row("Fail-over", "service | the member's end | partitions | median ms | longest ms | shortest ms | handled again",
			map[bool]string{false: "plain", true: "writes"}[writes], name, strconv.Itoa(len(all)), whole(median(all)), whole(all[len(all)-1]), whole(all[0]), strconv.Itoa(again))
	}
	_, err = stays.stop()
	return err
}

// left is what a member's end has cost.
type left struct {
	millis []float64 // for each of its partitions: until the other handled a record of it
	again  int
}

// leave lets a second member join, waits until both share the partitions, and ends it.
func (b *bench) leave(ctx context.Context, spec memberSpec, stays *child, sig syscall.Signal) (left, error) {
	goes, err := b.startMember(ctx, spec)
	if err != nil {
		return left{}, err
	}
	defer goes.kill()
	both := []*child{stays, goes}
	half := b.o.partitions / 2
	err = until(ctx, failoverWithin, "two members share the partitions", both, func() (bool, error) {
		since := time.Now().Add(-settledFor)
		if goes.started.After(since) {
			return false, nil
		}
		a, z := partitionsOf(stays.traced(since)), partitionsOf(goes.traced(since))
		for p := range z {
			if a[p] {
				return false, nil
			}
		}
		return len(z) >= half && len(a)+len(z) == b.o.partitions, nil
	})
	if err != nil {
		return left{}, err
	}
	since := time.Now().Add(-settledFor)
	owned := partitionsOf(goes.traced(since))
	at := time.Now()
	if err := goes.cmd.Process.Signal(sig); err != nil {
		return left{}, fmt.Errorf("send %s: %w", sig, err)
	}
	first := map[int32]int64{}
	err = until(ctx, failoverWithin, "the other member works on all partitions", []*child{stays}, func() (bool, error) {
		for _, l := range stays.traced(at) {
			if _, known := first[l.Partition]; owned[l.Partition] && !known {
				first[l.Partition] = l.At
			}
		}
		return len(first) == len(owned), nil
	})
	if err != nil {
		return left{}, err
	}
	<-goes.done
	if sig != syscall.SIGKILL {
		if _, err := goes.wait(stopWithin); err != nil {
			return left{}, err
		}
	}
	l := left{again: repeated(goes.traced(time.Time{}), stays.traced(at))}
	for _, us := range first {
		l.millis = append(l.millis, float64(us-at.UnixMicro())/1000)
	}
	return l, nil
}

func partitionsOf(lines []line) map[int32]bool {
	seen := map[int32]bool{}
	for _, l := range lines {
		seen[l.Partition] = true
	}
	return seen
}

func repeated(before, after []line) int {
	handled := map[entry]bool{}
	for _, l := range before {
		handled[entry{l.Partition, l.Offset}] = true
	}
	n := 0
	for _, l := range after {
		if handled[entry{l.Partition, l.Offset}] {
			n++
		}
	}
	return n
}

// trickle writes a record to every partition all the time, until it is stopped.
func (b *bench) trickle(ctx context.Context, topic string) (stop func(), err error) {
	producer, err := b.producer()
	if err != nil {
		return nil, err
	}
	byPartition := make([][]entity, b.o.partitions)
	for n := range 100 * b.o.partitions {
		e := keyOf(n)
		p := partitioning.Partition([]byte(e.key), int32(b.o.partitions)) //nolint:gosec // a person's small number
		byPartition[p] = append(byPartition[p], e)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // test data
		tick := time.NewTicker(trickleEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			for _, keys := range byPartition {
				producer.Produce(ctx, record(topic, keys[i%len(keys)], i, b.o.valueBytes, random), func(_ *kgo.Record, err error) {
					if err != nil && ctx.Err() == nil {
						b.note("trickle: %v", err)
					}
				})
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
		producer.Close()
	}, nil
}
