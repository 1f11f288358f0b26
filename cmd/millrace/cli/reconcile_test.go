package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/cmd/millrace/cli"
	storesim "millrace/cmd/storesim/cli"
	"millrace/cmd/storesim/ledger"
	"millrace/deploy/embedded/enginetest"
)

// forgetful is a simulated Shopify that has sent its webhooks, but for some, and goes on answering questions.
type forgetful struct {
	t       *testing.T
	url     string    // of its Admin API
	until   time.Time // what changed before can be reconciled at once: the grace is over
	entries []ledger.Entry
}

// forget sends orders to e and leaves the stores' Admin API open until the test ends.
func forget(t *testing.T, e *everything, orders int) *forgetful {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr := newWatched(), newWatched()
	done := make(chan struct{})
	go func() {
		defer close(done)
		storesim.Run(ctx, storesim.Process{Args: []string{
			"send", "--url", e.webhooks, "--secret", e.secret, "--shops", "3", "--orders", fmt.Sprint(orders), "--rate", "0", "--seed", "7", "--duplicates", "0.05", "--disorder", "0.05", "--time-scale", "10000",
			"--forget", "0.1", "--ledger", path, "--admin-listen", "127.0.0.1:0", "--admin-token", "hush", "--admin-points", "2000", "--admin-restore", "2000", "--hold",
		}, Getenv: func(string) string { return "" }, Stdout: stdout, Stderr: stderr})
	}()
	t.Cleanup(func() { cancel(); <-done })
	b := &background{t: t, done: done, stdout: stdout, stderr: stderr}
	b.until(stdout, "gives the same events again")
	told, _ := stderr.text()
	m := regexp.MustCompile(`admin API +(http://[^/]+)/`).FindStringSubmatch(told)
	if m == nil {
		t.Fatalf("storesim does not say where its Admin API is:\n%s", told)
	}
	f := &forgetful{t: t, url: m[1], until: time.Now().Add(-3 * time.Second)}
	text, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	for entry, err := range ledger.Read(text) {
		if err != nil {
			t.Fatal(err)
		}
		f.entries = append(f.entries, *entry)
	}
	return f
}

// newest is the ledger's newest event of each order, by shop and id, sent or not.
func (f *forgetful) newest() map[string]ledger.Entry {
	out := map[string]ledger.Entry{}
	for _, e := range f.entries {
		if key := e.Shop + "|" + e.Entity; e.Order != nil && e.EntitySeq > out[key].EntitySeq {
			out[key] = e
		}
	}
	return out
}

// lost counts forgotten events of a topic.
func (f *forgetful) lost(topics ...string) (n int) {
	for _, e := range f.entries {
		if e.Status == ledger.StatusForgotten && slices.Contains(topics, e.Topic) {
			n++
		}
	}
	return n
}

// summed is what `reconcile --json` says in sum.
type summed map[string]struct{ Checked, Missing, Stale, Sent int }

func (f *forgetful) reconcile(e *everything, want int, args ...string) (all summed, findings []string) {
	f.t.Helper()
	shops := map[string]bool{}
	for _, entry := range f.entries {
		shops[entry.Shop] = true
	}
	var names []string
	for shop := range shops {
		names = append(names, shop)
	}
	got := program(f.t.Context(), append([]string{
		"MILLRACE_RECONCILE_TOKEN=hush", "MILLRACE_RECONCILE_SHOPS=" + strings.Join(names, ","),
		"reconcile", "--all-shops", "--since", "2h", "--until", f.until.Format(time.RFC3339), "--json", "--reconcile-grace", "2s", "--reconcile-shopify-url", f.url + "/shops/{shop}",
		"--kafka-brokers", e.kafka, "--clickhouse-url", e.clickHouse, "--topics-partitions", "6", "--topics-replication", "1", "--topics-min-insync-replicas", "1", "--log-level", "warn",
	}, args...)...)
	if got.code != want {
		f.t.Fatalf("reconcile %v = %d, want %d:\n%s%s", args, got.code, want, got.stdout, got.stderr)
	}
	all = summed{}
	for line := range strings.Lines(got.stdout) {
		var v struct {
			ID, Result string
			Summary    *struct{ Kinds summed }
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			f.t.Fatalf("line %q: %v", line, err)
		}
		if v.Summary == nil {
			findings = append(findings, v.ID)
			continue
		}
		for kind, c := range v.Summary.Kinds {
			sum := all[kind]
			sum.Checked, sum.Missing, sum.Stale, sum.Sent = sum.Checked+c.Checked, sum.Missing+c.Missing, sum.Stale+c.Stale, sum.Sent+c.Sent
			all[kind] = sum
		}
	}
	slices.Sort(findings)
	return all, findings
}

