package cli_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/cmd/millrace/cli"
	"millrace/deploy/embedded/enginetest"
	"millrace/ingest"
)

// everything is a running `millrace dev` on free ports, with its addresses as the banner tells them.
type everything struct {
	*background
	t                                               *testing.T
	client                                          *http.Client
	webhooks, clickHouse, kafka, operators, console string
	secret                                          string
}

func startDev(t *testing.T, data string, args ...string) *everything {
	t.Helper()
	e := &everything{t: t, client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
	t.Cleanup(e.client.CloseIdleConnections)
	e.background = start(t, append([]string{
		"dev", "--data", data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--console", "127.0.0.1:0",
	}, args...)...)
	banner := e.until(e.stdout, "the data stay.")
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(banner)
		if m == nil {
			t.Fatalf("the banner has no %s:\n%s", pattern, banner)
		}
		return m[1]
	}
	e.webhooks, e.kafka = find(`webhooks +(http://\S+)`), find(`Kafka +(\S+)`)
	e.console = find(`console +(http://\S+)/`)
	e.clickHouse, e.operators = find(`ClickHouse +(http://\S+)`), find(`operators +(http://127.0.0.1:\d+)`)
	text, err := os.ReadFile(find(`the secret in (.+)\)\n`))
	if err != nil {
		t.Fatal(err)
	}
	e.secret = string(text)
	return e
}

// in is e for a subtest.
func (e *everything) in(t *testing.T) *everything {
	t.Helper()
	sub := *e
	sub.t = t
	return &sub
}

