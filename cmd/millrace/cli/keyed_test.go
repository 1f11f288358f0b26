package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	storesim "millrace/cmd/storesim/cli"
	"millrace/deploy/embedded/enginetest"
	"millrace/ingest"
	"millrace/partitioning/kafkatest"
)

// world is a run of `storesim backends`: what the services call.
type world struct {
	t                  *testing.T
	Stock, SMTP, Admin string
}

// account is what really happened there.
type account struct {
	Stock struct {
		Orders        int64            `json:"orders"`
		Twice         int64            `json:"orders_reserved_twice"`
		Reservations  int64            `json:"reservations"`
		UnitsReserved int64            `json:"units_reserved"`
		UnitsHeld     int64            `json:"units_held"`
		Anomalies     map[string]int64 `json:"anomalies"`
		Faults        map[string]int64 `json:"faults"`
	} `json:"stock"`
	SMTP struct {
		Accepted   int64            `json:"accepted"`
		Events     int64            `json:"events"`
		Duplicates int64            `json:"duplicates"`
		Anomalies  map[string]int64 `json:"anomalies"`
		Faults     map[string]int64 `json:"faults"`
	} `json:"smtp"`
}

func startWorld(t *testing.T, args ...string) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	out, in := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	args = append([]string{"backends", "--json", "--free-ports"}, args...)
	go func() {
		code := storesim.Run(ctx, storesim.Process{Args: args, Getenv: func(string) string { return "" }, Stdout: in, Stderr: &stderr})
		_ = in.Close()
		done <- code
	}()
	w := &world{t: t}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("storesim backends ended with %d: %s", <-done, &stderr)
	}
	if err := json.Unmarshal(lines.Bytes(), w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, out)
		<-done
	})
	return w
}

func (w *world) account() account {
	w.t.Helper()
	resp, err := http.Get(w.Admin + "/ledger/summary")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var a account
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		w.t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return a
}

// eventually polls until done says so; what it saw last is told when it does not.
func eventually(t *testing.T, what string, done func() (seen any, ok bool)) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		seen, ok := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s not within %v: %+v", what, limit, seen)
		}
	}
}

// receiver is a running `millrace ingest`.
type receiver struct {
	*background
	url string
}

func startIngest(t *testing.T, kafka []string) *receiver {
	t.Helper()
	b := start(t, append([]string{"ingest", "--ingest-listen", "127.0.0.1:0", "--ingest-secrets", "hush", "--admin-listen", ""},
		append(slices.Clone(kafka), "--log-level", "info")...)...)
	text := b.until(b.stderr, `"msg":"receiver listening"`)
	r := &receiver{background: b}
	for line := range strings.Lines(text) {
		var entry struct{ Msg, Addr string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "receiver listening" {
			r.url = "http://" + entry.Addr + "/webhooks"
		}
	}
	if r.url == "" {
		t.Fatalf("no address in the log:\n%s", text)
	}
	return r
}

// post sends one signed webhook.
func (r *receiver) post(client *http.Client, topic, id, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": "acme.myshopify.com",
		"X-Shopify-Webhook-Id": id, "X-Shopify-Hmac-Sha256": ingest.Sign("hush", []byte(body)),
	} {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s %s = %d, want 200", topic, id, resp.StatusCode)
	}
}

// The whole way: signed webhooks, many of them twice, under the same id and under others, through Kafka to the two services, whose
// backends fail now and then and lose answers. Each order is reserved once and mailed once, each shipment is mailed once.
func TestEachOrderIsReservedOnceAndMailedOnce(t *testing.T) {
	t.Parallel()
	t.Run("embedded broker", func(t *testing.T) {
		t.Parallel()
		eachOrderOnce(t, newBroker(t))
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		eachOrderOnce(t, flagsOf(kafkatest.Start(t).Brokers()[0]))
	})
}

