package cli

import (
	"context"
	"fmt"
	"net"
	"slices"

	"millrace/cmd/millrace/config"
	"millrace/cmd/millrace/supervise"
	"millrace/cmd/storesim/backends"
	"millrace/consumers/erp"
	"millrace/consumers/forward"
	"millrace/consumers/fulfillment"
	"millrace/consumers/inventory"
	"millrace/consumers/notifications"
	"millrace/consumers/orderstate"
	"millrace/consumers/saga"
)

// This file is the world outside that services call while a simulated store feeds this process: partners' APIs and a mail server which
// take everything. A simulated order must not reach anybody's real ones by default, so what is configured is left alone.

// contact is one whom a service calls.
type contact struct {
	service, setting string // and where the service is told the address
	address          func(*config.Config) *string
	played           func(backends.Config) string // the address of the one that plays it
}

// contacts are all. A service that is not among them calls nobody.
func contacts() []contact {
	stock := func(b backends.Config) string { return "http://" + b.StockListen }
	carrier := func(b backends.Config) string { return "http://" + b.CarrierListen }
	return []contact{
		{inventory.Name, "inventory.stock.url", func(c *config.Config) *string { return &c.Inventory.Stock.URL }, stock},
		{notifications.Name, "notifications.smtp.address", func(c *config.Config) *string { return &c.Notifications.SMTP.Address }, func(b backends.Config) string { return b.SMTPListen }},
		{fulfillment.Name, "fulfillment.carrier.url", func(c *config.Config) *string { return &c.Fulfillment.Carrier.URL }, carrier},
		{erp.Name, "erp.api.url", func(c *config.Config) *string { return &c.ERP.API.URL }, func(b backends.Config) string { return "http://" + b.ERPListen }},
		{forward.Name, "forward.url", func(c *config.Config) *string { return &c.Forward.URL }, func(b backends.Config) string { return "http://" + b.HookListen }},
		{saga.Name, "saga.stock.url", func(c *config.Config) *string { return &c.Saga.Stock.URL }, stock},
		{saga.Name, "saga.payment.url", func(c *config.Config) *string { return &c.Saga.Payment.URL }, func(b backends.Config) string { return "http://" + b.PaymentListen }},
		{saga.Name, "saga.carrier.url", func(c *config.Config) *string { return &c.Saga.Carrier.URL }, carrier},
	}
}

// simulateServices makes the services run that nobody has said anything about, so that the story of a simulated order shows what services
// did with it; it tells whether there is a service whose world is to be simulated.
func simulateServices(l *config.Loaded, ownKafka bool) bool {
	cfg := &l.Config.Dev
	if cfg.Simulate <= 0 || !ownKafka {
		return false
	}
	if !l.Given("dev.services") {
		cfg.Services = slices.DeleteFunc(newcomersServices(), func(name string) bool { return calls(name) && !simulated(l, name) })
	}
	return slices.ContainsFunc(cfg.Services, func(name string) bool { return simulated(l, name) })
}

// newcomersServices are those that show what services are for and ask for little of the machine; the others run when they are named.
func newcomersServices() []string {
	return []string{inventory.Name, notifications.Name, orderstate.Name, orderstate.TranslateName}
}

// calls tells whether a service calls anybody.
func calls(name string) bool {
	return slices.ContainsFunc(contacts(), func(c contact) bool { return c.service == name })
}

// simulated tells whether somebody whom a service calls is simulated: nobody has given the address of another.
func simulated(l *config.Loaded, name string) bool {
	return slices.ContainsFunc(contacts(), func(c contact) bool { return c.service == name && !l.Given(c.setting) })
}

// world builds the part that plays it, on addresses of its own, and points at it the services whose address nobody has given.
func (d *dev) world(ctx context.Context) (supervise.Component, error) {
	part := supervise.Component{Name: "world"}
	cfg := backends.DefaultConfig()
	if err := cfg.ListenAt(func() (string, error) { return freeAddress(ctx) }); err != nil {
		return part, fmt.Errorf("simulate what services call: %w", err)
	}
	server, err := backends.New(cfg, backends.Deps{Logger: d.log})
	if err != nil {
		return part, fmt.Errorf("simulate what services call: %w", err)
	}
	for _, c := range contacts() {
		if !d.loaded.Given(c.setting) {
			*c.address(&d.cfg) = c.played(cfg)
		}
	}
	part.Run = server.Run
	return part, nil
}

// freeAddress is one that nobody listens on now. Another program could take it before it is used; then the start fails, and the next
// one takes others.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = ln.Close() }() // of nothing but an address
	return ln.Addr().String(), nil
}
