package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"millrace/cmd/storesim/backends"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/stock"
	"millrace/cmd/storesim/ledger"
)

const backendsLong = `Backends serves, until Ctrl-C, what a shop's services call: the HTTP APIs of a stock system, a payment gateway, a carrier
and an ERP, an endpoint to forward events to, and an SMTP server. They may be made slow, failing, silent or gone, and
keep a ledger of every effect that really happened. An admin API answers for the ledger and changes the faults at run
time.

When all of them listen, their addresses are printed; at the end, the totals. With --json each is one line of JSON.

stock:    POST /v1/reservations                            {"shop","order_id","lines":[{"variant_id","sku","quantity"}]}
          POST /v1/reservations/<shop>/<order_id>/release  {"reason":"cancelled" or "refunded","lines":[…],"close"}
payment:  POST /v1/charges                                 {"shop","order_id","amount","currency"}
          POST /v1/charges/<shop>/<order_id>/refund        {"reason","amount","close"}; no amount: all that is left
          GET  /v1/charges/<shop>/<order_id>
carrier:  POST /v1/shipments                               {"shop","order_id","name","lines":[…],"address":{…}}
          POST /v1/shipments/<shop>/<order_id>/cancel      {"reason","close"}
          GET  /v1/shipments/<shop>/<order_id>
erp:      PUT  /v1/orders/<shop>/<order_id>                {"version","document":{…}}
          PUT  /v1/customers/<shop>/<customer_id>          likewise
hook:     POST /…                                          an event as the service forward sends it, signed
smtp:     one mail per X-Millrace-Event is right, more are counted as duplicates. X-Millrace-Shop and X-Millrace-Order
          make mails findable by them.

POST and PUT want Idempotency-Key: the same key again gets the same answer and has no second effect. "close": true
closes the order: what was asked for and comes later is refused. schemas/openapi describes all of it.

Admin API:
  GET /ledger          effects; ?backend=&shop=&order=&subject=&key=&kind=&anomaly=&limit=; kinds are reserved, released,
                       charged, refunded, shipment, shipment_cancelled, document, forwarded, mail and nothing
  GET /ledger/summary  totals: effects and the distinct orders they were about, money, refusals, faults, anomalies, the
                       greatest number of requests at once and per second
  GET /ledger/refused  permanent refusals, once per key and reason
  GET, PUT /faults     all rules; also GET, PUT, DELETE /faults/<backend>, /faults/<backend>/<shop>,
                       /faults/smtp/<recipient domain>
  GET, PUT /stock      quantities per SKU, and what is reserved

Faults, as --fault SCOPE:FIELD=VALUE,… and as fields of the JSON of /faults. SCOPE is a backend (stock, payment, carrier,
erp, hook, smtp) or one shop of it, payment/<shop>; of smtp, one recipient domain. The closest rule counts, alone.
Rates are shares of requests, from 0 to 1.
%s
With the same --seed, the n-th try of a key meets the same fault in every run, whatever runs beside it.

Secrets may also come from the environment: STORESIM_STOCK_TOKEN, STORESIM_PAYMENT_TOKEN, STORESIM_CARRIER_TOKEN,
STORESIM_ERP_TOKEN, STORESIM_HOOK_TOKEN, STORESIM_HOOK_SECRET and STORESIM_SMTP_PASSWORD.

` + exitCodes

