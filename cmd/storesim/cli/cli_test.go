package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"millrace/cmd/storesim/flood"
	"millrace/cmd/storesim/sim"
	"millrace/cmd/storesim/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipeline is a receiver and a ClickHouse in one: what is posted to it is in its events table, under a subject and key that it
// reads out of the body.
type pipeline struct {
	mu     sync.Mutex
	n      int
	fail   func(n int) bool // answers 503, after storing when n is even
	events []string
}

func (p *pipeline) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(string(body), "SELECT") {
		for _, row := range p.events {
			if !strings.Contains(string(body), "SHA256") {
				row = row[:strings.IndexByte(row, '\t')] + "\t1\n"
			}
			fmt.Fprint(w, row)
		}
		return
	}
	p.n++
	failing := p.fail != nil && p.fail(p.n)
	if !failing || p.n%2 == 0 {
		p.store(r.Header, body)
	}
	if failing {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (p *pipeline) store(h http.Header, body []byte) {
	shop, topic := h.Get("X-Shopify-Shop-Domain"), h.Get("X-Shopify-Topic")
	subject := subjectOf(topic, body)
	sum := sha256.Sum256(body)
	partition := len(shop) % 6
	p.events = append(p.events, fmt.Sprintf("%s\t%s\t%s\t%s\t%s|%s\t%X\tshopify.x\t%d\t%d\n",
		h.Get("X-Shopify-Webhook-Id"), shop, topic, subject, shop, subject, sum, partition, len(p.events)))
}

// subjectOf finds the entity the way a receiver has to: from the topic and the body's fields.
func subjectOf(topic string, body []byte) string {
	var f struct {
		ID              json.RawMessage
		OrderID         json.Number `json:"order_id"`
		Token           string
		InventoryItemID json.Number `json:"inventory_item_id"`
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return err.Error()
	}
	group, _, _ := strings.Cut(topic, "/")
	switch group {
	case "orders":
		return "order/" + string(f.ID)
	case "order_transactions", "fulfillments", "refunds":
		return "order/" + f.OrderID.String()
	case "inventory_levels":
		return "inventory_item/" + f.InventoryItemID.String()
	case "carts", "checkouts":
		return strings.TrimSuffix(group, "s") + "/" + f.Token
	default:
		return strings.TrimSuffix(group, "s") + "/" + string(f.ID)
	}
}

// storesim runs the program.
func storesim(ctx context.Context, env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out bytes.Buffer
	var err lockedBuffer
	code = Run(ctx, Process{Args: args, Getenv: func(k string) string { return env[k] }, Stdout: &out, Stderr: &err})
	return code, out.String(), err.b.String()
}

// lockedBuffer takes what the log and the progress of a long run write side by side, as the terminal does.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func TestSendThenVerify(t *testing.T) {
	p := &pipeline{fail: func(n int) bool { return n%7 == 0 }}
	srv := httptest.NewServer(p)
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "run.jsonl")
	code, out, errText := storesim(t.Context(), map[string]string{"STORESIM_SECRET": "hush"}, "send", "--url", srv.URL, "--shops", "20", "--events", "1500",
		"--rate", "0", "--duplicates", "0.05", "--disorder", "0.05", "--time-scale", "1e6", "--ledger", file, "--json")
	var stats sim.Stats
	if err := json.Unmarshal([]byte(out), &stats); code != 0 || err != nil || stats.Acked != 1500 || stats.Late == 0 || stats.Retries == 0 {
		t.Fatalf("send: exit code %d, %+v (%v)\n%s", code, stats, err, errText)
	}
	check := func(want int, wantIn string, more ...string) verify.Report {
		t.Helper()
		code, out, errText := storesim(t.Context(), nil, append([]string{"verify", "--ledger", file, "--clickhouse", srv.URL, "--json"}, more...)...)
		var r verify.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != want {
			t.Fatalf("verify: exit code %d, want %d (%v)\n%s\n%s", code, want, err, out, errText)
		}
		if !strings.Contains(out, wantIn) {
			t.Errorf("verify says nothing of %s:\n%s", wantIn, out)
		}
		return r
	}
	if r := check(0, `"ok": true`, "--wait", "1m"); r.Acked != 1500 || r.Stored != 1500 || r.Resent == 0 || r.Rows != int64(len(p.events)) {
		t.Errorf("report %+v", r)
	}
	whole := p.events
	p.events = slices.Concat(whole[1:], whole[len(whole)/2:len(whole)/2+1])
	check(1, `"ok": false`)
	// A ledger is not overwritten by accident.
	code, _, errText = storesim(t.Context(), nil, "send", "--url", srv.URL, "--secret", "x", "--events", "1", "--ledger", file)
	if code != 2 || !strings.Contains(errText, "--overwrite") {
		t.Errorf("send into a used ledger: exit code %d, %s", code, errText)
	}
	// ClickHouse gone: no judgement.
	srv.Close()
	code, _, errText = storesim(t.Context(), nil, "verify", "--ledger", file, "--clickhouse", srv.URL)
	if code != 2 || !strings.Contains(errText, "query clickhouse") {
		t.Errorf("verify without ClickHouse: exit code %d, %s", code, errText)
	}
}

