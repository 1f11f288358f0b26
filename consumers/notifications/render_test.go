package notifications

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/consumers/group/grouptest"
)

var update = flag.Bool("update", false, "rewrite the golden mails")

// The mails of two bodies, as their readers see them.
func TestGoldenMails(t *testing.T) {
	t.Parallel()
	for name, topic := range map[string]string{"order": "orders/create", "fulfillment": "fulfillments/create"} {
		box := &outbox{}
		got := new(grouptest.Unit).Handle(t.Context(), newService(t, DefaultConfig(), box).Handler, event(topic, file(t, name+".json")))
		if got.Kind != grouptest.Done || len(box.mails) != 1 {
			t.Fatalf("%s: Handle() = %s (%v), %d mails", name, got.Kind, got.Err, len(box.mails))
		}
		m := box.mails[0]
		for ending, text := range map[string]string{".txt": "Subject: " + m.Subject + "\n\n" + m.Text, ".html": m.HTML} {
			golden := filepath.Join("testdata", name+ending)
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != text {
				t.Errorf("%s differs; look, then run with -update:\n%s", golden, text)
			}
		}
	}
}

func TestATemplateOfYourOwnTakesThePlaceOfTheBuiltInOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("order.txt", "Danke, {{.Customer}}: {{.Total}}")
	write(".hidden", "")
	set, err := loadTemplates(dir)
	if err != nil {
		t.Fatalf("loadTemplates() error: %v", err)
	}
	c, err := set.order.render(sampleOrder())
	if err != nil || c.Text != "Danke, Ada: 11.90 EUR" || !strings.Contains(c.HTML, "<table") || c.Subject != "Order #1001 confirmed" {
		t.Errorf("render() = %+v, %v", c, err)
	}
	for name, text := range map[string]string{
		"order.txt":         "{{.NoSuchField}}",
		"order.html":        "{{if .Order}}",
		"shipping.html":     "{{(index .Parcels 0).URL}}", // only where there is a parcel: the empty sample finds it
		"order_subject.txt": "{{/* nothing */}}",
		"orders.txt":        "misspelt",
	} {
		dir = t.TempDir()
		write(name, text)
		if _, err := loadTemplates(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("loadTemplates() with %s = %v, want an error that names it", name, err)
		}
	}
	if _, err := loadTemplates(filepath.Join(dir, "none")); err == nil {
		t.Error("loadTemplates() takes a folder that does not exist")
	}
}

func TestWhatCustomersTypeStaysText(t *testing.T) {
	t.Parallel()
	box := &outbox{}
	body := with(t, file(t, "order.json"), map[string]any{
		"name": "#1\r\nBcc: x@y.example", "order_status_url": "javascript:alert(1)",
		"line_items": []map[string]any{{"name": "<script>alert(1)</script>\n\nTotal 0", "quantity": 1}},
	})
	if got := new(grouptest.Unit).Handle(t.Context(), newService(t, DefaultConfig(), box).Handler, event("orders/create", body)); got.Kind != grouptest.Done {
		t.Fatalf("Handle() = %s (%v)", got.Kind, got.Err)
	}
	m := box.mails[0]
	if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.HTML, "<script>") || strings.Contains(m.HTML+m.Text, "javascript:") || strings.Contains(m.Text, "\nTotal 0") {
		t.Errorf("text of a customer became more than text: %q\n%s\n%s", m.Subject, m.Text, m.HTML)
	}
}
