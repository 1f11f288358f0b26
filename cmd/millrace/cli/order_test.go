package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/orderstate"
	"millrace/partitioning"
	"millrace/schemas"
)

const foldGroup = "millrace-orderstate"

// store is a broker with an event store, and the states that were folded of it.
type store struct {
	gaveUp

	states map[string]*orderstate.State
	events int64
}

func newStore(t *testing.T) *store {
	t.Helper()
	kept := schemas.StateTopic(schemas.OrderEventsTopic, foldGroup)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schemas.OrderEventsTopic, kept, schemas.DeadLetterTopic(schemas.OrderEventsTopic, foldGroup)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(partitioning.Partitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &store{gaveUp: gaveUp{t, []string{"--kafka-brokers", c.ListenAddrs()[0]}, cl}, states: map[string]*orderstate.State{}}
}

// tell writes an event of an order that happened so many seconds after ten, and of which millrace knew a second later.
func (s *store) tell(order string, second int, by, reason string, data schemas.OrderEventData) {
	s.t.Helper()
	cause := schemas.Event{ID: fmt.Sprintf("w%d", second), Shop: "acme.myshopify.com", Subject: "order/" + order}
	e, err := schemas.NewOrderEvent(&cause, by, failedAt.Add(time.Duration(second)*time.Second), data)
	if err != nil {
		s.t.Fatal(err)
	}
	e.Reason, e.Known = reason, e.At.Add(time.Second)
	s.write(&e)
}

func (s *store) write(e *schemas.OrderEvent) {
	s.t.Helper()
	r, err := orderevent.Record(e)
	if err != nil {
		s.t.Fatal(err)
	}
	rec := &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	if err := s.cl.ProduceSync(s.t.Context(), rec).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	s.events++
	if s.states[r.Key] == nil {
		s.states[r.Key] = new(orderstate.State)
	}
	*s.states[r.Key], _ = orderstate.Fold(*s.states[r.Key], e)
}

// abort leaves in the event store what services leave behind the last event that can be read.
func (s *store) abort() {
	s.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.flags[1]), kgo.TransactionalID("abort"), kgo.DefaultProduceTopic(schemas.OrderEventsTopic))
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	err = cl.BeginTransaction()
	if err == nil {
		err = cl.ProduceSync(s.t.Context(), &kgo.Record{Key: []byte("acme.myshopify.com|order/1"), Value: []byte("{}")}).FirstErr()
	}
	if err = errors.Join(err, cl.EndTransaction(s.t.Context(), kgo.TryAbort)); err != nil {
		s.t.Fatal(err)
	}
}