func TestSendTellsThatEventsWereGivenUp(t *testing.T) {
	srv := httptest.NewServer(&pipeline{fail: func(int) bool { return true }})
	defer srv.Close()
	code, out, errText := storesim(t.Context(), nil, "send", "--url", srv.URL, "--secret", "x", "--events", "3", "--rate", "0", "--time-scale", "1e9")
	if code != 1 || !strings.Contains(out, "given up      3") || !strings.Contains(errText, "event given up") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errText)
	}
}

func TestSendStopsWhenAskedAndIsGood(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &pipeline{fail: func(n int) bool {
		if n == 30 {
			cancel()
		}
		return false
	}}
	srv := httptest.NewServer(p)
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "run.jsonl")
	code, _, errText := storesim(ctx, nil, "send", "--url", srv.URL, "--secret", "x", "--rate", "0", "--ledger", file)
	text, err := os.ReadFile(file)
	if lines := strings.Count(string(text), "\n"); code != 0 || err != nil || lines < 25 {
		t.Errorf("exit code %d, %d lines (%v)\n%s", code, lines, err, errText)
	}
}

func TestFloodExitCodes(t *testing.T) {
	fail := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	args := []string{"flood", "--url", srv.URL, "--secret", "x", "--connections", "2", "--bodies", "8", "--duration", "50ms", "--warmup", "0s", "--body-size", "1KB", "--json"}
	run := func(want int, more ...string) {
		t.Helper()
		code, out, errText := storesim(t.Context(), nil, append(args, more...)...)
		var r flood.Report
		if err := json.Unmarshal([]byte(out), &r); code != want || err != nil || r.BodyBytes != 1024 {
			t.Errorf("flood: exit code %d, want %d (%v)\n%s%s", code, want, err, out, errText)
		}
	}
	run(0)
	fail = true
	run(1)
	run(0, "--allow-errors")
}

func TestMistakesAreToldWithTheirFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"no command":      {nil, []string{"a command is needed"}},
		"unknown command": {[]string{"sned"}, []string{"sned"}},
		"unknown flag":    {[]string{"send", "--nope"}, []string{"--nope", "storesim send --help"}},
		"send":            {[]string{"send", "--shops", "0", "--time-scale", "-1"}, []string{"--url must", "--secret must", "--shops must", "--time-scale must"}},
		"flood":           {[]string{"flood", "--body-size", "3"}, []string{"--url must", "--body-size must"}},
		"size":            {[]string{"flood", "--body-size", "3X"}, []string{"2KB"}},
		"verify":          {[]string{"verify", "--clickhouse", "x"}, []string{"--ledger must", "--clickhouse must"}},
		"backends": {
			[]string{"backends", "--stock-listen", "x", "--smtp-user", "u", "--fault", "pigeons:down", "--fault", "stock:error_rate=2", "--quantity", "MUG", "--quantity", "MUG=-1"},
			[]string{"--stock-listen must", "--smtp-user must", `"pigeons:down"`, "error_rate must", `is "MUG"`, "quantity of MUG must not"},
		},
		"faults file": {[]string{"backends", "--faults-file", "/nowhere"}, []string{"/nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errText := storesim(t.Context(), nil, tc.args...)
			if code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, want := range tc.want {
				if !strings.Contains(errText, want) {
					t.Errorf("no %q in: %s", want, errText)
				}
			}
		})
	}
}

func TestHelpAndCompletion(t *testing.T) {
	for _, command := range []string{"send", "flood", "verify", "backends"} {
		code, out, _ := storesim(t.Context(), nil, command, "--help")
		if code != 0 || !strings.Contains(out, "Examples:") || !strings.Contains(out, "Exit codes:") {
			t.Errorf("%s --help: exit code %d\n%s", command, code, out)
		}
	}
	if code, out, _ := storesim(t.Context(), nil, "completion", "bash"); code != 0 || !strings.Contains(out, "storesim") {
		t.Errorf("completion: exit code %d", code)
	}
	if _, out, _ := storesim(t.Context(), nil, "__complete", "flood", "--body-size", ""); !strings.Contains(out, "10KB") {
		t.Errorf("completion of --body-size: %s", out)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{"2048": 2048, "2KB": 2048, "10 kb": 10240, "1MiB": 1 << 20, "512B": 512, "4k": 4096} {
		var n int
		if err := (size{&n}).Set(text); err != nil || n != want {
			t.Errorf("size %q = %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "KB", "-1", "1.5KB", "99999999999MB"} {
		var n int
		if err := (size{&n}).Set(text); err == nil {
			t.Errorf("size %q is taken as %d", text, n)
		}
	}
}

func TestPlainProgressLines(t *testing.T) {
	var out bytes.Buffer
	show := lines(&out)
	show(state{done: 1, total: 4, text: "sending"})
	show(state{done: 7, text: "sending"})
	if want := "sending  1 of 4 (25%)\nsending  7\n"; out.String() != want {
		t.Errorf("lines %q, want %q", out.String(), want)
	}
}

func TestBarOnATerminal(t *testing.T) {
	var out bytes.Buffer
	show, finish := bar(&out)
	show(state{done: 0, text: "reading"})
	show(state{done: 1, total: 4, text: "sending"})
	show(state{done: 4, total: 4, text: "sending"})
	finish()
	if !strings.Contains(out.String(), "sending") || !strings.Contains(out.String(), "/4") {
		t.Errorf("bar %q", out.String())
	}
}
