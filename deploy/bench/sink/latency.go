package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"millrace/consumers/analytics/database"
)

// workload is what is sent while latencies are measured.
type workload struct {
	kinds     []kind
	perSecond float64
}

// warmup is how long the load runs before delays count.
const warmup = 5 * time.Second

// latencies measures, one workload after the other on one sink that has caught up.
func (b *bench) latencies(ctx context.Context, k *kafka, plan string, loads []workload) (err error) {
	records, err := k.records(ctx)
	if err != nil {
		return err
	}
	db, err := b.freshDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.drop(ctx, db)) }()
	c, err := launch(ctx, b.sinkSpec(k, db, records))
	if err != nil {
		return err
	}
	for _, load := range loads {
		if load.perSecond <= 0 {
			c.kill()
			return errors.New("no rate: measure the row rates as well, or set -rate")
		}
		if _, err := c.await(ctx, records, ratesWithin); err != nil {
			c.kill()
			return err
		}
		m := &latencyRun{bench: b, kafka: k, db: db, load: load, child: c}
		if err := m.run(ctx); err != nil {
			c.kill()
			return err
		}
		records += m.sent
		b.latencyRow(plan, load, m)
	}
	return errors.Join(c.stop(), b.verify(ctx, db, records))
}

// latencyRun is one workload.
type latencyRun struct {
	bench *bench
	kafka *kafka
	db    *database.DB
	load  workload
	child *child

	mu    sync.Mutex // guards what producer and poller share
	seen  *sightings
	marks map[place]int64 // the greatest offset that a SELECT has seen
	err   error

	sent   int
	polls  []time.Duration // what each SELECT took
	others float64
	cores  map[string]float64
}

// run sends records at the rate and looks for them until all are there.
func (m *latencyRun) run(ctx context.Context) error {
	m.seen, m.marks = newSightings(), map[place]int64{}
	if err := m.look(ctx); err != nil { // what was there before
		return err
	}
	m.polls = nil
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- m.send(sending) }()
	before := m.bench.now(m.kafka, m.child)
	tick := time.NewTicker(m.bench.o.poll)
	defer tick.Stop()
	var limit <-chan time.Time
	for done := false; ; {
		select {
		case err := <-sent:
			if err != nil {
				return err
			}
			m.account(before)
			done, limit = true, time.After(time.Minute)
		case <-limit:
			return fmt.Errorf("%d of %d records are not in ClickHouse a minute after the last was sent", m.seen.left(), m.sent)
		case <-tick.C:
		}
		if err := m.look(ctx); err != nil {
			return err
		}
		if done && m.seen.left() == 0 {
			slices.Sort(m.seen.delays)
			slices.Sort(m.polls)
			return nil
		}
	}
}

// account notes who took the processors while the load was on.
func (m *latencyRun) account(before moment) {
	after := m.bench.now(m.kafka, m.child)
	m.others = after.others(before)
	m.cores = map[string]float64{
		"sink":   after.cores(m.child.cmd.Process.Pid, before),
		"engine": after.cores(m.bench.engine.Pid(), before),
		"broker": after.cores(m.kafka.cluster.Pid(0), before),
	}
}

// send produces at the rate, as ingest does. Records of the warm-up are sent like the others and not watched.
func (m *latencyRun) send(ctx context.Context) error {
	producer, err := kgo.NewClient(producerOptions(m.kafka, 0)...)
	if err != nil {
		return fmt.Errorf("make producer: %w", err)
	}
	defer producer.Close()
	limiter := rate.NewLimiter(rate.Limit(m.load.perSecond), max(int(m.load.perSecond/100), 1))
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2)) //nolint:gosec // test data
	began := time.Now()
	for time.Since(began) < warmup+m.bench.o.load {
		if err := limiter.Wait(ctx); err != nil {
			return fmt.Errorf("keep to the rate: %w", err)
		}
		watched := time.Since(began) > warmup
		producer.Produce(ctx, m.load.kinds[m.sent%len(m.load.kinds)].record(m.sent, time.Now(), random), func(r *kgo.Record, err error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.err = errors.Join(m.err, err)
			if err == nil && watched {
				m.seen.accepted(place{r.Topic, r.Partition}, r.Offset, time.Now())
			}
		})
		m.sent++
	}
	if err := producer.Flush(ctx); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// look asks ClickHouse how far each partition is. The condition on the offset lets the projection by_offset skip what was seen before.
func (m *latencyRun) look(ctx context.Context) error {
	least := int64(-1)
	for _, offset := range m.marks {
		if least < 0 || offset < least {
			least = offset
		}
	}
	began := time.Now()
	rows, err := m.db.Conn().Query(ctx, "SELECT _topic, _partition, max(_offset) FROM "+m.db.Quoted()+".events WHERE _offset >= ? GROUP BY _topic, _partition", uint64(max(least, 0)))
	if err != nil {
		return fmt.Errorf("look for rows: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found := map[place]int64{}
	for rows.Next() {
		var topic string
		var partition uint32
		var offset uint64
		if err := rows.Scan(&topic, &partition, &offset); err != nil {
			return fmt.Errorf("look for rows: %w", err)
		}
		found[place{topic, int32(partition)}] = int64(offset)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for rows: %w", err)
	}
	ended := time.Now()
	m.polls = append(m.polls, ended.Sub(began))
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, offset := range found {
		m.marks[at] = offset
	}
	for at, offset := range m.marks {
		m.seen.seen(at, offset, ended)
	}
	return nil
}