func eachOrderOnce(t *testing.T, kafka []string) {
	t.Helper()
	if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	if r := program(t.Context(), append([]string{"topics", "check"}, kafka...)...); r.code != cli.ExitOK {
		t.Errorf("topics check after apply = %d:\n%s", r.code, r.stdout)
	}
	w := startWorld(t, "--seed", "7", "--fault", "stock:error_rate=0.1,lost_answer_rate=0.1", "--fault", "smtp:error_rate=0.2")
	r := startIngest(t, kafka)
	// Short waits, some of them in the retry topic.
	retries := func(service string) []string {
		return []string{"--" + service + "-consumer-retry-schedule", "0s,50ms,400ms,400ms,400ms,400ms,400ms,400ms", "--" + service + "-consumer-retry-inline-max", "100ms"}
	}
	var services []*background
	for service, more := range map[string][]string{
		"inventory":     {"--inventory-stock-url", w.Stock},
		"notifications": {"--notifications-smtp-address", w.SMTP},
	} {
		args := slices.Concat([]string{"consume", service, "--admin-listen", ""}, kafka, more, retries(service))
		services = append(services, start(t, append(args, "--log-level", "info")...))
	}

	const orders = 40
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for id := 1; id <= orders; id++ {
		order := fmt.Sprintf(`{"id":%d,"name":"#%d","email":"c%d@example.com","currency":"EUR","total_price":"20.00","updated_at":"2026-11-23T10:00:00Z",
			"line_items":[{"id":%d,"variant_id":5,"sku":"TEA","name":"Tea","quantity":2,"price":"10.00"}]}`, id, id, id, 100+id)
		shipment := fmt.Sprintf(`{"id":%d,"order_id":%d,"name":"#%d.1","status":"success","email":"c%d@example.com","tracking_number":"1Z%d",
			"line_items":[{"id":%d,"variant_id":5,"sku":"TEA","name":"Tea","quantity":2}]}`, 900+id, id, id, id, id, 100+id)
		if id == 3 {
			r.post(client, "orders/cancelled", "early", order) // Shopify does not promise an order
		}
		r.post(client, "orders/create", fmt.Sprint("create-", id), order)
		r.post(client, "orders/create", fmt.Sprint("create-", id), order)
		r.post(client, "orders/updated", fmt.Sprint("updated-", id), order)
		r.post(client, "orders/create", fmt.Sprint("create-again-", id), order)
		if id%2 == 0 {
			r.post(client, "fulfillments/create", fmt.Sprint("ship-", id), shipment)
			r.post(client, "fulfillments/update", fmt.Sprint("shipped-", id), shipment)
		}
	}
	const mails = orders + orders/2
	eventually(t, "all effects", func() (any, bool) {
		a := w.account()
		return a, a.Stock.Orders >= orders && a.Stock.UnitsHeld == 2*(orders-1) && a.SMTP.Events >= mails
	})
	broker := kafka[1]
	eventually(t, "all events done", func() (any, bool) { return lag(t, broker, "millrace-inventory", "millrace-notifications") })
	a := w.account()
	if a.Stock.Orders != orders || a.Stock.Reservations != orders || a.Stock.Twice != 0 || len(a.Stock.Anomalies) != 0 || a.Stock.UnitsReserved != 2*orders || a.Stock.UnitsHeld != 2*(orders-1) {
		t.Errorf("stock: %+v, want %d orders reserved once, and one of them released", a.Stock, orders)
	}
	if a.SMTP.Accepted != mails || a.SMTP.Events != mails || a.SMTP.Duplicates != 0 || len(a.SMTP.Anomalies) != 0 {
		t.Errorf("mails: %+v, want %d, each once", a.SMTP, mails)
	}
	if len(a.Stock.Faults) == 0 || len(a.SMTP.Faults) == 0 {
		t.Errorf("no faults were met: %+v", a)
	}
	for _, s := range append(services, r.background) {
		if code, took := s.stopped(); code != cli.ExitOK || took > 10*time.Second {
			t.Errorf("stop = %d after %v, want 0 within 10s:\n%s", code, took, s.stderr)
		}
		if text := s.stderr.String(); strings.Contains(text, `"level":"ERROR"`) || strings.Contains(text, "@example.com") {
			t.Errorf("errors, or a customer's address, in the log:\n%s", text)
		}
	}
}

// lag tells how much the groups have not committed yet, and whether that is nothing.
func lag(t *testing.T, broker string, groups ...string) (any, bool) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	all, err := kadm.NewClient(client).Lag(ctx, groups...)
	if err != nil {
		return err, false
	}
	left := map[string]int64{}
	for _, g := range all.Sorted() {
		if g.Error() != nil {
			return g.Error(), false
		}
		left[g.Group] = g.Lag.Total()
	}
	for _, g := range groups {
		if n, known := left[g]; !known || n != 0 {
			return left, false
		}
	}
	return left, true
}

