package verify

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"millrace/cmd/storesim/ledger"
)

// Deps is what the program hands over.
type Deps struct {
	Transport http.RoundTripper // nil: a plain one
	// Progress is told, now and then, what is going on: done of total, where a total is known. nil: nobody is told.
	Progress func(phase string, done, total int64)
}

// Verifier holds one table against one ledger.
type Verifier struct {
	cfg   Config
	deps  Deps
	store *store
}

// New checks cfg; it reads nothing yet. Errors are those of Config.Validate.
func New(cfg Config, deps Deps) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("verify settings: %w", err)
	}
	if deps.Progress == nil {
		deps.Progress = func(string, int64, int64) {}
	}
	s, err := newStore(cfg, deps.Transport)
	if err != nil {
		return nil, err
	}
	return &Verifier{cfg: cfg, deps: deps, store: s}, nil
}

// Run reads the ledger, waits up to Config.Wait for what is missing, and checks the table. Violations are in the report; an
// error means that no judgement was possible: the ledger or ClickHouse cannot be read, or ctx ended.
func (v *Verifier) Run(ctx context.Context) (*Report, error) {
	defer v.store.client.CloseIdleConnections()
	v.deps.Progress("reading the ledger", 0, 0)
	x, err := load(v.cfg.Ledger)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := v.wait(ctx, x); err != nil {
		return nil, err
	}
	r := &Report{
		Lines: int64(len(x.all)), Acked: int64(x.acked), GivenUp: int64(x.byStatus[ledger.StatusGivenUp]),
		Abandoned: int64(x.byStatus[ledger.StatusAbandoned]), Forgotten: int64(x.byStatus[ledger.StatusForgotten]), Torn: x.torn,
		WaitedSeconds: time.Since(start).Seconds(),
	}
	c := newCheck(x, r)
	query := "SELECT " + columns + " FROM " + v.store.table
	err = v.store.rows(ctx, query, width, func(f []string) error {
		if r.Rows%1000 == 0 {
			v.deps.Progress("checking rows", r.Rows, r.Lines)
		}
		return c.row(f)
	})
	if err != nil {
		return nil, err
	}
	c.finish()
	r.OK = r.Violations() == 0
	return r, nil
}

const (
	firstPoll = 500 * time.Millisecond
	maxPoll   = 10 * time.Second
)

// wait returns when every acknowledged event is in the table, or Config.Wait has passed; then with an error only if the
// last look at the table failed, since until then ClickHouse may just not be up yet. It reads ids alone, which is cheap;
// polls are spaced by what the last one cost, so that waiting does not become the load it waits for.
func (v *Verifier) wait(ctx context.Context, x *index) error {
	if v.cfg.Wait == 0 {
		return nil
	}
	deadline := time.Now().Add(v.cfg.Wait)
	for {
		began := time.Now()
		missing, err := v.missing(ctx, x)
		if err == nil && missing == 0 {
			return nil
		}
		if err == nil {
			v.deps.Progress("waiting for events", int64(x.acked-missing), int64(x.acked))
		}
		pause := min(maxPoll, max(firstPoll, 3*time.Since(began)))
		if time.Now().Add(pause).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for events: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// missing counts the acknowledged events that are not in the table.
func (v *Verifier) missing(ctx context.Context, x *index) (int, error) {
	seen := make([]bool, len(x.all))
	missing := x.acked
	// The second column is there so that an error text in the middle of the answer is not taken for an id.
	err := v.store.rows(ctx, "SELECT id, 1 FROM "+v.store.table, 2, func(f []string) error {
		if n, known := x.byID[f[0]]; known && !seen[n] {
			seen[n] = true
			if x.all[n].acked {
				missing--
			}
		}
		return nil
	})
	return missing, err
}
