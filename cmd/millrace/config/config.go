package config

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"

	"millrace/cmd/millrace/admin"
	"millrace/console"
	"millrace/consumers/analytics"
	"millrace/consumers/analytics/database"
	"millrace/consumers/erp"
	"millrace/consumers/forward"
	"millrace/consumers/fulfillment"
	"millrace/consumers/group"
	"millrace/consumers/inventory"
	"millrace/consumers/notifications"
	"millrace/consumers/orderstate"
	"millrace/consumers/reconcile"
	"millrace/consumers/saga"
	"millrace/ingest"
	"millrace/partitioning/kafkaconn"
	"millrace/schemas"
)

// Config is the whole configuration of the program: one section per part, each owned by the part's package.
type Config struct {
	Kafka         kafkaconn.Config           `mapstructure:"kafka"`
	Topics        schemas.PlanOptions        `mapstructure:"topics"`
	ClickHouse    database.Config            `mapstructure:"clickhouse"`
	Ingest        ingest.Config              `mapstructure:"ingest"`
	Analytics     analytics.Config           `mapstructure:"analytics"`
	Inventory     inventory.Config           `mapstructure:"inventory"`
	Notifications notifications.Config       `mapstructure:"notifications"`
	Fulfillment   fulfillment.Config         `mapstructure:"fulfillment"`
	ERP           erp.Config                 `mapstructure:"erp"`
	Forward       forward.Config             `mapstructure:"forward"`
	OrderState    orderstate.Config          `mapstructure:"orderstate"`
	Translate     orderstate.TranslateConfig `mapstructure:"translate"`
	Saga          saga.Config                `mapstructure:"saga"`
	Own           Own                        `mapstructure:"own"`
	Reconcile     reconcile.Config           `mapstructure:"reconcile"`
	Console       console.Config             `mapstructure:"console"`
	Admin         admin.Config               `mapstructure:"admin"`
	Log           Log                        `mapstructure:"log"`
	Dev           Dev                        `mapstructure:"dev"`
}

// Own is how services are run that have no section: those of the user's own. The name of each is added to the group.
type Own struct {
	Consumer group.Config `mapstructure:"consumer"`
}

func defaultOwn() Own {
	c := Own{Consumer: group.DefaultConfig("millrace")}
	c.Consumer.Activity = true
	return c
}

// Validate checks the values on their own.
func (c Own) Validate() error {
	var errs []error
	for _, err := range leaves(c.Consumer.Validate()) {
		errs = append(errs, fmt.Errorf("consumer.%w", err))
	}
	return errors.Join(errs...)
}

// Log is how the program logs. Logs go to the standard error output.
type Log struct {
	Format string `mapstructure:"format" help:"How log lines look: json, text, or auto, which is text on a terminal and json elsewhere."`
	Level  string `mapstructure:"level" help:"Least severe level that is logged: debug, info, warn or error."`
}

// Validate checks the values on their own.
func (c Log) Validate() error {
	var errs []error
	if formats := []string{"auto", "json", "text"}; !slices.Contains(formats, c.Format) {
		errs = append(errs, fmt.Errorf("format must be auto, json or text, is %q", c.Format))
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, c.Level) {
		errs = append(errs, fmt.Errorf("level must be debug, info, warn or error, is %q", c.Level))
	}
	return errors.Join(errs...)
}

// Dev is what `millrace dev` adds to the other sections: the embedded Kafka and ClickHouse, and the simulated store.
type Dev struct {
	Kafka      string   `mapstructure:"kafka" help:"Address of the embedded Kafka broker, host:port."`
	ClickHouse string   `mapstructure:"clickhouse" help:"Address of the embedded ClickHouse's HTTP interface, host:port."`
	Data       string   `mapstructure:"data" help:"Folder for all data; made if it is missing. One process at a time."`
	Simulate   float64  `mapstructure:"simulate" help:"Webhooks per second that a simulated store sends to this process; 0 for none."`
	Services   []string `mapstructure:"services" help:"Services to run as well, by the names of 'millrace consume': inventory, notifications, fulfillment, erp, forward, orderstate, translate, saga. Their topics exist in any case. With dev.simulate and a broker of its own, inventory, notifications, translate and orderstate unless said otherwise: what services call is simulated too, where its address is not given."`
	Open       bool     `mapstructure:"open" help:"Show the console in the web browser once everything runs, where there is a terminal and a browser."`
	Fsync      bool     `mapstructure:"fsync" help:"Write through to the disk before an event counts as stored, so that it survives a power loss and not only a crash of the process. Slower."`
}

