package cli

import (
	"context"
	"fmt"
	"net"
	"slices"

	"millrace/cmd/millrace/config"
	"millrace/cmd/millrace/supervise"
	"millrace/cmd/storesim/backends"
	"millrace/consumers/inventory"
	"millrace/consumers/notifications"
	"millrace/consumers/orderstate"
)

// This file is the world outside that services call while a simulated store feeds this process: a stock API and a mail server which
// take everything. A simulated order must not reach anybody's real ones by default, so what is configured is left alone.

// worldOf are the settings by which a service finds its part of that world. A service that is not among them calls nobody.
func worldOf() map[string]string {
	return map[string]string{inventory.Name: "inventory.stock.url", notifications.Name: "notifications.smtp.address"}
}

// simulateServices makes the services run that nobody has said anything about, so that the story of a simulated order shows what services
// did with it; it tells whether there is a service whose world is to be simulated.
func simulateServices(l *config.Loaded, ownKafka bool) bool {
	cfg := &l.Config.Dev
	if cfg.Simulate <= 0 || !ownKafka {
		return false
	}
	if !l.Given("dev.services") {
		cfg.Services = slices.DeleteFunc(newcomersServices(), func(name string) bool {
			_, calls := worldOf()[name]
			return calls && !simulated(l, name)
		})
	}
	return slices.ContainsFunc(cfg.Services, func(name string) bool { return simulated(l, name) })
}

// newcomersServices are those that show what services are for and ask for little of the machine; the others run when they are named.
func newcomersServices() []string {
	return []string{inventory.Name, notifications.Name, orderstate.Name, orderstate.TranslateName}
}

// simulated tells whether what a service calls is simulated: there is such a thing, and nobody has given the address of another.
func simulated(l *config.Loaded, name string) bool {
	setting, has := worldOf()[name]
	return has && !l.Given(setting)
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
	if !d.loaded.Given(worldOf()[inventory.Name]) {
		d.cfg.Inventory.Stock.URL = "http://" + cfg.StockListen
	}
	if !d.loaded.Given(worldOf()[notifications.Name]) {
		d.cfg.Notifications.SMTP.Address = cfg.SMTPListen
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