func TestReconcileMakesGoodWhatAStoreForgotToSend(t *testing.T) {
	enginetest.Library(t)
	e := startDev(t, t.TempDir())
	f := forget(t, e, 30)
	f.stored(e, `SELECT uniqExact(id) FROM millrace.events`, fmt.Sprint(len(f.entries)-f.lostAll()))
	if f.lost("orders/create") == 0 || f.lost("refunds/create", "fulfillments/create") == 0 {
		t.Fatal("nothing of interest is forgotten; choose another seed")
	}
	dry, planned := f.reconcile(e, cli.ExitDifferences, "--dry-run")
	for kind, topics := range map[string][]string{"fulfillments": {"fulfillments/create"}, "refunds": {"refunds/create"}} {
		if dry[kind].Missing != f.lost(topics...) || dry[kind].Checked == 0 || dry[kind].Sent != 0 {
			t.Errorf("%s: %+v, the ledger says that %d are missing", kind, dry[kind], f.lost(topics...))
		}
	}
	if o := dry["orders"]; o.Checked != len(f.newest()) || o.Missing < f.lost("orders/create", "orders/cancelled", "orders/paid") {
		t.Errorf("orders: %+v, the ledger has %d, of which %d were not told of", o, len(f.newest()), f.lost("orders/create"))
	}
	real, sent := f.reconcile(e, cli.ExitOK)
	if !slices.Equal(sent, planned) {
		t.Errorf("sent\n%s\nplanned were\n%s", strings.Join(sent, "\n"), strings.Join(planned, "\n"))
	}
	for kind, c := range real {
		if c.Sent != c.Missing+c.Stale {
			t.Errorf("%s: %+v, want all sent", kind, c)
		}
	}
	f.stored(e, `SELECT uniqExact(id) FROM millrace.events WHERE startsWith(id, 'reconcile:')`, fmt.Sprint(len(sent)))
	if _, again := f.reconcile(e, cli.ExitOK, "--dry-run"); len(again) != 0 {
		t.Errorf("found again:\n%s", strings.Join(again, "\n"))
	}
	f.checkOrders(e)
}

// lostAll counts all forgotten events.
func (f *forgetful) lostAll() (n int) {
	for _, e := range f.entries {
		if e.Status == ledger.StatusForgotten {
			n++
		}
	}
	return n
}

// stored waits until ClickHouse answers want.
func (f *forgetful) stored(e *everything, query, want string) {
	f.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		got := f.query(e, query)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s is %s, want %s", query, got, want)
		}
	}
}

func (f *forgetful) query(e *everything, query string) string {
	f.t.Helper()
	resp, err := e.client.Post(e.clickHouse, "text/plain", bytes.NewReader([]byte(query)))
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("%s: %d %s %v", query, resp.StatusCode, &out, err)
	}
	return strings.TrimSpace(out.String())
}

// checkOrders holds the state of every order against the newest event of the ledger, sent or not.
func (f *forgetful) checkOrders(e *everything) {
	f.t.Helper()
	have := map[string]string{}
	for line := range strings.Lines(f.query(e, `SELECT concat(shop, '|order/', toString(order_id)), financial_status, fulfillment_status, toString(total_price), toString(current_total_price), currency
			FROM millrace.orders_current FORMAT TabSeparated`)) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		have[key] = rest
	}
	for key, entry := range f.newest() {
		o := entry.Order
		want := strings.Join([]string{o.FinancialStatus, o.FulfillmentStatus, plain(o.TotalPrice), plain(o.CurrentTotalPrice), o.Currency}, "\t")
		if have[key] != want {
			f.t.Errorf("%s is %q, want %q", key, have[key], want)
		}
	}
}

// plain is an amount without zeros at its end, as ClickHouse writes one.
func plain(amount string) string {
	if strings.Contains(amount, ".") {
		amount = strings.TrimRight(strings.TrimRight(amount, "0"), ".")
	}
	return amount
}

func TestReconcileSaysWhatDoesNotGoTogether(t *testing.T) {
	for want, args := range map[string][]string{
		"say which stores":               {"--since", "1h"},
		"say from when on":               {"--shop", "acme.myshopify.com"},
		"--watch looks at all stores":    {"--watch", "--dry-run"},
		`--since "yesterday" is no time`: {"--shop", "acme.myshopify.com", "--since", "yesterday"},
		"reconcile.shopify.api_version":  {"--shop", "acme.myshopify.com", "--since", "1h", "--reconcile-shopify-api-version", "latest"},
		"no store is configured":         {"--all-shops", "--since", "1h"},
	} {
		got := program(t.Context(), append([]string{"reconcile"}, args...)...)
		if got.code != cli.ExitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("reconcile %v = %d: %s; want 2 and %q", args, got.code, got.stderr, want)
		}
	}
}