// Validate checks the values on their own. Whether the addresses are free is seen when they are taken; which services there are,
// the commands know.
func (c Dev) Validate() error {
	var errs []error
	for _, a := range []struct{ key, addr string }{{"kafka", c.Kafka}, {"clickhouse", c.ClickHouse}} {
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			errs = append(errs, fmt.Errorf("%s must be host:port, is %q", a.key, a.addr))
		}
	}
	if c.Data == "" {
		errs = append(errs, errors.New("data must name a folder"))
	}
	if c.Simulate < 0 || c.Simulate > maxSimulate {
		errs = append(errs, fmt.Errorf("simulate must be from 0 to %d webhooks per second, is %v", maxSimulate, c.Simulate))
	}
	for i, name := range c.Services {
		if slices.Contains(c.Services[:i], name) {
			errs = append(errs, fmt.Errorf("services[%d] must not be there twice, is %q", i, name))
		}
	}
	return errors.Join(errs...)
}

// maxSimulate is far more than the one process takes: a flood is storesim's job.
const maxSimulate = 100_000

// Default returns the configuration of a program that was told nothing.
func Default() Config {
	return Config{
		Kafka:         kafkaconn.DefaultConfig(),
		Topics:        schemas.DefaultPlanOptions(),
		ClickHouse:    database.DefaultConfig(),
		Ingest:        ingest.DefaultConfig(),
		Analytics:     analytics.DefaultConfig(),
		Inventory:     inventory.DefaultConfig(),
		Notifications: notifications.DefaultConfig(),
		Fulfillment:   fulfillment.DefaultConfig(),
		ERP:           erp.DefaultConfig(),
		Forward:       forward.DefaultConfig(),
		OrderState:    orderstate.DefaultConfig(),
		Translate:     orderstate.DefaultTranslateConfig(),
		Saga:          saga.DefaultConfig(),
		Own:           defaultOwn(),
		Reconcile:     reconcile.DefaultConfig(),
		Console:       console.DefaultConfig(),
		Admin:         admin.DefaultConfig(),
		Log:           Log{Format: "auto", Level: "info"},
		Dev: Dev{
			Kafka:      "127.0.0.1:9092",
			ClickHouse: "127.0.0.1:8123",
			Data:       "millrace-data",
		},
	}
}

// Sections returns the names of all sections, in the order of Config.
func Sections() []string {
	var names []string
	for f := range reflect.TypeFor[Config]().Fields() {
		names = append(names, f.Tag.Get("mapstructure"))
	}
	return names
}

// validator is what every section is. A section that is not panics, in a test.
type validator interface{ Validate() error }

// Check validates the given sections, or all where none is given. It returns an *Error.
func (l *Loaded) Check(sections ...string) error {
	var problems []Problem
	root := reflect.ValueOf(l.Config)
	for i, name := range Sections() {
		if len(sections) > 0 && !slices.Contains(sections, name) {
			continue
		}
		for _, err := range leaves(root.Field(i).Interface().(validator).Validate()) {
			problems = append(problems, l.problem(name, err))
		}
	}
	return asError(problems)
}

// problem turns what a section's Validate said, a sentence that begins with the key inside the section, into a Problem
// with the full key and its origin.
func (l *Loaded) problem(section string, err error) Problem {
	inner, text, _ := strings.Cut(err.Error(), " ")
	p := Problem{Key: section + "." + strings.TrimSuffix(inner, ":"), Text: text}
	key, _, _ := strings.Cut(p.Key, "[")
	for _, s := range l.settings {
		if s.Key != key {
			continue
		}
		p.Origin = l.origins[s.Key]
		if _, given := l.origins[s.Key]; !given {
			p.Advice = "it is not set: use " + s.Env + ", --" + s.Flag + " or the file"
		}
	}
	return p
}

// Origin returns where the value of key came from.
func (l *Loaded) Origin(key string) Origin { return l.origins[key] }

// Given tells whether key was set by any layer above the defaults.
func (l *Loaded) Given(key string) bool { return l.origins[key].Layer != LayerDefault }

// Changed returns the settings that some layer above the defaults gave, with their values; secrets are masked. It is
// for the log line of a start.
func (l *Loaded) Changed() map[string]string {
	root := reflect.ValueOf(l.Config)
	changed := map[string]string{}
	for _, s := range l.settings {
		if s.fileOf != "" || (!l.Given(s.Key) && !l.Given(s.Key+"_file")) {
			continue
		}
		changed[s.Key] = format(root.FieldByIndex(s.index), s.kind)
	}
	return changed
}
