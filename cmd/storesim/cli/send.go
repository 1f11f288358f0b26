package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/storesim/ledger"
	"millrace/cmd/storesim/sim"
)

type duration = time.Duration

const sendLong = `Send makes up stores, lets customers buy in them and delivers the webhooks of it all to --url, signed as Shopify
signs. It stops after --orders, --events or --duration, or on Ctrl-C; without a bound it runs until stopped.

Failed deliveries (anything but 2xx, or no answer within 5 s) are repeated eight times over four hours,
--time-scale times faster. After a bound is reached all retries are still made; Ctrl-C only finishes requests in
flight. The events of one entity (an order, an inventory item …) are sent one after another, different ones
concurrently; --duplicates and --disorder bend the order on purpose, and the ledger says so. What --forget chooses is
never sent: the ledger marks it, and only the stores' Admin API shows it.

With --admin-listen the stores answer GraphQL queries about orders, fulfilments, refunds and inventory levels as
Shopify's Admin API does, with its paging and its rate limit, at
  http://ADDRESS/shops/SHOP.myshopify.com/admin/api/VERSION/graphql.json
or without /shops/… for whoever asks for the shop as the host.

Secrets may also come from the environment variables STORESIM_SECRET and STORESIM_ADMIN_TOKEN.

` + exitCodes

const sendExample = `  # 20 events per second from 20 stores until Ctrl-C
  storesim send --url http://127.0.0.1:8080/webhooks --secret hush

  # 20000 distinct events of 200 stores as fast as possible, with faults, for storesim verify
  storesim send --url http://127.0.0.1:8080/webhooks --secret hush --shops 200 --events 20000 --rate 0 \
    --duplicates 0.05 --disorder 0.05 --time-scale 500 --ledger run.jsonl

  # 1000 orders, most of them in a few stores, the same on every run
  storesim send --url http://127.0.0.1:8080/webhooks --secret hush --orders 1000 --zipf 1.3 --seed 7

  # 2% of the webhooks get lost; the stores answer questions until Ctrl-C
  storesim send --url http://127.0.0.1:8080/webhooks --secret hush --orders 1000 --forget 0.02 --ledger run.jsonl \
    --admin-listen 127.0.0.1:8096 --hold`

func newSend(p Process) *cobra.Command {
	cfg := sim.DefaultConfig()
	o := sendOptions{}
	cmd := &cobra.Command{
		Use: "send", Short: "Deliver the webhooks of simulated stores and keep a ledger", Long: sendLong, Example: sendExample, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fromEnv(p, &cfg.Secret, "STORESIM_SECRET")
			fromEnv(p, &cfg.AdminToken, "STORESIM_ADMIN_TOKEN")
			if err := errors.Join(cfg.Validate(), o.check(cfg)); err != nil {
				return flagError(cmd, err)
			}
			return send(cmd.Context(), p, cfg, o)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	bind(fs, &cfg)
	fs.StringVar(&o.ledger, "ledger", "", "File to account for every event in, one JSON line each; none is kept when empty.")
	fs.BoolVar(&o.overwrite, "overwrite", false, "Replace a ledger that has entries.")
	fs.BoolVar(&o.hold, "hold", false, "After the last delivery, print the totals and go on serving the Admin API until Ctrl-C.")
	fs.BoolVar(&o.json, "json", false, "Print the totals as JSON.")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "Log every failed attempt.")
	return cmd
}

type sendOptions struct {
	ledger                         string
	overwrite, hold, json, verbose bool
}

func (o *sendOptions) check(cfg sim.Config) error {
	if o.hold && cfg.AdminListen == "" {
		return errors.New("hold must come with --admin-listen")
	}
	return nil
}

