package saga

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

const (
	groupID    = "millrace-saga"
	partitions = 3
)

// cluster is a kfake with the event store and the topics of the group.
type cluster struct {
	*kfake.Cluster
	t  *testing.T
	cl *kgo.Client // for the test's own reads and writes
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	o := schemas.DefaultPlanOptions()
	o.Partitions = partitions
	specs, err := schemas.GroupTopics(groupID, Topics(), true, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.SeedTopics(partitions, schemas.OrderEventsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, s := range specs {
		if err := c.CreateTopic(s.Name, s.Partitions, map[string]string{"cleanup.policy": s.Configs["cleanup.policy"]}); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{Cluster: c, t: t, cl: cl}
}

// tell appends an event of the shop about an order.
func (c *cluster) tell(order int, data schemas.OrderEventData) {
	c.t.Helper()
	cause := schemas.Event{ID: fmt.Sprintf("w-%d-%d", order, rand.Uint64()), Shop: shopName, Subject: fmt.Sprintf("order/%d", order), Received: time.Now()}
	e, err := schemas.NewOrderEvent(&cause, schemas.ByShop, time.Now(), data)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := orderevent.Record(&e)
	if err != nil {
		c.t.Fatal(err)
	}
	rec := &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	if err := c.cl.ProduceSync(c.t.Context(), rec).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the committed records of a topic.
func (c *cluster) read(topic string) []*kgo.Record {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(c.cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond), kgo.KeepControlRecords())
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	var out []*kgo.Record
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("read %s: %v are not there", topic, left)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}

// process is a saga process that can be killed: from then on nothing of it reaches Kafka, and Kafka is not told that it is gone. What it
// has under way at partners goes on.
type process struct {
	mu    sync.Mutex
	dead  bool
	conns []net.Conn
	stop  context.CancelFunc
	done  chan struct{}
	err   error // of its end
}

func (p *process) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, net.ErrClosed
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		p.conns = append(p.conns, conn)
	}
	return conn, err
}

func (p *process) kill() {
	p.mu.Lock()
	p.dead = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.stop()
}

func (c *cluster) start(w *world, definition func(*Config)) *process {
	c.t.Helper()
	cfg := DefaultConfig()
	definition(&cfg)
	cfg.Consumer.Activity = false
	cfg.Consumer.Member.InstanceID = "saga-0" // a successor takes over at once
	cfg.Consumer.Member.SessionTimeout, cfg.Consumer.Member.CommitTimeout, cfg.Consumer.Member.StopGrace = 3*time.Second, time.Second, 0
	cfg.Consumer.CommitInterval, cfg.Consumer.Concurrency = 10*time.Millisecond, 8
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("MILLRACE_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	reg := prometheus.NewRegistry()
	svc, err := Service(cfg, Deps{Logger: log, Registerer: reg, Stock: w, Payment: w, Carrier: w, Endpoint: w})
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{done: make(chan struct{})}
	rt, err := group.New(svc, cfg.Consumer, group.Deps{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(p.dial)}, Logger: log, Registerer: reg})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		defer close(p.done)
		p.err = rt.Run(ctx)
	}()
	c.t.Cleanup(func() {
		p.kill()
		<-p.done
	})
	return p
}

const quickDefinition = `
saga: order
version: 1
starts_on: OrderCreated
timeout: 10m
retry: [10ms, 20ms, 40ms]
compensate_for: 1h
steps:
  - {step: reserve, do: stock.reserve, undo: stock.release}
  - {step: charge, do: payment.charge, undo: payment.refund}
  - {step: fulfil, do: carrier.ship, undo: carrier.cancel}
  - {step: confirm, do: mail.confirm}
`

// A process is killed before and after calls, that is around each commit; the next one goes on. Partners fail in every way, and the
// shop cancels some of the orders meanwhile.
func TestKilledProcessesLeaveNoOrderHalfDone(t *testing.T) {
	const orders, kills = 24, 24
	c, w := newCluster(t), newWorld()
	definition := defined(t, quickDefinition)
	var dice sync.Mutex
	random := rand.New(rand.NewPCG(6, 2))
	roll := func(n int) int {
		dice.Lock()
		defer dice.Unlock()
		return random.IntN(n)
	}
	w.fault = func(verb string) fault { // of ten calls six are well
		f := fault(roll(18))
		if f > permanent || f == permanent && undoes(verb) != "" && roll(2) == 0 {
			return ok
		}
		return f
	}
	strike := make(chan struct{}, 1)
	w.called = func(string) {
		if roll(6) == 0 {
			select {
			case strike <- struct{}{}:
			default:
			}
		}
	}
	for i := range orders {
		c.tell(i, created(1))
	}
	p := c.start(w, definition)
	deadline := time.After(4 * time.Minute) // as long as a busy machine may take
	for n := range kills {
		select {
		case <-strike:
		case <-time.After(10 * time.Second): // all is done, or waits: any moment is as good
		case <-deadline:
			t.Fatalf("%d kills, and then nothing", n)
		}
		p.kill()
		if n%4 == 0 {
			c.tell(n, cancelledOrder(2))
		}
		p = c.start(w, definition)
	}
	w.mu.Lock()
	w.called = nil
	w.mu.Unlock()
	var ends map[string]Phase
	for {
		var open int
		if ends, open = c.ends(); open == 0 && len(ends) == orders {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("%d of %d orders have ended, %d are open", len(ends), orders, open)
		case <-time.After(200 * time.Millisecond): // what is asked is a read of whole topics
		}
	}
	p.stop()
	if <-p.done; p.err != nil {
		t.Errorf("Run() error: %v", p.err)
	}
	w.arrive()
	c.check(w, ends)
}

// ends returns how the runs ended by what the event store says, and how many parked ones are no dead letters yet.
func (c *cluster) ends() (ends map[string]Phase, open int) {
	ends = map[string]Phase{}
	for _, r := range c.read(schemas.OrderEventsTopic) {
		meta, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			c.t.Fatal(err)
		}
		e, err := schemas.DecodeOrderEvent(&meta, r.Value)
		if err != nil {
			c.t.Fatal(err)
		}
		switch e.Data.(type) {
		case *schemas.SagaCompensating:
			delete(ends, e.OrderID)
		case *schemas.SagaCompleted:
			ends[e.OrderID] = Completed
		case *schemas.SagaCompensated:
			ends[e.OrderID] = Compensated
		case *schemas.SagaParked:
			ends[e.OrderID] = Parked
		}
	}
	letters := map[string]bool{}
	for _, r := range c.read(schemas.DeadLetterTopic(schemas.OrderEventsTopic, groupID)) {
		letters[string(r.Key)] = true
	}
	for id, phase := range ends {
		if phase == Parked && !letters[shopName+"|order/"+id] {
			open++
		}
	}
	return ends, open
}

func (c *cluster) check(w *world, ends map[string]Phase) {
	c.t.Helper()
	for _, f := range w.faults {
		c.t.Error(f)
	}
	count := map[Phase]int{}
	for id, phase := range ends {
		count[phase]++
		a := w.of(Order{shopName, id})
		held := [3]int{a.held("reserve"), a.held("charge"), a.held("ship")}
		switch {
		case phase == Completed && held != [3]int{1, 1, 1}, phase == Compensated && held != [3]int{}:
			c.t.Errorf("order %s is %s, and the partners hold %v", id, phase, held)
		case a.did["refund"] > 0 && a.held("ship") > 0:
			c.t.Errorf("order %s is refunded and shipped", id)
		}
	}
	c.t.Logf("runs by their end: %v, %d calls", count, len(w.calls))
}
