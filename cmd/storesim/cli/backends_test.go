package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/cmd/storesim/backends"
	"millrace/cmd/storesim/backends/effects"
)

// TestBackendsFromStartToStop runs the command on free ports, meets a fault of a flag, changes faults over the admin API and
// holds the totals and the ledger's file against what was done.
func TestBackendsFromStartToStop(t *testing.T) {
	dir := t.TempDir()
	file, rules := filepath.Join(dir, "effects.jsonl"), filepath.Join(dir, "faults.json")
	if err := os.WriteFile(rules, []byte(`{"stock":{"shops":{"cut.example":{"lost_answer_rate":1}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	code := make(chan int, 1)
	var errText strings.Builder
	go func() {
		code <- Run(ctx, Process{Getenv: func(k string) string {
			return map[string]string{"STORESIM_STOCK_TOKEN": "tok", "STORESIM_PAYMENT_TOKEN": "another"}[k]
		}, Stdout: out, Stderr: &errText, Args: []string{
			"backends", "--free-ports", "--json", "--ledger", file, "--seed", "7",
			"--faults-file", rules, "--fault", "stock/bad.example:error_rate=1", "--quantity", "RARE=0",
		}})
		out.Close()
	}()
	lines := json.NewDecoder(bufio.NewReader(in))
	var a backends.Addresses
	if err := lines.Decode(&a); err != nil || a.Seed != 7 {
		t.Fatalf("addresses %+v (%v)", a, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, url, key, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer tok")
		r.Header.Set("Idempotency-Key", key)
		resp, err := client.Do(r)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	reserve := func(shop, sku string) int {
		t.Helper()
		return call(http.MethodPost, a.Stock+"/v1/reservations", shop+sku, fmt.Sprintf(`{"shop":%q,"order_id":"1","lines":[{"sku":%q,"quantity":1}]}`, shop, sku))
	}
	for _, c := range []struct {
		shop, sku string
		class     int
	}{{"bad.example", "MUG", 5}, {"cut.example", "MUG", 0}, {"good.example", "MUG", 2}, {"good.example", "MUG", 2}, {"good.example", "RARE", 4}} {
		if status := reserve(c.shop, c.sku); status/100 != c.class {
			t.Errorf("%s %s: status %d, want %dxx", c.shop, c.sku, status, c.class)
		}
	}
	if status := call(http.MethodPut, a.Admin+"/faults/stock/bad.example", "", `{}`); status != 200 || reserve("bad.example", "MUG") != 201 {
		t.Errorf("healed: %d", status)
	}
	for _, c := range []struct {
		method, url, key, body string
		status                 int
	}{
		{http.MethodPost, a.Payment + "/v1/charges", "c", `{"shop":"s","order_id":"1","amount":"1.00","currency":"EUR"}`, 401}, // the token is the stock's
		{http.MethodGet, a.Carrier + "/v1/shipments/s/1", "", "", 404},
		{http.MethodPut, a.ERP + "/v1/orders/s/1", "d", `{"version":"2026-11-23T10:00:00Z","document":{}}`, 201},
		{http.MethodPost, a.Hook, "e", `{}`, 200},
	} {
		if status := call(c.method, c.url, c.key, c.body); status != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.url, status, c.status)
		}
	}
	if err := smtp.SendMail(a.SMTP, nil, "a@b.example", []string{"c@d.example"}, []byte("X-Millrace-Event: e1\r\n\r\nhello\r\n")); err != nil {
		t.Error(err)
	}
	stop()
	var s effects.Summary
	if err := lines.Decode(&s); err != nil || s.Stock.Reservations != 3 || s.Stock.Orders != 3 || s.Stock.Repeats != 1 || s.SMTP.Events != 1 || s.Stock.Faults["lost_answer"] != 1 || s.Stock.Refused["insufficient_stock"] != 1 ||
		s.Payment.Refused["unauthorized"] != 1 || s.Carrier.Requests != 1 || s.ERP.Documents != 1 || s.Hook.Forwarded != 1 {
		t.Errorf("totals %+v (%v)", s, err)
	}
	if c := <-code; c != 0 || errText.Len() > 0 {
		t.Errorf("exit code %d, %s", c, errText.String())
	}
	text, err := os.ReadFile(file)
	for kind, want := range map[string]int{"reserved": 3, "repeat": 1, "mail": 1, "refused": 2, "document": 1, "forwarded": 1} {
		if got := strings.Count(string(text), `"kind":"`+kind+`"`); got != want {
			t.Errorf("%d lines of kind %s, want %d (%v)\n%s", got, kind, want, err, text)
		}
	}
	// The account is not overwritten by accident.
	if c, _, errText := storesim(t.Context(), nil, "backends", "--ledger", file); c != 2 || !strings.Contains(errText, "--overwrite") {
		t.Errorf("a used ledger: exit code %d, %s", c, errText)
	}
}

func TestBackendsForPeople(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, Process{Getenv: func(string) string { return "" }, Stdout: out, Stderr: io.Discard, Args: []string{
			"backends", "--free-ports", "--smtp-user", "u", "--smtp-password", "hush-hush", "--smtp-ca", ca,
		}})
		out.Close()
	}()
	var shown []string
	for lines := bufio.NewScanner(in); lines.Scan(); {
		shown = append(shown, lines.Text())
		if strings.HasPrefix(lines.Text(), "seed") { // the last of the beginning
			stop()
		}
	}
	text := strings.Join(shown, "\n")
	for _, want := range []string{"stock    http://127.0.0.1:", "carrier  http://127.0.0.1:", "hook     http://127.0.0.1:", "STARTTLS, trusted with " + ca, "AUTH PLAIN as u", "reservations", "of 0 events, 0 duplicates", "erp requests"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if c := <-code; c != 0 || strings.Contains(text, "hush-hush") {
		t.Errorf("exit code %d\n%s", c, text)
	}
}

func TestFreePortsLeaveAnAddressThatIsGiven(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if c, _, errText := storesim(t.Context(), nil, "backends", "--free-ports", "--hook-listen", ln.Addr().String()); c != 2 || !strings.Contains(errText, "--hook-listen") {
		t.Errorf("an address in use: exit code %d, %s", c, errText)
	}
}

func TestCompletionOfFaults(t *testing.T) {
	for typed, want := range map[string]string{"": "payment/", "stock:": "stock:latency=", "stock/a.example:down,err": "stock/a.example:down,error_rate="} {
		if _, out, _ := storesim(t.Context(), nil, "__complete", "backends", "--fault", typed); !strings.Contains(out, want) {
			t.Errorf("completion of %q has no %q:\n%s", typed, want, out)
		}
	}
}
