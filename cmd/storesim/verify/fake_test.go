package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"millrace/cmd/storesim/ledger"
)

const testShop = "a.myshopify.com"

// entry is event n about an entity, acknowledged at the first attempt of its only delivery.
func entry(n int, entity string, stamp int64) ledger.Entry {
	body := sha256.Sum256(fmt.Append(nil, "body ", n))
	return ledger.Entry{
		WebhookID: fmt.Sprintf("w%d", n), Shop: testShop, Topic: "orders/updated", Entity: entity, Seq: int64(n), EntitySeq: stamp,
		BodySHA256: hex.EncodeToString(body[:]), Attempts: 1, Storable: 1, Acked: true, Status: ledger.StatusAcked,
		Deliveries: []ledger.Delivery{{Stamp: stamp, Attempts: 1, Code: 200, Acked: true}},
	}
}

// row is a line of the events table.
type row struct {
	id, shop, topic, subject, key, sum string
	kafka                              string
	partition, offset                  int
}

// stored is the row that an entry ought to be.
func stored(e ledger.Entry, partition, offset int) row {
	return row{e.WebhookID, e.Shop, e.Topic, e.Entity, e.Shop + "|" + e.Entity, strings.ToUpper(e.BodySHA256), "shopify.orders", partition, offset}
}

func (r row) String() string {
	return strings.Join([]string{r.id, r.shop, r.topic, r.subject, r.key, r.sum, r.kafka, fmt.Sprint(r.partition), fmt.Sprint(r.offset)}, "\t") + "\n"
}

// fake answers as ClickHouse does: ids for the cheap query, all columns for the full one.
type fake struct {
	t       *testing.T
	mu      sync.Mutex
	rows    []row
	queries []*http.Request
	texts   []string
	before  func(query int, f *fake) // may change rows
	tail    string                   // appended to each answer
	refuse  func(w http.ResponseWriter, query int) (stop bool)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("read query: %v", err)
	}
	f.queries, f.texts = append(f.queries, r), append(f.texts, string(text))
	n := len(f.queries)
	if f.before != nil {
		f.before(n, f)
	}
	if f.refuse != nil && f.refuse(w, n) {
		return
	}
	for _, row := range f.rows {
		if strings.Contains(string(text), "SHA256") {
			fmt.Fprint(w, row)
		} else {
			fmt.Fprintf(w, "%s\t1\n", row.id)
		}
	}
	fmt.Fprint(w, f.tail)
}

// direct is a transport without sockets, so that waiting can be tested on fake time.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	d.h.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func writeLedger(t *testing.T, entries []ledger.Entry, extra string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := ledger.NewWriter(f)
	for i := range entries {
		err = errors.Join(err, w.Record(&entries[i]))
	}
	_, werr := f.WriteString(func() string { err = errors.Join(err, w.Flush()); return extra }())
	if err := errors.Join(err, werr, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
