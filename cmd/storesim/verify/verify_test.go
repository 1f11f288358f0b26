package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"millrace/cmd/storesim/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func verify(t *testing.T, cfg Config, f *fake) (*Report, error) {
	t.Helper()
	f.t = t
	v, err := New(cfg, Deps{Transport: direct{f}})
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	return v.Run(t.Context())
}

func config(path string) Config {
	c := DefaultConfig()
	c.Ledger = path
	return c
}

func TestFindings(t *testing.T) {
	base := func() []ledger.Entry {
		return []ledger.Entry{entry(1, "order/1", 1), entry(2, "order/1", 2), entry(3, "order/2", 1)}
	}
	good := func(e []ledger.Entry) []row {
		return []row{stored(e[1], 3, 11), stored(e[2], 4, 5), stored(e[0], 3, 10)}
	}
	for name, tc := range map[string]struct {
		entries func(e []ledger.Entry) []ledger.Entry
		rows    func(e []ledger.Entry, r []row) []row
		want    map[string]int64 // findings; the others must be 0
		legal   func(r *Report) bool
	}{
		"everything as sent, rows in any order": {},
		"an acknowledged event is missing": {
			rows: func(_ []ledger.Entry, r []row) []row { return r[1:] }, want: map[string]int64{"missing": 1},
		},
		"an unacknowledged event is missing": {
			entries: func(e []ledger.Entry) []ledger.Entry { return unacked(e, 1, 1) },
			rows:    func(_ []ledger.Entry, r []row) []row { return r[1:] },
		},
		"an unacknowledged event is stored": {
			entries: func(e []ledger.Entry) []ledger.Entry { return unacked(e, 1, 9) }, legal: func(r *Report) bool { return r.StoredUnacked == 1 && r.GivenUp == 1 },
		},
		"an event is stored that was only refused": {
			entries: func(e []ledger.Entry) []ledger.Entry { return unacked(e, 1, 0) }, want: map[string]int64{"surplus": 1},
		},
		"a row is in no ledger": {
			rows:  func(_ []ledger.Entry, r []row) []row { return append(r, stored(entry(9, "order/9", 1), 0, 0)) },
			legal: func(r *Report) bool { return r.Unknown == 1 },
		},
		"a duplicate delivery has two records": {
			entries: func(e []ledger.Entry) []ledger.Entry {
				e[0].Storable, e[0].Duplicate = 2, true
				return e
			},
			rows:  func(e []ledger.Entry, r []row) []row { return append(r, stored(e[0], 3, 12)) },
			legal: func(r *Report) bool { return r.Resent == 1 },
		},
		"a single delivery has two records": {
			rows: func(e []ledger.Entry, r []row) []row { return append(r, stored(e[0], 3, 12)) }, want: map[string]int64{"surplus": 1},
		},
		"a record is in two rows": {
			rows: func(_ []ledger.Entry, r []row) []row { return append(r, r[0]) }, want: map[string]int64{"repeated": 1},
		},
		"a record is in three rows": {
			rows: func(_ []ledger.Entry, r []row) []row { return append(r, r[0], r[0]) }, want: map[string]int64{"repeated": 2},
		},
		"a later event has the smaller offset": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].offset = 9; return r }, want: map[string]int64{"order": 1},
		},
		"only the duplicate of an event comes late": {
			entries: func(e []ledger.Entry) []ledger.Entry {
				e[0].Storable = 2
				e[0].Deliveries = append(e[0].Deliveries, ledger.Delivery{Stamp: 3, Attempts: 1, Code: 200, Acked: true})
				return e
			},
			rows: func(e []ledger.Entry, r []row) []row { return append([]row{stored(e[0], 3, 99)}, r...) },
		},
		"an event that was given up first and acknowledged later may be on either side": {
			entries: func(e []ledger.Entry) []ledger.Entry {
				e[0].Storable = 9
				e[0].Deliveries = []ledger.Delivery{{Stamp: 1, Attempts: 9, Code: 503}, {Stamp: 3, Attempts: 1, Code: 200, Acked: true}}
				return e
			},
			rows: func(_ []ledger.Entry, r []row) []row { r[2].offset = 12; return r },
		},
		"an unacknowledged event is stored ahead of what was acknowledged before it was sent": {
			entries: func(e []ledger.Entry) []ledger.Entry { return unacked(e, 1, 9) },
			rows:    func(_ []ledger.Entry, r []row) []row { r[0].offset = 9; return r }, want: map[string]int64{"order": 1},
		},
		"an entity is in two partitions": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].partition = 7; return r }, want: map[string]int64{"split": 1},
		},
		"an entity is in two topics": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].kafka = "shopify.shop"; return r }, want: map[string]int64{"split": 1},
		},
		"a body differs": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].sum = strings.Repeat("00", 32); return r }, want: map[string]int64{"wrong": 1},
		},
		"a body has no hash": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].sum = ""; return r }, want: map[string]int64{"wrong": 1},
		},
		"a topic differs": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].topic = "orders/paid"; return r }, want: map[string]int64{"wrong": 1},
		},
		"shop and key differ": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].shop, r[0].key = "b", "b|order/1"; return r }, want: map[string]int64{"wrong": 2},
		},
		"a subject differs": {
			rows: func(_ []ledger.Entry, r []row) []row { r[0].subject = "order/1000"; return r }, want: map[string]int64{"wrong": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			entries := base()
			if tc.entries != nil {
				entries = tc.entries(entries)
			}
			rows := good(entries)
			if tc.rows != nil {
				rows = tc.rows(entries, rows)
			}
			r, err := verify(t, config(writeLedger(t, entries, "")), &fake{rows: rows})
			if err != nil {
				t.Fatalf("Run() error: %v", err)
			}
			total := int64(0)
			for _, f := range r.findings() {
				if f.f.Count != tc.want[f.name] || int64(len(f.f.Examples)) != f.f.Count {
					t.Errorf("%s: %d %q, want %d", f.name, f.f.Count, f.f.Examples, tc.want[f.name])
				}
				total += tc.want[f.name]
			}
			if r.OK != (total == 0) || r.Violations() != total {
				t.Errorf("OK %v, %d violations, want %d", r.OK, r.Violations(), total)
			}
			if tc.legal != nil && !tc.legal(r) {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// unacked makes event n one that was given up.
func unacked(e []ledger.Entry, n, storable int) []ledger.Entry {
	e[n].Acked, e[n].Status, e[n].Storable = false, ledger.StatusGivenUp, storable
	e[n].Deliveries[0].Acked, e[n].Deliveries[0].Code, e[n].Attempts = false, 503, 9
	return e
}

func TestARecordInTwoRowsIsAViolation(t *testing.T) {
	e := entry(1, "order/1", 1)
	r, err := verify(t, config(writeLedger(t, []ledger.Entry{e}, "")), &fake{rows: []row{stored(e, 0, 0), stored(e, 0, 0)}})
	if err != nil || r.OK || r.Repeated.Count != 1 || r.Surplus.Count != 0 {
		t.Errorf("Run() = %+v, %v", r, err)
	}
}

func TestATornLedgerIsCheckedAsFarAsItGoes(t *testing.T) {
	e := entry(1, "order/1", 1)
	r, err := verify(t, config(writeLedger(t, []ledger.Entry{e}, `{"webhook_id":"w2","sh`)), &fake{rows: []row{stored(e, 0, 0)}})
	if err != nil || !r.OK || !r.Torn || r.Lines != 1 {
		t.Errorf("Run() = %+v, %v", r, err)
	}
}

func TestWhatCannotBeCheckedIsAnError(t *testing.T) {
	e := entry(1, "order/1", 1)
	good := writeLedger(t, []ledger.Entry{e}, "")
	for name, tc := range map[string]struct {
		ledger string
		fake   *fake
		want   string
	}{
		"no ledger":            {filepath.Join(t.TempDir(), "none"), &fake{}, "open ledger"},
		"a ledger of two runs": {writeLedger(t, []ledger.Entry{e, e}, ""), &fake{}, "two lines"},
		"ClickHouse says no": {good, &fake{refuse: func(w http.ResponseWriter, _ int) bool {
			http.Error(w, "Code: 60. no such table", http.StatusNotFound)
			return true
		}}, "no such table"},
		"ClickHouse breaks off": {good, &fake{tail: "Code: 241. DB::Exception: memory\n"}, "memory"},
		"an offset is not a number": {good, &fake{rows: []row{{id: "w1", kafka: "x"}}, refuse: func(w http.ResponseWriter, _ int) bool {
			fmt.Fprintln(w, "w1\ts\tt\ts\tk\tx\tx\t1\tNULL")
			return true
		}}, "_offset"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verify(t, config(tc.ledger), tc.fake); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Run() error: %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestWaitPollsUntilEverythingHasArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := entry(1, "order/1", 1), entry(2, "order/1", 2)
		cfg := config(writeLedger(t, []ledger.Entry{a, b}, ""))
		cfg.Wait = time.Minute
		f := &fake{rows: []row{stored(a, 0, 0)}}
		f.before = func(n int, f *fake) {
			if n == 5 {
				f.rows = append(f.rows, stored(b, 0, 1))
			}
		}
		// The server is away for a while: while there is time left that is no reason to give up.
		f.refuse = func(w http.ResponseWriter, n int) bool {
			if n == 3 {
				http.Error(w, "starting", http.StatusServiceUnavailable)
			}
			return n == 3
		}
		start := time.Now()
		r, err := verify(t, cfg, f)
		if err != nil || !r.OK {
			t.Fatalf("Run() = %+v, %v", r, err)
		}
		if took := time.Since(start); took != 4*firstPoll || len(f.queries) != 6 {
			t.Errorf("%d queries in %v, want five polls and the check in %v", len(f.queries), took, 4*firstPoll)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := entry(1, "order/1", 1)
		cfg := config(writeLedger(t, []ledger.Entry{a}, ""))
		cfg.Wait = 10 * time.Second
		start := time.Now()
		r, err := verify(t, cfg, &fake{})
		if err != nil || r.OK || r.Missing.Count != 1 || time.Since(start) > cfg.Wait || time.Since(start) < cfg.Wait-time.Second {
			t.Errorf("Run() = %+v, %v after %v; want one missing after 10 s", r, err, time.Since(start))
		}
		away := &fake{refuse: func(w http.ResponseWriter, _ int) bool {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return true
		}}
		if _, err := verify(t, cfg, away); err == nil || !strings.Contains(err.Error(), "away") {
			t.Errorf("Run() error: %v, want that ClickHouse is away", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		v, err := New(cfg, Deps{Transport: direct{&fake{t: t}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run() error: %v, want the context's", err)
		}
	})
}

func TestQueriesCarryDatabaseAndCredentials(t *testing.T) {
	cfg := config(writeLedger(t, nil, ""))
	cfg.Database, cfg.User, cfg.Password = "my`db", "u", "p"
	f := &fake{}
	if _, err := verify(t, cfg, f); err != nil {
		t.Fatal(err)
	}
	q := f.queries[0]
	if q.Header.Get("X-ClickHouse-User") != "u" || q.Header.Get("X-ClickHouse-Key") != "p" || q.Method != http.MethodPost {
		t.Errorf("request %+v", q)
	}
	if !strings.HasSuffix(f.texts[0], "FROM `my\\`db`.events") {
		t.Errorf("query %s", f.texts[0])
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`plain`: "plain", `a\tb\nc\\d\'e\0`: "a\tb\nc\\d'e\x00", `\r\b\f`: "\r\b\f"} {
		if got, err := unescape(in); got != want || err != nil {
			t.Errorf("unescape(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := unescape(`x\`); !errors.Is(err, errEscape) {
		t.Errorf("unescape of a cut field: %v", err)
	}
}

func TestReportIsReadable(t *testing.T) {
	r := &Report{Lines: 5, Torn: true}
	r.Missing.add("webhook %s", "w7")
	r.Repeated.add("x")
	for range 30 {
		r.Order.add("y")
	}
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"missing         1", "VIOLATION: acknowledged, not in the table", "VIOLATION: one Kafka record in several rows", "missing: webhook w7", "cut off"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "order: y"); n != maxExamples || r.Order.Count != 30 {
		t.Errorf("%d examples of %d", n, r.Order.Count)
	}
}

func TestConfigTellsEveryMistake(t *testing.T) {
	err := Config{ClickHouse: "x", Password: "p", Wait: -1}.Validate()
	for _, key := range []string{"ledger", "clickhouse", "database", "user", "wait"} {
		if err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("no word about %s in: %v", key, err)
		}
	}
}
