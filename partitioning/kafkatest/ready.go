package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	pollInterval   = 100 * time.Millisecond
	requestTimeout = 2 * time.Second
)

// WaitReady returns when every broker that runs (and is not paused) answers requests, sees all the others that run and knows
// the controller. The error, when ctx ends first or a broker ends, has the tail of a broker's log.
func (c *Cluster) WaitReady(ctx context.Context) error {
	var want []*broker
	for _, b := range c.brokers {
		if b.serving() {
			want = append(want, b)
		}
	}
	for _, b := range want {
		if err := c.waitBroker(ctx, b, want); err != nil {
			return err
		}
	}
	return nil
}

// WaitInSync returns when no partition of any topic lacks a leader or an in-sync replica: what a chaos run waits for before it
// kills the next broker.
func (c *Cluster) WaitInSync(ctx context.Context) error {
	for _, b := range c.brokers {
		if !b.serving() {
			continue
		}
		return poll(ctx, func(ctx context.Context) error {
			return c.ask(b, func(adm *kadm.Client) error {
				topics, err := adm.ListTopicsWithInternal(ctx)
				if err != nil {
					return err
				}
				return allInSync(topics)
			})
		})
	}
	return errors.New("wait for kafka replicas: no broker is running")
}

func allInSync(topics kadm.TopicDetails) error {
	for _, t := range topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("topic %s partition %d: leader %d, replicas %v, in sync %v", t.Topic, p.Partition, p.Leader, p.Replicas, p.ISR)
			}
		}
	}
	return nil
}

// waitBroker polls b until it reports at least the nodes of want, or has ended.
func (c *Cluster) waitBroker(ctx context.Context, b *broker, want []*broker) error {
	err := poll(ctx, func(ctx context.Context) error {
		for _, other := range want {
			if other.pid() == 0 {
				return fatalError{other.deathReport()}
			}
		}
		return c.ask(b, func(adm *kadm.Client) error {
			m, err := adm.BrokerMetadata(ctx)
			if err != nil {
				return err
			}
			seen := m.Brokers.NodeIDs()
			for _, other := range want {
				if !containsNode(seen, other.index+1) {
					return fmt.Errorf("it sees nodes %v, not yet %d", seen, other.index+1)
				}
			}
			if m.Controller < 0 {
				return errors.New("it knows no controller")
			}
			return nil
		})
	})
	if err == nil || errors.As(err, new(fatalError)) {
		return err
	}
	return fmt.Errorf("wait for kafka broker %d: %w; the end of its log:\n%s", b.index, err, b.logTail())
}

func containsNode(ids []int32, id int) bool {
	for _, have := range ids {
		if int(have) == id {
			return true
		}
	}
	return false
}

// ask runs f with an admin client that talks to b first, and with no retries: poll does these.
func (c *Cluster) ask(b *broker, f func(*kadm.Client) error) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(c.address(b.index, plaintext)),
		kgo.RequestRetries(0),
		kgo.DialTimeout(requestTimeout),
		kgo.RetryTimeout(requestTimeout),
		kgo.RequestTimeoutOverhead(requestTimeout),
	)
	if err != nil {
		return fatalError{err}
	}
	defer cl.Close()
	return f(kadm.NewClient(cl))
}

// fatalError ends a poll at once.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// poll calls f until it succeeds, returns a fatalError or ctx ends; then the error has both the end and f's last complaint.
func poll(ctx context.Context, f func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*requestTimeout)
		err := f(attempt)
		cancel()
		if err == nil || errors.As(err, new(fatalError)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