const backendsExample = `  # healthy, with the ledger in a file
  storesim backends --ledger effects.jsonl

  # 5% of answers lost after the effect, 2% errors, and one store's backend down for 5 minutes after the first
  storesim backends --seed 7 --fault stock:latency_p50=10ms,latency_p99=200ms,lost_answer_rate=0.05,error_rate=0.02 \
    --fault stock/acme.myshopify.com:outages=1m+5m

  # 5% of all charges declined for good, refunds never; an ERP that takes 10 s for a call and 2 calls at once
  storesim backends --fault payment:permanent_rate=0.05,only=charge --fault erp:latency=10s,concurrency=2

  # mail with AUTH and STARTTLS that takes 20 messages per second; 100 pieces of MUG in each shop, of all else without end
  storesim backends --smtp-user shop --smtp-password hush --smtp-ca ca.pem --fault smtp:rate_limit=20 --quantity MUG=100

  # on free ports
  storesim backends --free-ports --json

  # a change at run time, and the totals
  curl -X PUT http://127.0.0.1:8091/faults/stock/acme.myshopify.com -d '{"down":true}'
  curl -X DELETE http://127.0.0.1:8091/faults/stock/acme.myshopify.com
  curl http://127.0.0.1:8091/ledger/summary`

type backendsOptions struct {
	faults, quantities       []string
	faultsFile, ledger       string
	overwrite, json, verbose bool
	freePorts                bool
}

func newBackends(p Process) *cobra.Command {
	cfg := backends.DefaultConfig()
	o := backendsOptions{}
	cmd := &cobra.Command{
		Use: "backends", Short: "Serve the APIs and SMTP that services call, with faults on demand", Example: backendsExample, Args: cobra.NoArgs,
		Long: fmt.Sprintf(backendsLong, faultFields()), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.freePorts {
				takeFreePorts(cmd.Flags())
			}
			secretsFromEnv(p, &cfg)
			if err := o.fill(&cfg); err != nil {
				return flagError(cmd, err)
			}
			return runBackends(cmd.Context(), p, cfg, o)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	bind(fs, &cfg)
	fs.BoolVar(&o.freePorts, "free-ports", false, "Take free ports of loopback for all addresses that are not given.")
	fs.StringArrayVar(&o.faults, "fault", nil, "SCOPE:FIELD=VALUE,… as above; may be repeated, and adds to --faults-file.")
	fs.StringVar(&o.faultsFile, "faults-file", "", "JSON file with faults, as GET /faults shows them.")
	fs.StringArrayVar(&o.quantities, "quantity", nil, "SKU=N: how much of a SKU each shop has, without end if it is not told; * is all others. May be repeated.")
	fs.StringVar(&o.ledger, "ledger", "", "File to account for every effect in, JSON lines; none is kept when empty.")
	fs.BoolVar(&o.overwrite, "overwrite", false, "Replace a ledger that has entries.")
	fs.BoolVar(&o.json, "json", false, "Print the addresses, and the totals at the end, as one line of JSON each.")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "Log every fault that a request met.")
	// The flag exists: it was defined above.
	_ = cmd.RegisterFlagCompletionFunc("fault", completeFault)
	return cmd
}

func takeFreePorts(fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		if strings.HasSuffix(f.Name, "-listen") && !f.Changed {
			_ = f.Value.Set("127.0.0.1:0") // of text, never fails
		}
	})
}

func secretsFromEnv(p Process, cfg *backends.Config) {
	fromEnv(p, &cfg.StockToken, "STORESIM_STOCK_TOKEN")
	fromEnv(p, &cfg.PaymentToken, "STORESIM_PAYMENT_TOKEN")
	fromEnv(p, &cfg.CarrierToken, "STORESIM_CARRIER_TOKEN")
	fromEnv(p, &cfg.ERPToken, "STORESIM_ERP_TOKEN")
	fromEnv(p, &cfg.HookToken, "STORESIM_HOOK_TOKEN")
	fromEnv(p, &cfg.HookSecret, "STORESIM_HOOK_SECRET")
	fromEnv(p, &cfg.SMTPPassword, "STORESIM_SMTP_PASSWORD")
}

// faultFields lists the fields of rules for the help.
func faultFields() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, f := range faults.Fields() {
		fmt.Fprintf(w, "  %s\t%s\n", f.Name, f.Help)
	}
	_ = w.Flush() // into memory
	return out.String()
}