// keep writes the states as the fold keeps them, and commits that everything is folded.
func (s *store) keep() {
	s.t.Helper()
	for key, state := range s.states {
		r := &kgo.Record{Topic: schemas.StateTopic(schemas.OrderEventsTopic, foldGroup), Key: []byte(key), Value: append([]byte{1, 2, 0}, state.Text()...)}
		if err := s.cl.ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
	var done kadm.Offsets
	done.AddOffset(schemas.OrderEventsTopic, 0, s.events, -1)
	if err := kadm.NewClient(s.cl).CommitAllOffsets(s.t.Context(), foldGroup, done); err != nil {
		s.t.Fatal(err)
	}
}

func sum(t *testing.T, text string) schemas.Money {
	t.Helper()
	m, err := schemas.ParseMoney(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// told is the same order for all golden files: paid, reserved, charged, declined at the carrier, undone, cancelled, and one that never came.
func told(t *testing.T) *store {
	t.Helper()
	s := newStore(t)
	version := func(second int, financial string) schemas.OrderVersion {
		return schemas.OrderVersion{
			UpdatedAt: failedAt.Add(time.Duration(second) * time.Second), Name: "#1001", CreatedAt: failedAt, FinancialStatus: financial, Currency: "EUR",
			TotalPrice: sum(t, "30.00"), CurrentTotalPrice: sum(t, "25.00"), TotalOutstanding: sum(t, "0.00"), CustomerID: "5",
			Lines:   []schemas.OrderLine{{LineID: "11", VariantID: "111", SKU: "A", Title: "Mug\x1b[31m", Quantity: 3, CurrentQuantity: 2, Price: sum(t, "10.00")}},
			Contact: &schemas.OrderContact{Email: "jon@example.com"},
		}
	}
	effect := func(name string) schemas.Effect { return schemas.Effect{Effect: name + ":acme.myshopify.com:1"} }
	ref := func(seq int64) schemas.SagaRef { return schemas.SagaRef{Saga: "order", Seq: seq} }
	step := func(seq int64, name string, back bool) schemas.SagaStep {
		return schemas.SagaStep{SagaRef: ref(seq), Step: name, Compensation: back}
	}
	mugs := []schemas.StockLine{{VariantID: "111", SKU: "A", Quantity: 3}}
	s.tell("1", 3, "shop", "", &schemas.OrderRefunded{OrderRefund: schemas.OrderRefund{RefundID: "9", CreatedAt: failedAt.Add(3 * time.Second), Amount: sum(t, "5.00"), Lines: []schemas.RefundLine{{LineID: "11", Quantity: 1}}}})
	s.tell("1", 0, "shop", "", &schemas.OrderCreated{OrderVersion: version(0, "pending")})
	s.tell("1", 4, "inventory", "", &schemas.InventoryReserved{Effect: effect("reserve"), Lines: mugs})
	s.tell("1", 5, "saga", "", &schemas.SagaStarted{SagaRef: ref(1), Steps: []string{"reserve", "charge", "ship"}})
	s.tell("1", 6, "saga", "", &schemas.InventoryReserved{Effect: effect("reserve"), Lines: mugs})
	s.tell("1", 7, "saga", "", &schemas.StepCompleted{SagaStep: step(2, "reserve", false)})
	s.tell("1", 8, "saga", "", &schemas.PaymentProcessed{Effect: effect("charge"), ChargeID: "ch_1", Amount: sum(t, "30.00"), Currency: "EUR"})
	s.tell("1", 9, "erp", "the ERP does not answer", &schemas.ServiceProvisional{Service: "erp", State: "syncing"})
	s.tell("1", 10, "saga", "", &schemas.StepFailed{SagaStep: step(3, "ship", false), Class: "permanent", Error: "undeliverable"})
	s.tell("1", 11, "saga", "", &schemas.SagaCompensating{SagaRef: ref(4)})
	s.tell("1", 12, "saga", "", &schemas.PaymentRefunded{Effect: effect("refund"), ChargeID: "ch_1", Amount: sum(t, "30.00"), Currency: "EUR"})
	s.tell("1", 13, "saga", "the order cannot be shipped", &schemas.InventoryReleased{Effect: effect("release")})
	s.tell("1", 14, "saga", "", &schemas.SagaCompensated{SagaRef: ref(5)})
	cancelled := version(20, "refunded")
	cancelled.CancelledAt, cancelled.CancelReason = failedAt.Add(20*time.Second), "inventory"
	s.tell("1", 20, "shop", "inventory", &schemas.OrderCancelled{OrderVersion: cancelled})
	s.tell("1", 2, "shop", "", &schemas.PaymentReceived{OrderVersion: version(2, "paid")})
	s.tell("1", 21, "notifications", "", &schemas.ConfirmationSent{Effect: effect("mail"), Kind: "order_confirmation"})
	s.tell("2", 3, "shop", "", &schemas.FulfillmentRecorded{OrderFulfillment: schemas.OrderFulfillment{FulfillmentID: "7", Name: "#1002.1", Status: "success", Tracking: []schemas.Tracking{{Company: "UPS", Number: "1Z"}}}})
	s.tell("2", 4, "orderstate", "the order itself has not come yet", &schemas.OrderAwaited{For: "FulfillmentRecorded"})
	return s
}

func TestWhatIsShownOfAnOrder(t *testing.T) {
	t.Parallel()
	s := told(t)
	for name, args := range map[string]string{
		"order-show":         "order show acme.myshopify.com 1",
		"order-show-at":      "order show acme 1 --at 2026-11-23T10:00:10Z",
		"order-show-json":    "order show acme gid://shopify/Order/1 --json",
		"order-show-awaited": "order show acme 2",
		"order-history":      "order history acme 1",
		"order-history-json": "order history acme 1 --json --at 2026-11-23T10:00:07Z",
	} {
		r := s.run(strings.Fields(args)...)
		if r.code != cli.ExitOK || r.stderr != "" {
			t.Errorf("millrace %s = %d, %s", args, r.code, r.stderr)
		}
		golden(t, name, "$ millrace "+args+"\n"+r.stdout)
		if strings.Contains(r.stdout, "\x1b") {
			t.Errorf("millrace %s passes on an escape sequence", args)
		}
		if strings.Contains(r.stdout, "jon@") && !strings.Contains(args, "history") {
			t.Errorf("millrace %s shows the customer's address", args)
		}
	}
}

func TestWrongUsesOfOrderCommands(t *testing.T) {
	t.Parallel()
	s := told(t)
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"order show acme 3":                           {cli.ExitFailure, "nothing about this order"},
		"order show acme 1 --at 2026-11-23T09:00:00Z": {cli.ExitFailure, "its first event came later"},
		"order show acme #1001":                       {cli.ExitUsage, "is no id of an order"},
		"order show acme 1 --at noon":                 {cli.ExitUsage, "--at"},
		"order show acme":                             {cli.ExitUsage, "2 arg"},
		"order history acme 1 --source paper":         {cli.ExitUsage, "--source must be"},
		"order show acme 1 --source clickhouse --clickhouse-url http://127.0.0.1:1": {cli.ExitFailure, "--source kafka reads the event store itself"},
	} {
		if r := s.run(strings.Fields(args)...); r.code != want.code || !strings.Contains(r.stderr, want.says) {
			t.Errorf("millrace %s = %d, %s; want %d and %q", args, r.code, r.stderr, want.code, want.says)
		}
	}
}

func TestTheStatesKeptAreCheckedAgainstTheEventStore(t *testing.T) {
	t.Parallel()
	s := told(t)
	if r := s.run("order", "check"); r.code != cli.ExitDifferences || !strings.Contains(r.stdout, "18 events behind") {
		t.Errorf("before anything is folded: %d, %s%s", r.code, r.stdout, r.stderr)
	}
	s.keep()
	if r := s.run("order", "check"); r.code != cli.ExitOK || !strings.Contains(r.stdout, "18 events of 2 orders folded") || !strings.Contains(r.stdout, "0 states differ") {
		t.Errorf("check = %d, %s%s", r.code, r.stdout, r.stderr)
	}
	s.abort()
	if r := s.run("order", "check"); r.code != cli.ExitOK || strings.Contains(r.stdout, "behind") {
		t.Errorf("check with nothing left but the end of a transaction = %d, %s%s", r.code, r.stdout, r.stderr)
	}
	s.states["acme.myshopify.com|order/1"].Refunds = nil
	s.keep()
	r := s.run("order", "check", "--json")
	var found struct {
		Orders    int
		Different []orderstate.Difference
	}
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil || r.code != cli.ExitDifferences || found.Orders != 2 || len(found.Different) != 1 || found.Different[0].Key != "acme.myshopify.com|order/1" {
		t.Errorf("check of a state that lacks a refund = %d, %s%s, %v", r.code, r.stdout, r.stderr, err)
	}
}