func TestAServiceRefusesTopicsThatAreNotThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		service, group string
		apply          bool // the topics of the default groups
	}{
		"inventory, none":                   {"inventory", "millrace-inventory", false},
		"notifications, none":               {"notifications", "millrace-notifications", false},
		"notifications, those of its group": {"notifications", "others", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := newBroker(t)
			if c.apply {
				if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
					t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
				}
			}
			args := append([]string{"consume", c.service, "--admin-listen", "", "--" + c.service + "-consumer-group", c.group}, kafka...)
			r := program(t.Context(), args...)
			for _, want := range []string{"topics apply", "shopify.orders." + c.group + ".retry", "shopify.orders." + c.group + ".dlq", "shopify.orders." + c.group + ".state"} {
				if r.code != cli.ExitFailure || !strings.Contains(r.stderr, want) {
					t.Errorf("consume %s = %d, want 1 and %s:\n%s", c.service, r.code, want, r.stderr)
				}
			}
		})
	}
}

func TestTheTopicsOfTheServicesFollowTheirGroups(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	r := program(t.Context(), append([]string{"MILLRACE_NOTIFICATIONS_CONSUMER_GROUP=others", "topics", "plan"}, kafka...)...)
	for _, want := range []string{
		"shopify.orders.others.retry", "shopify.orders.others.dlq", "shopify.orders.others.state",
		"shopify.orders.millrace-inventory.retry", "shopify.orders.millrace-inventory.dlq", "shopify.orders.millrace-inventory.state",
		"millrace.fulfillment.tasks ", "millrace.fulfillment.tasks.millrace-fulfillment.retry", "shopify.orders.millrace-fulfillment.state",
		"shopify.orders.millrace-forward.retry", "shopify.orders.millrace-forward.dlq", "shopify.orders.millrace-forward.state",
		"millrace.order_events ", "millrace.order_events.millrace-saga.retry", "millrace.order_events.millrace-saga.dlq", "millrace.order_events.millrace-saga.state",
		"shopify.orders.millrace-erp.retry", "shopify.customers.millrace-erp.dlq", "shopify.customers.millrace-erp.state",
	} {
		if r.code != cli.ExitOK || !strings.Contains(r.stdout, want) {
			t.Errorf("topics plan = %d, want %s:\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
	if n := strings.Count(r.stdout, "shopify."); n != 7+6+7*3 {
		t.Errorf("the plan names %d topics, want 7 of the domains, dead letters of the sink for 6, and 3 of each topic of each service:\n%s", n, r.stdout)
	}
	if n := strings.Count(r.stdout, "millrace.order_events"); n != 1+1+2*3 {
		t.Errorf("the plan names %d topics of the event store, want it, the sink's dead letters and 3 of each that reads it:\n%s", n, r.stdout)
	}
	if n := strings.Count(r.stdout, "millrace.activity"); n != 2 {
		t.Errorf("the plan names %d topics of activity, want it and its dead letters:\n%s", n, r.stdout)
	}
	r = program(t.Context(), append([]string{"MILLRACE_NOTIFICATIONS_CONSUMER_GROUP=", "topics", "plan"}, kafka...)...)
	if r.code != cli.ExitOK { // an empty variable is unset
		t.Errorf("topics plan = %d:\n%s", r.code, r.stderr)
	}
}

func TestAServiceIsReadyOnceItIsInItsGroup(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	b := start(t, append([]string{"consume", "notifications", "--admin-listen", "127.0.0.1:0"}, append(kafka, "--log-level", "info")...)...)
	text := b.until(b.stderr, "listening for operators")
	_, rest, _ := strings.Cut(text, `"address":"`)
	address, _, _ := strings.Cut(rest, `"`)
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		defer http.DefaultClient.CloseIdleConnections()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if status, body := get("/readyz"); status == http.StatusOK {
		t.Errorf("GET /readyz before there are topics = %d %s", status, body)
	}
	if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	eventually(t, "ready", func() (any, bool) {
		status, body := get("/readyz")
		return body, status == http.StatusOK
	})
	for _, want := range []string{`millrace_group_ready_partitions{service="notifications"}`, `millrace_kafka_connects_total{client="notifications"`, `millrace_notifications_mails_sent_total{kind="order_confirmation"} 0`} {
		if _, body := get("/metrics"); !strings.Contains(body, want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
	if code, took := b.stopped(); code != cli.ExitOK || took > 10*time.Second {
		t.Errorf("stop = %d after %v, want 0 within 10s:\n%s", code, took, b.stderr)
	}
}

// What a newcomer sees: an order comes, and services act on it.
func TestDevWithASimulatedStoreShowsWhatServicesDid(t *testing.T) {
	enginetest.Library(t)
	e := startDev(t, t.TempDir(), "--simulate", "30")
	const notes = "SELECT count() > 0, countIf(note LIKE 'reserved %') > 0, countIf(note = 'mailed order confirmation') > 0, countIf(outcome = 'dead_lettered') FROM millrace.activity"
	e.awaitQuery(notes, "1\t1\t1\t0")
	e.orderIsToldTheSameEverywhere()
	if code, took := e.stopped(); code != cli.ExitOK || took > 10*time.Second {
		t.Errorf("stop = %d after %v, want 0 within 10s:\n%s", code, took, e.stderr)
	}
}

// orderIsToldTheSameEverywhere takes an order for which a service has done something and reads it from the event store, from its copy and
// from the console.
func (e *everything) orderIsToldTheSameEverywhere() {
	e.t.Helper()
	const some = "SELECT shop, order_id FROM millrace.order_events GROUP BY shop, order_id HAVING countIf(type = 'OrderCreated') > 0 AND countIf(told_by = 'inventory') > 0 LIMIT 1"
	e.await("an order's events", func() (string, bool) { got := e.query(some); return got, got != "" }, "one")
	shop, id, _ := strings.Cut(e.query(some), "\t")
	e.await("the order", func() (string, bool) {
		store := program(e.t.Context(), "order", "show", shop, id, "--json", "--kafka-brokers", e.kafka)
		copied := program(e.t.Context(), "order", "show", shop, id, "--json", "--clickhouse-url", e.clickHouse)
		_, page := e.get(e.console + "/api/orders/" + shop + "/" + id)
		all := fmt.Sprintf("store (%d):\n%s%s\ncopy (%d):\n%s%s\nconsole:\n%s", store.code, store.stdout, store.stderr, copied.code, copied.stdout, copied.stderr, page)
		return all, store.code == cli.ExitOK && store.stdout == copied.stdout && strings.TrimSpace(copied.stdout) == strings.TrimSpace(page) && strings.Contains(page, `"did":"reserved"`)
	}, "the same three times")
	if r := program(e.t.Context(), "order", "check", "--json", "--kafka-brokers", e.kafka); strings.Contains(r.stdout, `"different"`) || r.stdout == "" {
		e.t.Errorf("order check = %d, %s%s", r.code, r.stdout, r.stderr)
	}
}

func TestDevRunsTheServicesThatItIsTold(t *testing.T) {
	enginetest.Library(t)
	w := startWorld(t)
	e := startDev(t, t.TempDir(), "--services", "inventory,notifications", "--inventory-stock-url", w.Stock, "--notifications-smtp-address", w.SMTP, "--simulate", "50")
	eventually(t, "effects", func() (any, bool) {
		a := w.account()
		return a, a.Stock.Orders > 5 && a.SMTP.Events > 5
	})
	if status, text := e.get(e.operators + "/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz = %d %s, want 200", status, text)
	}
	if code, took := e.stopped(); code != cli.ExitOK || took > 10*time.Second {
		t.Errorf("stop = %d after %v, want 0 within 10s:\n%s", code, took, e.stderr)
	}
	if a := w.account(); a.Stock.Twice != 0 || a.SMTP.Duplicates != 0 {
		t.Errorf("repeated effects: %+v", a)
	}
	r := program(t.Context(), "dev", "--data", t.TempDir(), "--services", "inventory,mails")
	if r.code != cli.ExitUsage || !strings.Contains(r.stderr, `dev.services[1] must be one of inventory, notifications, fulfillment, erp, forward, orderstate, translate, saga, is "mails"`) {
		t.Errorf("dev with an unknown service = %d %s, want 2 and the names", r.code, r.stderr)
	}
}