// post sends a webhook signed with key and returns the status.
func (e *everything) post(key, id, body string) int {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.webhooks, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Shopify-Topic", "orders/create")
	req.Header.Set("X-Shopify-Shop-Domain", "acme.myshopify.com")
	req.Header.Set("X-Shopify-Webhook-Id", id)
	req.Header.Set("X-Shopify-Hmac-Sha256", ingest.Sign(key, []byte(body)))
	resp, err := e.client.Do(req)
	if err != nil {
		e.t.Fatalf("post webhook %s: %v", id, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (e *everything) get(url string) (int, string) {
	e.t.Helper()
	resp, err := e.client.Get(url)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// query asks ClickHouse as curl would.
func (e *everything) query(sql string) string {
	e.t.Helper()
	resp, err := e.client.Post(e.clickHouse, "", strings.NewReader(sql))
	if err != nil {
		e.t.Fatalf("query %s: %v", sql, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		e.t.Fatalf("query %s: %s: %s", sql, resp.Status, text)
	}
	return strings.TrimSpace(string(text))
}

// awaitQuery polls until sql gives want.
func (e *everything) awaitQuery(sql, want string) {
	e.t.Helper()
	e.await(sql, func() (string, bool) {
		got := e.query(sql)
		return got, got == want
	}, want)
}

// awaitMetric polls /metrics until it has want: a row can be seen before the counter of rows has moved.
func (e *everything) awaitMetric(want string) {
	e.t.Helper()
	e.await("/metrics", func() (string, bool) {
		_, text := e.get(e.operators + "/metrics")
		return text, strings.Contains(text, want)
	}, want)
}

// await polls a condition; what it saw last is told when the condition does not come true in time.
func (e *everything) await(what string, look func() (string, bool), want string) {
	e.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		got, ok := look()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("%s = %q within %v, want %q\n%s", what, got, limit, want, e.stderr)
		}
	}
}

func order(id int, total string) string {
	return fmt.Sprintf(`{"id":%d,"name":"#%d","currency":"EUR","total_price":"%s","created_at":"2026-11-23T10:00:00Z","updated_at":"2026-11-23T10:00:00Z"}`, id, id, total)
}

func TestDevBringsWebhooksToClickHouseAndKeepsThemAcrossARestart(t *testing.T) {
	enginetest.Library(t) // skips, or fails, where there is no engine
	data := filepath.Join(t.TempDir(), "millrace data")
	e := startDev(t, data)

	for i := range 20 {
		if status := e.post(e.secret, fmt.Sprintf("first-%d", i), order(9007199254740993+i, "10.05")); status != http.StatusOK {
			t.Fatalf("webhook %d = %d, want 200", i, status)
		}
	}
	if status := e.post("another secret", "forged", order(1, "1.00")); status != http.StatusUnauthorized {
		t.Errorf("forged webhook = %d, want 401", status)
	}
	const revenue = "SELECT count(), sum(total_price), min(order_id) FROM millrace.orders_current"
	e.awaitQuery(revenue, "20\t201\t9007199254740993")

	if status, text := e.get(e.operators + "/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz = %d %s, want 200", status, text)
	}
	for _, want := range []string{
		`millrace_ingest_events_total{topic="shopify.orders"} 20`, "millrace_analytics_rows_inserted_total 20",
		"millrace_build_info{", "go_goroutines ", "process_open_fds ", `millrace_kafka_connects_total{client="ingest"`, `client="analytics"`,
	} {
		e.awaitMetric(want)
	}
	if status, text := e.get(e.console + "/api/v1/totals"); status != http.StatusOK || !strings.Contains(text, `"orders":`) {
		t.Errorf("GET /api/v1/totals of the console = %d %s, want the orders", status, text)
	}
	if status, text := e.get(e.console + "/api/v1/services"); status != http.StatusOK || !strings.Contains(text, `"name":"analytics"`) {
		t.Errorf("GET /api/v1/services of the console = %d %s, want analytics", status, text)
	}
	t.Run("the banner's commands work when they are pasted", paste(e))
	t.Run("a second one is refused before it starts anything", refused(e, data))
	t.Run("the other commands work on its servers", operate(e))

	code, took := e.stopped()
	if code != cli.ExitOK || took > 10*time.Second {
		t.Errorf("stop = %d after %v, want 0 within 10s:\n%s", code, took, e.stderr)
	}
	if strings.Contains(e.stderr.String(), `"level":"ERROR"`) {
		t.Errorf("a clean run logged errors:\n%s", e.stderr)
	}

	again := startDev(t, data, "--simulate", "100")
	if again.secret != e.secret {
		t.Error("the secret changed with the restart")
	}
	again.awaitQuery("SELECT count() FROM millrace.orders_current WHERE shop = 'acme.myshopify.com'", "21")
	if status := again.post(again.secret, "second", order(7, "1.00")); status != http.StatusOK {
		t.Errorf("webhook after the restart = %d, want 200", status)
	}
	again.awaitQuery("SELECT count() FROM millrace.orders_current WHERE shop = 'acme.myshopify.com'", "22")
	again.awaitQuery("SELECT count() > 50 FROM millrace.events WHERE shop != 'acme.myshopify.com'", "1")
	if code, took := again.stopped(); code != cli.ExitOK || took > 10*time.Second {
		t.Errorf("stop under load = %d after %v, want 0 within 10s:\n%s", code, took, again.stderr)
	}
}

// paste runs the two commands of the banner in a shell.
func paste(e *everything) func(*testing.T) {
	return func(t *testing.T) {
		e := e.in(t)
		for _, tool := range []string{"sh", "curl", "openssl"} {
			if _, err := exec.LookPath(tool); err != nil {
				if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
					t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
				}
				t.Skipf("needs %s: %v", tool, err)
			}
		}
		run := func(from, to string) string {
			_, script, _ := strings.Cut(e.stdout.String(), from)
			script, _, found := strings.Cut(script, to)
			if !found {
				t.Fatalf("nothing between %q and %q in the banner:\n%s", from, to, e.stdout)
			}
			out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", script, err, out)
			}
			return string(out)
		}
		if out := run("signed as Shopify signs:", "Ctrl-C"); !strings.Contains(out, "200 OK") || !strings.Contains(out, `{"received":true}`) {
			t.Errorf("the webhook of the banner got:\n%s", out)
		}
		e.awaitQuery("SELECT count() FROM millrace.orders_current WHERE name = '#1001'", "1")
		if out := run("from another terminal:", "A webhook of your own"); !strings.Contains(out, "acme.myshopify.com") || !strings.Contains(out, "213.5") {
			t.Errorf("the query of the banner gave:\n%s", out)
		}
	}
}

