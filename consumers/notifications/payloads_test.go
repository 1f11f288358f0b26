package notifications

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/consumers/group/grouptest"
)

// Every sample body of the topics concerned becomes a mail. The collection is not part of the repository.
func TestEverySampleBodyBecomesAMail(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = "../../../shared/payloads"
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		t.Skipf("needs sample bodies (MILLRACE_PAYLOADS): %v", err)
	}
	n := 0
	for _, topic := range []string{"orders/create", "orders/paid", "fulfillments/create", "fulfillments/update"} {
		list, err := filepath.Glob(filepath.Join(dir, strings.ReplaceAll(topic, "/", "__"), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range list {
			n++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			box, cfg := &outbox{}, DefaultConfig()
			if topic == "orders/paid" {
				cfg.OrderOn = OrderPaid
			}
			h := newService(t, cfg, box).Handler
			// Shopify's samples of orders are cancelled ones, which are not confirmed.
			if got := new(grouptest.Unit).Handle(t.Context(), h, event(topic, string(text))); strings.HasPrefix(topic, "orders/") && got.Reason != "cancelled" {
				t.Errorf("%s = %s %q (%v), want it skipped as cancelled", path, got.Kind, got.Reason, got.Err)
			}
			box.mails = nil
			body := with(t, string(text), map[string]any{"cancelled_at": nil})
			if got := new(grouptest.Unit).Handle(t.Context(), h, event(topic, body)); got.Kind != grouptest.Done || len(box.mails) != 1 {
				t.Errorf("%s = %s %q (%v), %d mails, want one", path, got.Kind, got.Reason, got.Err, len(box.mails))
				continue
			}
			m := box.mails[0]
			if m.To != "jon@example.com" || !strings.Contains(m.Subject, "#9999") || strings.Contains(m.Subject, "#9999.1") {
				t.Errorf("%s: mail to %s, subject %q", path, m.To, m.Subject)
			}
			want := "1z827wk74630"
			if strings.HasPrefix(topic, "orders/") {
				want = " USD"
			}
			if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
				t.Errorf("%s: no %q in\n%s", path, want, m.Text)
			}
		}
	}
	if n < 12 {
		t.Errorf("%d sample bodies in %s", n, dir)
	}
}
