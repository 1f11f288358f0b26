package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/consumers/reconcile/shopify"
)

// Deps is what the program hands over.
type Deps struct {
	Kafka      []kgo.Opt             // how to reach Kafka
	State      State                 // what is here already
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // required
	Transport  http.RoundTripper     // to the stores; nil: Go's default
}

// Reconciler looks at stores.
type Reconciler struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	client   *shopify.Client
	producer *producer
	metrics  metrics
}

// New builds it; nothing is asked yet. Close it.
func New(cfg Config, d Deps) (*Reconciler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	if d.State == nil || d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("reconcile: Deps.State, Logger and Registerer must be set")
	}
	client, err := shopify.New(cfg.Shopify, shopify.Deps{Logger: d.Logger, Transport: d.Transport})
	if err != nil {
		return nil, err
	}
	p, err := newProducer(d.Kafka)
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	return &Reconciler{cfg: cfg, deps: d, log: d.Logger, client: client, producer: p, metrics: newMetrics(d.Registerer)}, nil
}

// Close lets go of the connections.
func (r *Reconciler) Close() {
	r.producer.close()
	r.client.Close()
}

// Span is the time in which a change must have been, from Since up to but without Until.
type Span struct{ Since, Until time.Time }

// Options are those of a run.
type Options struct {
	DryRun bool
	By     string // who runs it, for the log
	// Found is told of every finding once it is sent, or, in a dry run, found. Optional; calls do not overlap.
	Found func(Finding)
	// Progress is told how far a run is, in time. Optional; calls do not overlap.
	Progress func(done, total time.Duration)
}

// Shops returns the stores that are configured. It reads the tokens file.
func (r *Reconciler) Shops() ([]string, error) {
	t, err := readTokens(r.cfg)
	if err != nil {
		return nil, err
	}
	return t.shops, nil
}

// Span is the time that a run looks at, whole seconds: what is younger than Config.Grace is left out.
func (r *Reconciler) Span(since, until, now time.Time) Span {
	latest := now.Add(-r.cfg.Grace).Truncate(time.Second)
	if until = until.Truncate(time.Second); until.IsZero() || until.After(latest) {
		until = latest
	}
	return Span{Since: since.Truncate(time.Second), Until: until}
}

// Run looks at several stores at once and returns what came of each, in the order of shops. An error of one store stops no other; all
// are in the error.
func (r *Reconciler) Run(ctx context.Context, shops []string, spanOf func(shop string) Span, o Options) ([]*Summary, error) {
	t, err := readTokens(r.cfg)
	if err != nil {
		return nil, err
	}
	all, errs := make([]*Summary, len(shops)), make([]error, len(shops))
	told := &teller{o: o, done: make([]time.Duration, len(shops))}
	for _, shop := range shops {
		span := spanOf(shop)
		told.total += max(0, span.Until.Sub(span.Since))
	}
	var group errgroup.Group
	group.SetLimit(r.cfg.Concurrency)
	for i, shop := range shops {
		group.Go(func() error {
			run := r.newRun(shop, spanOf(shop), o, told, i)
			errs[i] = run.all(ctx, t)
			all[i] = run.sum
			r.finish(ctx, run, errs[i], o)
			return nil
		})
	}
	_ = group.Wait() // of the goroutines, which return none
	return all, errors.Join(errs...)
}

// finish is the record of a run, for the log and the metrics.
func (r *Reconciler) finish(ctx context.Context, run *run, err error, o Options) {
	s := run.sum
	attrs := []any{"shop", s.Shop, "since", s.Since, "until", s.Until, "through", s.Through, "dry_run", s.DryRun, "by", o.By, "gone", s.Gone}
	for _, k := range Kinds() {
		c := s.Kinds[k]
		attrs = append(attrs, string(k), slog.GroupValue(slog.Int("checked", c.Checked), slog.Int("missing", c.Missing), slog.Int("stale", c.Stale), slog.Int("sent", c.Sent)))
	}
	if err != nil {
		s.Error = err.Error()
		if ctx.Err() != nil {
			r.log.InfoContext(ctx, "store not reconciled to the end: stopped", attrs...)
			return
		}
		r.metrics.runs.WithLabelValues(resultFailed).Inc()
		r.log.ErrorContext(ctx, "store not reconciled to the end", append(attrs, "err", err)...)
		return
	}
	r.metrics.runs.WithLabelValues(resultDone).Inc()
	r.log.InfoContext(ctx, "store reconciled", attrs...)
}

// teller passes findings and progress of several stores on, one at a time.
type teller struct {
	o     Options
	mu    sync.Mutex
	total time.Duration
	done  []time.Duration
}

func (t *teller) found(all []Finding) {
	if t.o.Found == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range all {
		t.o.Found(f)
	}
}

func (t *teller) progress(store int, done time.Duration) {
	if t.o.Progress == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[store] = done
	sum := time.Duration(0)
	for _, d := range t.done {
		sum += d
	}
	t.o.Progress(sum, t.total)
}
