package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"millrace/deploy/internal/process"
)

// secret signs the webhooks; it protects nothing.
const secret = "demo"

// partners are the addresses of one `storesim backends`.
type partners struct{ stock, payment, carrier, erp, hook, smtp, admin string }

type addresses struct {
	services, saga                                   partners
	http, console, kafka, clickhouse, admin, shopify string
}

// demo is one run.
type demo struct {
	o     options
	out   io.Writer
	began time.Time
	addr  addresses
	procs []*process.Process // in the order of their start
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%6.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) takeAddresses(ctx context.Context) error {
	all := []*string{&d.addr.http, &d.addr.console, &d.addr.kafka, &d.addr.clickhouse, &d.addr.admin, &d.addr.shopify}
	for _, p := range []*partners{&d.addr.services, &d.addr.saga} {
		all = append(all, &p.stock, &p.payment, &p.carrier, &p.erp, &p.hook, &p.smtp, &p.admin)
	}
	for _, a := range all {
		addr, err := process.FreeAddr(ctx)
		if err != nil {
			return err
		}
		*a = addr
	}
	return nil
}

func (d *demo) launch(ctx context.Context, name, program, ready string, args ...string) (*process.Process, error) {
	p := &process.Process{Name: name, Path: filepath.Join(d.o.bin, program), Args: args, Ready: "http://" + ready, Dir: d.o.dir}
	d.procs = append(d.procs, p)
	return p, p.Start(ctx)
}

// stop ends everything, last started first.
func (d *demo) stop() error {
	var errs []error
	for i := len(d.procs) - 1; i >= 0; i-- {
		errs = append(errs, d.procs[i].End(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}

// world starts the partners of one party. refusing are those that refuse something for good.
func (d *demo) world(ctx context.Context, name string, p partners, seed uint64, refusing ...string) error {
	args := []string{
		"backends", "--stock-listen", p.stock, "--payment-listen", p.payment, "--carrier-listen", p.carrier, "--erp-listen", p.erp,
		"--hook-listen", p.hook, "--smtp-listen", p.smtp, "--admin-listen", p.admin, "--seed", strconv.FormatUint(seed, 10),
	}
	for _, backend := range []string{"stock", "payment", "carrier", "erp", "hook", "smtp"} {
		args = append(args, "--fault", d.fault(backend, slices.Contains(refusing, backend)))
	}
	_, err := d.launch(ctx, name, "storesim", p.admin+"/healthz", args...)
	return err
}

// fault is how a partner fails.
func (d *demo) fault(backend string, refuses bool) string {
	fields := []string{"error_rate=" + number(d.o.errors/2), "lost_answer_rate=" + number(d.o.errors/2), "latency_p50=5ms", "latency_p99=100ms"}
	if backend == "smtp" { // SMTP cannot say what became of a mail whose answer was lost
		fields = []string{"error_rate=" + number(d.o.errors)}
	}
	if refuses {
		fields = append(fields, "permanent_rate="+number(d.o.refused))
	}
	switch backend { // what takes back is never refused: that would be for a person to solve
	case "payment":
		fields = append(fields, "only=charge")
	case "carrier":
		fields = append(fields, "only=ship")
	}
	return backend + ":" + strings.Join(fields, ",")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// configuration is the file that millrace is started with.
func (d *demo) configuration() string {
	s, g := d.addr.services, d.addr.saga
	return strings.NewReplacer(
		"STOCK", s.stock, "CARRIER", s.carrier, "ERP", s.erp, "HOOK", s.hook, "SMTP", s.smtp,
		"SAGA_S", g.stock, "SAGA_P", g.payment, "SAGA_C", g.carrier,
		"DATA", filepath.Join(d.o.dir, "data"), "SHOPIFY", d.addr.shopify, "CONSOLE", d.addr.console, "KAFKA", d.addr.kafka, "CLICKHOUSE", d.addr.clickhouse,
		"FORWARDED", "'"+strings.Join(forwarded(), "/*', '")+"/*'",
		"ADMIN", d.addr.admin, "INGEST", d.addr.http,
	).Replace(`# Everything at one place, as a merchant would run it, but for the times: a lost webhook is looked for after 2 s here.
topics: {partitions: 6, replication: 1, min_insync_replicas: 1}
dev: {data: 'DATA', services: [inventory, notifications, fulfillment, erp, forward, translate, orderstate, saga]}
ingest: {secrets: ['` + secret + `']}
inventory: {stock: {url: 'http://STOCK'}}
notifications: {smtp: {address: 'SMTP'}}
fulfillment: {carrier: {url: 'http://CARRIER'}, track_every: 0s}
erp: {api: {url: 'http://ERP'}}
forward: {url: 'http://HOOK', topics: [FORWARDED]}
saga: {stock: {url: 'http://SAGA_S'}, payment: {url: 'http://SAGA_P'}, carrier: {url: 'http://SAGA_C'}}
reconcile: {shopify: {url: 'http://SHOPIFY/shops/{shop}'}, token: demo, grace: 2s}
`)
}

func (d *demo) config() string { return filepath.Join(d.o.dir, "millrace.yaml") }

// millrace starts `millrace dev`, and waits until all its services work.
func (d *demo) millrace(ctx context.Context) error {
	if err := os.WriteFile(d.config(), []byte(d.configuration()), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err := d.launch(ctx, "millrace", "millrace", d.addr.admin+"/readyz", "dev", "--config", d.config(), "--http", d.addr.http, "--console", d.addr.console,
		"--kafka", d.addr.kafka, "--clickhouse", d.addr.clickhouse, "--admin-listen", d.addr.admin)
	return err
}

// shopify starts the stores.
func (d *demo) shopify(ctx context.Context) (*process.Process, error) {
	return d.launch(ctx, "shopify", "storesim", d.addr.shopify+"/healthz", "send", "--url", "http://"+d.addr.http+"/webhooks", "--secret", secret,
		"--orders", strconv.Itoa(d.o.orders), "--shops", strconv.Itoa(d.o.shops), "--rate", number(d.o.rate), "--seed", strconv.FormatUint(d.o.seed, 10),
		"--duplicates", number(d.o.doubled), "--disorder", number(d.o.shaken), "--forget", number(d.o.forget), "--time-scale", "1000",
		"--admin-listen", d.addr.shopify, "--ledger", d.ledger(), "--hold", "--json")
}

func (d *demo) ledger() string { return filepath.Join(d.o.dir, "shopify.jsonl") }