func send(ctx context.Context, p Process, cfg sim.Config, o sendOptions) (err error) {
	deps := sim.Deps{Logger: logger(p.Stderr, o.verbose)}
	if o.ledger != "" {
		f, err := ledger.Create(o.ledger, o.overwrite)
		if errors.Is(err, ledger.ErrExists) {
			return fmt.Errorf("%w; name another file or use --overwrite", err)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		deps.Recorder = ledger.NewWriter(f)
	}
	s, err := sim.New(cfg, deps)
	if err != nil {
		return err
	}
	admin, err := serveAdmin(ctx, p.Stderr, s, cfg.AdminListen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin()) }()
	start := time.Now()
	stop := watch(p.Stderr, func() state { return sendState(cfg, s.Stats(), time.Since(start)) })
	err = s.Run(ctx)
	stop()
	stats := s.Stats()
	if o.json {
		err = errors.Join(err, writeJSON(p.Stdout, stats))
	} else {
		err = errors.Join(err, writeTotals(p.Stdout, stats, time.Since(start)))
	}
	if err == nil && o.hold {
		<-ctx.Done()
	}
	if err == nil && stats.GivenUp > 0 {
		return errBadResult
	}
	return err
}

const adminHeaderTimeout = 10 * time.Second

// serveAdmin serves the stores' Admin API, if there is to be one, until the returned function is called. It tells the address, since
// the port may be one that was free.
func serveAdmin(ctx context.Context, out io.Writer, s *sim.Simulator, addr string) (stop func() error, err error) {
	api, err := s.AdminAPI()
	if api == nil || err != nil {
		return func() error { return nil }, err
	}
	lc := net.ListenConfig{}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the Admin API (--admin-listen): %w", err)
	}
	srv := &http.Server{Handler: api, ReadHeaderTimeout: adminHeaderTimeout}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	fmt.Fprintf(out, "admin API  http://%s/shops/<shop>/admin/api/%s/graphql.json\n", l.Addr(), sim.APIVersion)
	return func() error {
		_ = srv.Close() // answers under way are of no use to anybody any more
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the Admin API: %w", err)
		}
		return nil
	}, nil
}

// sendState measures progress by the first bound there is.
func sendState(cfg sim.Config, s sim.Stats, elapsed time.Duration) state {
	settled := s.Acked + s.GivenUp + s.Forgotten
	v := state{text: fmt.Sprintf("%d orders, %d events acknowledged, %d pending, %d failed attempts", s.Orders, s.Acked, s.Pending, s.Attempts-successes(s))}
	switch {
	case cfg.Events > 0:
		v.done, v.total = settled, cfg.Events
	case cfg.Orders > 0:
		v.done, v.total = s.Orders, cfg.Orders
	case cfg.Duration > 0:
		v.done, v.total = int64(min(elapsed, cfg.Duration)/time.Second), max(1, int64(cfg.Duration/time.Second))
	default:
		v.done = settled
	}
	return v
}

func successes(s sim.Stats) (n int64) {
	for code, k := range s.Statuses {
		if code >= 200 && code < 300 {
			n += k
		}
	}
	return n
}

func writeTotals(out io.Writer, s sim.Stats, took time.Duration) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "orders\t%d\t\n", s.Orders)
	fmt.Fprintf(w, "events\t%d\tdistinct, in %v: %.0f/s\n", s.Events, took.Round(time.Millisecond), float64(s.Events)/took.Seconds())
	fmt.Fprintf(w, "acknowledged\t%d\t\n", s.Acked)
	fmt.Fprintf(w, "given up\t%d\tafter eight retries\n", s.GivenUp)
	fmt.Fprintf(w, "abandoned\t%d\tstill failing when stopped; in the ledger\n", s.Abandoned)
	fmt.Fprintf(w, "unsent\t%d\tnever tried before the stop; not in the ledger\n", s.Unsent)
	fmt.Fprintf(w, "duplicates\t%d\tdelivered twice on purpose\n", s.Duplicates)
	fmt.Fprintf(w, "late\t%d\tdelivered behind a later event of the entity\n", s.Late)
	fmt.Fprintf(w, "forgotten\t%d\tnever sent, on purpose\n", s.Forgotten)
	fmt.Fprintf(w, "requests\t%d\t%d of them retries, %.1f MB of bodies\n", s.Attempts, s.Retries, float64(s.Bytes)/1e6)
	for _, code := range slices.Sorted(maps.Keys(s.Statuses)) {
		name := fmt.Sprintf("status %d", code)
		if code == 0 {
			name = "no answer"
		}
		fmt.Fprintf(w, "%s\t%d\t\n", name, s.Statuses[code])
	}
	fmt.Fprintf(w, "seed\t%d\tgives the same events again\n", s.Seed)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write totals: %w", err)
	}
	return nil
}
