package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"millrace/cmd/storesim/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func entry(id string) ledger.Entry {
	at := time.Date(2026, 11, 23, 10, 0, 0, 123_000_000, time.UTC)
	return ledger.Entry{
		WebhookID: id, EventID: "e", Shop: "a.myshopify.com", Topic: "orders/create", Entity: "order/9007199254740993",
		Seq: 3, EntitySeq: 2, BodySHA256: "00ff", Bytes: 2048, Attempts: 3, Storable: 2, Late: true, Duplicate: true,
		Acked: true, AckedAt: at, Status: ledger.StatusAcked,
		Deliveries: []ledger.Delivery{{Stamp: 4, Attempts: 2, Code: 503, Error: "x"}, {Stamp: 6, Attempts: 1, Code: 200, Acked: true, AckedAt: at}},
		Order:      &ledger.Order{ID: 9007199254740993, UpdatedAt: "2026-11-23T05:00:00-05:00", Currency: "USD", TotalPrice: "12.30", CurrentTotalPrice: "12.30", FinancialStatus: "paid"},
	}
}

func readAll(t *testing.T, text string) (got []ledger.Entry, err error) {
	t.Helper()
	for e, err := range ledger.Read(strings.NewReader(text)) {
		if err != nil {
			return got, err
		}
		got = append(got, *e)
	}
	return got, nil
}

func TestWhatIsRecordedIsReadBack(t *testing.T) {
	var out bytes.Buffer
	w := ledger.NewWriter(&out)
	want := []ledger.Entry{entry("a"), entry("b")}
	for i := range want {
		if err := w.Record(&want[i]); err != nil {
			t.Fatalf("Record() error: %v", err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("Flush() error: %v", err)
	}
	got, err := readAll(t, out.String())
	if err != nil {
		t.Fatalf("Read() error: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read() (-want, +got):\n%s", diff)
	}
	if f, a := got[0].FirstStamp(), got[0].AckStamp(); f != 4 || a != 6 {
		t.Errorf("FirstStamp(), AckStamp() = %d, %d, want 4, 6", f, a)
	}
}

// wholeLines fails the test when a write does not end a line.
type wholeLines struct {
	t      *testing.T
	writes int
}

func (w *wholeLines) Write(p []byte) (int, error) {
	w.writes++
	if p[len(p)-1] != '\n' {
		w.t.Errorf("write %d ends inside a line: %q", w.writes, p[max(0, len(p)-40):])
	}
	return len(p), nil
}

func TestEveryWriteIsARunOfWholeLines(t *testing.T) {
	sink := &wholeLines{t: t}
	w := ledger.NewWriter(sink)
	e := entry("a")
	for range 2000 {
		if err := w.Record(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if sink.writes < 2 || sink.writes > 200 {
		t.Errorf("%d writes for 2000 lines, want them gathered", sink.writes)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAWriteErrorSticks(t *testing.T) {
	w := ledger.NewWriter(full{})
	e := entry("a")
	if err := errors.Join(w.Record(&e), w.Flush()); err == nil {
		t.Fatal("no error from a full disk")
	}
	if err := w.Record(&e); err == nil {
		t.Error("a Record after a failed write returned nil")
	}
}

func TestReadTellsATornLineFromAForeignOne(t *testing.T) {
	var out bytes.Buffer
	w := ledger.NewWriter(&out)
	e := entry("a")
	if err := errors.Join(w.Record(&e), w.Flush()); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, out.String()+`{"webhook_id":"b","sh`)
	if !errors.Is(err, ledger.ErrTorn) || len(got) != 1 {
		t.Errorf("torn last line: %d entries, error %v; want 1, ErrTorn", len(got), err)
	}
	for name, text := range map[string]string{"not JSON": "hello\n", "other JSON": "{\"a\":1}\n"} {
		if _, err := readAll(t, out.String()+text); err == nil || errors.Is(err, ledger.ErrTorn) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: error %v, want one that names line 2", name, err)
		}
	}
}

func TestCreateRefusesALedgerWithEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	for _, tc := range []struct {
		overwrite bool
		want      error
	}{{false, nil}, {false, ledger.ErrExists}, {true, nil}} {
		f, err := ledger.Create(path, tc.overwrite)
		if !errors.Is(err, tc.want) {
			t.Fatalf("Create(overwrite %v) error: %v, want %v", tc.overwrite, err, tc.want)
		}
		if err != nil {
			continue
		}
		if _, err := f.WriteString("x\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "x\n" {
		t.Errorf("after overwriting the file holds %q (%v)", b, err)
	}
}
