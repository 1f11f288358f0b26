package effects

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"millrace/cmd/storesim/backends/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mailOf(event string) Entry {
	return Entry{Kind: MailKind, Backend: faults.SMTP, Key: event, Mail: &Mail{Event: event, To: []string{"a@b.example"}}}
}

func TestEveryEffectIsOneLine(t *testing.T) {
	var out bytes.Buffer
	l := New(Config{Out: &out})
	l.Record(Entry{Kind: Reserved, Backend: faults.Stock, Key: "k", Shop: "s", Order: "1", Lines: []Line{{SKU: "A", Quantity: 2}}})
	l.Repeat(faults.Stock, "k")
	l.Repeat(faults.Stock, "never happened")
	l.Record(mailOf("k")) // the same key at another backend is another key
	l.Record(mailOf("k"))
	l.Record(mailOf(""))
	for range 3 {
		l.Refuse(Refusal{Backend: faults.Stock, Key: "r", Reason: "insufficient_stock", Status: 409})
	}
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time.IsZero() {
			t.Fatalf("line %s: %v", line, err)
		}
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "reserved repeat mail mail mail refused" {
		t.Errorf("lines %s", got)
	}
	s := l.Summary()
	if s.Stock.Reservations != 1 || s.Stock.Orders != 1 || s.Stock.UnitsHeld != 2 || s.Stock.Repeats != 1 || s.Stock.Refused["insufficient_stock"] != 3 || s.Stock.RefusedKeys["insufficient_stock"] != 1 {
		t.Errorf("stock %+v", s.Stock)
	}
	if s.SMTP.Accepted != 3 || s.SMTP.Events != 1 || s.SMTP.Duplicates != 1 || s.SMTP.Anomalies[DuplicateMail] != 1 || s.SMTP.Anomalies[WithoutEvent] != 1 {
		t.Errorf("smtp %+v", s.SMTP)
	}
	found, total := l.Entries(Filter{Backend: faults.SMTP, Limit: 2})
	if total != 3 || len(found) != 2 || found[0].Repeats != 1 || found[1].Seq != 3 {
		t.Errorf("entries %+v of %d", found, total)
	}
	if found, _ := l.Entries(Filter{Anomaly: DuplicateMail}); len(found) != 1 || found[0].Seq != 3 {
		t.Errorf("duplicates %+v", found)
	}
	if found, _ := l.Refusals(Filter{Reason: "insufficient_stock", Key: "r"}); len(found) != 1 || found[0].Times != 3 {
		t.Errorf("refusals %+v", found)
	}
	if found, total := l.Refusals(Filter{Shop: "s"}); len(found) != 0 || total != 0 {
		t.Errorf("refusals of another shop: %+v", found)
	}
}

type fullDisk struct{ lines int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.lines == 0 {
		return 0, errors.New("no space")
	}
	d.lines--
	return len(p), nil
}

func TestAnIncompleteAccountIsToldOnce(t *testing.T) {
	var told []error
	l := New(Config{Out: &fullDisk{lines: 1}, Failed: func(err error) { told = append(told, err) }})
	for range 3 {
		l.Record(mailOf("k"))
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "no space") {
		t.Errorf("told %v", told)
	}
}