// refused starts dev on what e has taken already.
func refused(e *everything, data string) func(*testing.T) {
	return func(t *testing.T) {
		e := e.in(t)
		r := program(t.Context(), "dev", "--data", data)
		if r.code != cli.ExitFailure || !strings.Contains(r.stderr, "is in use by another process") || !strings.Contains(r.stderr, "--data") {
			t.Errorf("on the same folder: %d %s, want 1 and what to do", r.code, r.stderr)
		}
		address := func(url string) string { return strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/webhooks") }
		other := t.TempDir()
		taken := map[string]string{
			"http": address(e.webhooks), "kafka": e.kafka, "clickhouse": address(e.clickHouse), "admin-listen": address(e.operators), "console": address(e.console),
		}
		args := []string{"dev", "--data", other}
		for flag, addr := range taken {
			args = append(args, "--"+flag, addr)
		}
		r = program(t.Context(), args...)
		if r.code != cli.ExitFailure {
			t.Errorf("on taken ports: %d, want 1", r.code)
		}
		for flag, addr := range taken {
			if want := "--" + flag + " " + addr + " cannot be used"; !strings.Contains(r.stderr, want) {
				t.Errorf("no %q in:\n%s", want, r.stderr)
			}
		}
		if _, err := os.Stat(filepath.Join(other, "kafka")); err == nil || strings.Contains(r.stdout, "is running") {
			t.Errorf("something was started on taken ports:\n%s%s", r.stdout, r.stderr)
		}
	}
}

// operate runs the one-shot commands against the servers of e.
func operate(e *everything) func(*testing.T) {
	return func(t *testing.T) {
		e := e.in(t)
		kafka := []string{"--kafka-brokers", e.kafka, "--topics-partitions", "6", "--topics-replication", "1", "--topics-min-insync-replicas", "1"}
		if r := program(t.Context(), append([]string{"topics", "check"}, kafka...)...); r.code != cli.ExitOK {
			t.Errorf("topics check = %d, want 0:\n%s%s", r.code, r.stdout, r.stderr)
		}
		house := []string{"--clickhouse-url", e.clickHouse, "--clickhouse-database", "other"}
		consume := []string{"consume", "analytics", "--analytics-group", "other", "--admin-listen", ""}
		steps := []struct {
			args []string
			code int
			says string
		}{
			{[]string{"clickhouse", "status"}, cli.ExitDifferences, "pending"},
			{slices.Concat(consume, kafka), cli.ExitFailure, "shopify.orders.other.dlq"},
			{slices.Concat([]string{"MILLRACE_ANALYTICS_GROUP=other", "topics", "apply"}, kafka), cli.ExitOK, "shopify.orders.other.dlq"},
			{slices.Concat(consume, kafka), cli.ExitFailure, "schema is not up to date"},
			{[]string{"clickhouse", "migrate"}, cli.ExitOK, "up to date"},
			{[]string{"clickhouse", "migrate"}, cli.ExitOK, "0 migrations applied"},
			{[]string{"clickhouse", "status"}, cli.ExitOK, "events"},
		}
		for _, s := range steps {
			args := s.args
			if !slices.Contains(args, "topics") {
				args = append(slices.Clone(args), house...)
			}
			r := program(t.Context(), args...)
			if r.code != s.code || !strings.Contains(r.stdout+r.stderr, s.says) {
				t.Errorf("millrace %v = %d, want %d and %q:\n%s%s", s.args, r.code, s.code, s.says, r.stdout, r.stderr)
			}
		}
		// The consumer as a process of its own fills the other database with what is in Kafka already.
		consumer := start(t, slices.Concat(consume, kafka, house)...)
		e.awaitQuery("SELECT count() FROM other.events", "21")
		if code, took := consumer.stopped(); code != cli.ExitOK || took > 10*time.Second {
			t.Errorf("stop of consume analytics = %d after %v, want 0 within 10s:\n%s", code, took, consumer.stderr)
		}
	}
}

func TestDevToldWhatCannotBeStartsNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	r := program(t.Context(), "dev", "--data", data, "--simulate", "many", "--http", "nowhere", "--kafka", "")
	if r.code != cli.ExitUsage || !strings.Contains(r.stderr, "dev.simulate must be a number") {
		t.Errorf("dev = %d %s, want 2 and the key", r.code, r.stderr)
	}
	r = program(t.Context(), "dev", "--data", data, "--http", "nowhere", "--kafka", "x")
	for _, want := range []string{"ingest.listen must be host:port, is \"nowhere\" (from flag --http)", "dev.kafka must be host:port, is \"x\" (from flag --kafka)"} {
		if r.code != cli.ExitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("dev = %d %s, want 2 and %q", r.code, r.stderr, want)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a wrong configuration made the data folder")
	}
}

func TestATakenPortIsToldBeforeTheEngineIsFetched(t *testing.T) {
	t.Parallel()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := program(t.Context(), "dev", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--clickhouse", ln.Addr().String())
	want := "--clickhouse " + ln.Addr().String() + " cannot be used: stop what listens there, or choose another address with --clickhouse"
	if r.code != cli.ExitFailure || !strings.Contains(r.stderr, want) {
		t.Errorf("dev = %d %s, want 1 and %q", r.code, r.stderr, want)
	}
}