// completeFault offers scopes, then fields.
func completeFault(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if !strings.Contains(typed, ":") {
		var scopes []cobra.Completion
		for _, backend := range faults.Backends() {
			scopes = append(scopes, backend+":", backend+"/")
		}
		return scopes, directive
	}
	before := typed[:strings.LastIndexAny(typed, ":,")+1]
	var out []cobra.Completion
	for _, f := range faults.Fields() {
		out = append(out, cobra.CompletionWithDesc(before+f.Name+"=", f.Help))
	}
	return out, directive
}

// fill puts what is not a plain flag into the Config, and checks it all.
func (o *backendsOptions) fill(cfg *backends.Config) error {
	var errs []error
	if o.faultsFile != "" {
		errs = append(errs, readFaults(o.faultsFile, &cfg.Faults))
	}
	for _, text := range o.faults {
		errs = append(errs, cfg.Faults.Apply(text))
	}
	cfg.Quantities = map[string]int64{}
	for _, text := range o.quantities {
		i := strings.LastIndexByte(text, '=')
		n, err := strconv.ParseInt(text[i+1:], 10, 64)
		if i < 1 || err != nil {
			errs = append(errs, fmt.Errorf("quantity must be SKU=N (or %s=N), is %q", stock.AnySKU, text))
			continue
		}
		cfg.Quantities[text[:i]] = n
	}
	return errors.Join(append(errs, cfg.Validate())...)
}

func readFaults(path string, into *faults.Set) error {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("read faults: %w", err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read faults from %s: %w", path, err)
	}
	return nil
}

func runBackends(ctx context.Context, p Process, cfg backends.Config, o backendsOptions) (err error) {
	deps := backends.Deps{Logger: logger(p.Stderr, o.verbose)}
	if o.ledger != "" {
		f, err := ledger.Create(o.ledger, o.overwrite)
		if errors.Is(err, ledger.ErrExists) {
			return fmt.Errorf("%w; name another file or use --overwrite", err)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		deps.Ledger = f
	}
	var told error
	deps.Ready = func(a backends.Addresses) { told = o.writeAddresses(p.Stdout, cfg, a) }
	s, err := backends.New(cfg, deps)
	if err != nil {
		return err
	}
	if err := s.Run(ctx); err != nil {
		return err
	}
	if o.json {
		return errors.Join(told, writeLine(p.Stdout, s.Summary()))
	}
	return errors.Join(told, writeAccount(p.Stdout, s.Summary()))
}

// writeLine prints v as one line of JSON, for scripts that read a running program line by line.
func writeLine(out io.Writer, v any) error {
	if err := json.NewEncoder(out).Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func (o *backendsOptions) writeAddresses(out io.Writer, cfg backends.Config, a backends.Addresses) error {
	if o.json {
		return writeLine(out, a)
	}
	var mail []string
	if cfg.SMTPCA != "" {
		mail = append(mail, "STARTTLS, trusted with "+cfg.SMTPCA)
	}
	if cfg.SMTPUser != "" {
		mail = append(mail, "AUTH PLAIN as "+cfg.SMTPUser)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, api := range []struct{ name, url string }{
		{faults.Stock, a.Stock}, {faults.Payment, a.Payment}, {faults.Carrier, a.Carrier}, {faults.ERP, a.ERP}, {faults.Hook, a.Hook},
	} {
		fmt.Fprintf(w, "%s\t%s\n", api.name, api.url)
	}
	fmt.Fprintf(w, "smtp\t%s\n", strings.Join(append([]string{a.SMTP}, mail...), "  "))
	fmt.Fprintf(w, "admin\t%s\t/ledger/summary  /ledger  /faults  /stock\n", a.Admin)
	if o.ledger != "" {
		fmt.Fprintf(w, "ledger\t%s\n", o.ledger)
	}
	fmt.Fprintf(w, "seed\t%d\n", a.Seed)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}
