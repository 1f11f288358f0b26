package cli

import (
	"log/slog"
	"slices"
	"testing"

	"millrace/cmd/millrace/config"
)

func TestASimulatedOrderReachesNoServerThatSomebodyHasConfigured(t *testing.T) {
	t.Parallel()
	const simulate, stock, mail = "MILLRACE_DEV_SIMULATE=5", "MILLRACE_INVENTORY_STOCK_URL=https://stock.example", "MILLRACE_NOTIFICATIONS_SMTP_ADDRESS=mail:25"
	for name, tc := range map[string]struct {
		environ  []string
		foreign  bool
		services []string
		world    bool
	}{
		"nothing is simulated":                 {},
		"a simulated store":                    {environ: []string{simulate}, services: []string{"inventory", "notifications", "orderstate", "translate"}, world: true},
		"a stock API of somebody's":            {environ: []string{simulate, stock}, services: []string{"notifications", "orderstate", "translate"}, world: true},
		"both of somebody's":                   {environ: []string{simulate, stock, mail}, services: []string{"orderstate", "translate"}},
		"a broker of somebody's":               {environ: []string{simulate}, foreign: true},
		"one service wanted":                   {environ: []string{simulate, "MILLRACE_DEV_SERVICES=inventory"}, services: []string{"inventory"}, world: true},
		"both wanted, with servers":            {environ: []string{simulate, stock, mail, "MILLRACE_DEV_SERVICES=inventory,notifications"}, services: []string{"inventory", "notifications"}},
		"one that calls nobody":                {environ: []string{simulate, "MILLRACE_DEV_SERVICES=translate"}, services: []string{"translate"}},
		"one that nobody runs by default":      {environ: []string{simulate, "MILLRACE_DEV_SERVICES=fulfillment"}, services: []string{"fulfillment"}, world: true},
		"some of its partners of somebody's":   {environ: []string{simulate, "MILLRACE_SAGA_STOCK_URL=https://stock.example", "MILLRACE_DEV_SERVICES=saga"}, services: []string{"saga"}, world: true},
		"services wanted, nothing simulated":   {environ: []string{"MILLRACE_DEV_SERVICES=inventory"}, services: []string{"inventory"}},
		"services wanted, somebody's broker":   {environ: []string{simulate, "MILLRACE_DEV_SERVICES=inventory"}, foreign: true, services: []string{"inventory"}},
		"one wanted, a server for another one": {environ: []string{simulate, mail, "MILLRACE_DEV_SERVICES=inventory"}, services: []string{"inventory"}, world: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := config.Load(config.Default(), config.Sources{Environ: tc.environ})
			if err != nil {
				t.Fatal(err)
			}
			if world := simulateServices(l, !tc.foreign); world != tc.world || !slices.Equal(l.Config.Dev.Services, tc.services) {
				t.Errorf("services %v, their world simulated %v; want %v, %v", l.Config.Dev.Services, world, tc.services, tc.world)
			}
		})
	}
}

func TestWhatIsSimulatedIsCalledAtAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	const given = "https://stock.example"
	l, err := config.Load(config.Default(), config.Sources{Environ: []string{"MILLRACE_SAGA_STOCK_URL=" + given}})
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{service: &service{loaded: l, cfg: l.Config, log: slog.New(slog.DiscardHandler)}}
	if _, err := d.world(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := config.Default()
	for _, c := range contacts() {
		want := c.setting != "saga.stock.url"
		if moved := *c.address(&d.cfg) != *c.address(&before); !want && *c.address(&d.cfg) != given || want && !moved {
			t.Errorf("%s is %s", c.setting, *c.address(&d.cfg))
		}
	}
	if d.cfg.Fulfillment.Carrier.URL != d.cfg.Saga.Carrier.URL || d.cfg.Saga.Payment.URL == d.cfg.Saga.Carrier.URL {
		t.Errorf("carrier at %s and %s, payment at %s", d.cfg.Fulfillment.Carrier.URL, d.cfg.Saga.Carrier.URL, d.cfg.Saga.Payment.URL)
	}
	if err := d.cfg.Saga.Validate(); err != nil {
		t.Error(err)
	}
}
