package orderstate

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/consumers/group/deadletter"
	"millrace/consumers/group/reread"
	"millrace/partitioning"
	"millrace/schemas"
)

// cluster has all topics of both services.
type cluster struct {
	t     *testing.T
	kafka []kgo.Opt
	cl    *kgo.Client
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	o := schemas.DefaultPlanOptions()
	o.Partitions = 3
	plan, err := schemas.TopicPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []func() ([]schemas.TopicSpec, error){
		func() ([]schemas.TopicSpec, error) { return schemas.OrderEventsTopics(o) },
		func() ([]schemas.TopicSpec, error) {
			return schemas.GroupTopics(DefaultConfig().Consumer.Member.Group, Topics(), true, o)
		},
		func() ([]schemas.TopicSpec, error) {
			return schemas.GroupTopics(DefaultTranslateConfig().Consumer.Member.Group, TranslateTopics(), true, o)
		},
	} {
		specs, err := more()
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, specs...)
	}
	for _, s := range plan {
		if err := fake.CreateTopic(s.Name, s.Partitions, map[string]string{"cleanup.policy": s.Configs["cleanup.policy"]}); err != nil {
			t.Fatal(err)
		}
	}
	kafka := []kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}
	cl, err := kgo.NewClient(append(slices.Clone(kafka), kgo.RecordPartitioner(partitioning.Partitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{t: t, kafka: kafka, cl: cl}
}

// quick makes a test's waits short.
func quick(c group.Config) group.Config {
	c.Member.SessionTimeout, c.CommitInterval = 3*time.Second, 20*time.Millisecond
	c.Retry.InlineMax = 50 * time.Millisecond
	return c
}

// run runs a service until the test ends or the returned function is called.
func (c *cluster) run(s group.Service, cfg group.Config) (stop func()) {
	c.t.Helper()
	rt, err := group.New(s, cfg, group.Deps{Kafka: c.kafka, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := rt.Run(ctx); err != nil {
			c.t.Errorf("run %s: %v", s.Name, err)
		}
	}()
	stop = func() { cancel(); <-done }
	c.t.Cleanup(stop)
	return stop
}

func (c *cluster) translate() (stop func()) {
	c.t.Helper()
	cfg := DefaultTranslateConfig()
	cfg.Consumer = quick(cfg.Consumer)
	s, err := Translate(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.run(s, cfg.Consumer)
}

func (c *cluster) fold(change func(*Config)) (stop func()) {
	c.t.Helper()
	cfg := DefaultConfig()
	cfg.Consumer = quick(cfg.Consumer)
	change(&cfg)
	s, err := Service(cfg, prometheus.NewRegistry())
	if err != nil {
		c.t.Fatal(err)
	}
	return c.run(s, cfg.Consumer)
}

// webhook writes one delivery, as the receiver does.
func (c *cluster) webhook(id, topic string, order, second int, body string) {
	c.t.Helper()
	key := fmt.Sprintf("acme.myshopify.com|order/%d", order)
	e := schemas.Event{
		ID: id, Shop: "acme.myshopify.com", Topic: topic, Subject: fmt.Sprintf("order/%d", order), Time: at(second), Received: at(second), PartitionKey: key,
	}
	rec := &kgo.Record{Topic: "shopify.orders", Key: []byte(key), Value: []byte(body), Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &e)}
	if err := c.cl.ProduceSync(c.t.Context(), rec).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) reader() *reread.Reader {
	c.t.Helper()
	r, err := reread.Open(c.kafka)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(r.Close)
	return r
}

// states returns what is kept of each order.
func (c *cluster) states(r *reread.Reader) map[string]State {
	c.t.Helper()
	out := map[string]State{}
	for p := range int32(3) {
		err := r.State(c.t.Context(), DefaultConfig().Consumer.Member.Group, schemas.OrderEventsTopic, p, func(key string, value []byte) error {
			s, err := Read(value)
			out[key] = s
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}

// eventually waits until f says nothing more.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // as long as a busy machine may take
	for {
		missing := f()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(missing)
		}
		time.Sleep(50 * time.Millisecond) // what is asked is a read of whole topics
	}
}

// TestTheStatesKeptAreTheFoldOfTheEventStore sends the lives of orders, shuffled and repeated, through both services, with a restart of each
// in the middle, and then makes every state anew from the event store.
func TestTheStatesKeptAreTheFoldOfTheEventStore(t *testing.T) {
	c := newCluster(t)
	stopTranslate, stopFold := c.translate(), c.fold(func(*Config) {})
	const orders = 40
	type delivery struct {
		id, topic, body string
		order, second   int
	}
	var all []delivery
	for o := 1; o <= orders; o++ {
		body := func(second int, status string) string {
			return fmt.Sprintf(`{"id":%d,"created_at":%q,"updated_at":%q,"financial_status":%q,"total_price":"9.00"}`, o, stamp(1), stamp(second), status)
		}
		life := []delivery{
			{"create", "orders/create", body(1, "pending"), o, 1},
			{"paid", "orders/paid", body(2, "paid"), o, 2},
			{"refund", "refunds/create", fmt.Sprintf(`{"id":9,"order_id":%d,"created_at":%q}`, o, stamp(3)), o, 3},
			{"refunded", "orders/updated", body(4, "refunded"), o, 4},
		}
		if o%5 == 0 {
			life = append(life, delivery{"delete", "orders/delete", fmt.Sprintf(`{"id":%d}`, o), o, 0})
		}
		for i := range life {
			life[i].id = fmt.Sprintf("%d-%s", o, life[i].id)
		}
		all = append(all, life...)
	}
	all = append(all, all[:40]...)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, d := range all {
		if i == len(all)/2 {
			stopTranslate()
			stopFold()
			c.translate()
			c.fold(func(*Config) {})
		}
		c.webhook(d.id, d.topic, d.order, d.second, d.body)
	}
	r := c.reader()
	eventually(t, func() string {
		states := c.states(r)
		if len(states) < orders {
			return fmt.Sprintf("%d states", len(states))
		}
		for key, s := range states {
			n := 4
			if strings.HasSuffix(key, "0") || strings.HasSuffix(key, "5") {
				n = 5
			}
			if len(s.Timeline) < n || s.Order.FinancialStatus != "refunded" || (s.Deleted != nil) != (n == 5) {
				return fmt.Sprintf("%s: %s", key, s.Text())
			}
		}
		return ""
	})
	report, err := Check(t.Context(), r, CheckOptions{Group: DefaultConfig().Consumer.Member.Group, Settle: time.Millisecond, Parallel: 3})
	if err != nil || report.Orders != orders || len(report.Different) > 0 || report.Events < orders*4+orders/5 {
		t.Errorf("check: %+v, %v", report, err)
	}
	// A state that says something else is found.
	forged := &kgo.Record{Topic: schemas.StateTopic(schemas.OrderEventsTopic, DefaultConfig().Consumer.Member.Group), Key: []byte("acme.myshopify.com|order/7"), Value: []byte("\x01\x02\x00{\"v\":1}")}
	if err := c.cl.ProduceSync(t.Context(), forged).FirstErr(); err != nil {
		t.Fatal(err)
	}
	report, err = Check(t.Context(), r, CheckOptions{Group: DefaultConfig().Consumer.Member.Group, Settle: time.Millisecond, Parallel: 3})
	if err != nil || len(report.Different) != 1 || report.Different[0].Key != string(forged.Key) || report.Different[0].Kept != `{"v":1}` {
		t.Errorf("check of a state that was changed: %+v, %v", report, err)
	}
}

func stamp(second int) string { return at(second).Format(time.RFC3339) }

// TestAnOrderThatNeverComesBecomesADeadLetterAndMayStillCome : the fact is in the store and in the state all the while.
func TestAnOrderThatNeverComesBecomesADeadLetterAndMayStillCome(t *testing.T) {
	c := newCluster(t)
	c.translate()
	c.fold(func(cfg *Config) { cfg.Consumer.Retry.NotReadyMax = 10 * time.Millisecond })
	c.webhook("r", "refunds/create", 1, 3, `{"id":9,"order_id":1}`)
	r := c.reader()
	var letters []deadletter.Letter
	eventually(t, func() string {
		letters = c.letters()
		return map[bool]string{false: "no dead letter", true: ""}[len(letters) > 0]
	})
	if l := letters[0]; len(letters) != 1 || l.Class != schemas.ClassNotReady || l.ShopifyTopic != "order/OrderAwaited" || !strings.Contains(l.Error, "OrderRefunded came for order 1 of acme.myshopify.com") {
		t.Errorf("letters %+v", letters)
	}
	c.webhook("o", "orders/create", 1, 1, `{"id":1}`)
	eventually(t, func() string {
		if s := c.states(r)["acme.myshopify.com|order/1"]; s.Order == nil || len(s.Refunds) != 1 {
			return fmt.Sprintf("state %s", s.Text())
		}
		return ""
	})
	report, err := Check(t.Context(), r, CheckOptions{Group: DefaultConfig().Consumer.Member.Group, Settle: time.Millisecond})
	if err != nil || len(report.Different) > 0 || report.Orders != 1 {
		t.Errorf("check: %+v, %v", report, err)
	}
}

// TestAnOrderThatComesInTimeLeavesNoLetter : what waited takes effect with the order's own event, whenever the note that it is awaited comes up again.
func TestAnOrderThatComesInTimeLeavesNoLetter(t *testing.T) {
	c := newCluster(t)
	c.translate()
	c.fold(func(*Config) {})
	c.webhook("r", "refunds/create", 1, 3, `{"id":9,"order_id":1}`)
	r := c.reader()
	key := "acme.myshopify.com|order/1"
	eventually(t, func() string {
		if s := c.states(r)[key]; !s.Waiting() {
			return "nothing waits"
		}
		return ""
	})
	c.webhook("o", "orders/create", 1, 1, `{"id":1}`)
	eventually(t, func() string {
		if s := c.states(r)[key]; s.Order == nil || s.Waiting() {
			return "the order is not there"
		}
		return ""
	})
	if letters := c.letters(); len(letters) > 0 {
		t.Errorf("letters %+v", letters)
	}
}

func (c *cluster) letters() []deadletter.Letter {
	c.t.Helper()
	b, err := deadletter.Open(c.t.Context(), c.kafka, DefaultConfig().Consumer.Member.Group, deadletter.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer b.Close()
	var letters []deadletter.Letter
	if err := b.List(c.t.Context(), deadletter.Filter{}, func(l deadletter.Letter) error { letters = append(letters, l); return nil }); err != nil {
		c.t.Fatal(err)
	}
	return letters
}
