package backends

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"millrace/cmd/storesim/backends/faults"
	"millrace/schemas/secret"
)

// Config is what a user may set.
type Config struct {
	StockListen   string        `mapstructure:"stock_listen"   help:"Address of the stock API, host:port; port 0 takes a free one."`
	PaymentListen string        `mapstructure:"payment_listen" help:"Address of the payment API, likewise."`
	CarrierListen string        `mapstructure:"carrier_listen" help:"Address of the carrier API, likewise."`
	ERPListen     string        `mapstructure:"erp_listen"     help:"Address of the ERP API, likewise."`
	HookListen    string        `mapstructure:"hook_listen"    help:"Address of the hook, which events are forwarded to, likewise."`
	SMTPListen    string        `mapstructure:"smtp_listen"    help:"Address of the SMTP server, likewise."`
	AdminListen   string        `mapstructure:"admin_listen"   help:"Address of the admin API, likewise. It has no password: keep it on loopback."`
	StockToken    secret.Secret `mapstructure:"stock_token"    help:"Bearer token that the stock API asks for; empty for none."`
	PaymentToken  secret.Secret `mapstructure:"payment_token"  help:"Bearer token that the payment API asks for; empty for none."`
	CarrierToken  secret.Secret `mapstructure:"carrier_token"  help:"Bearer token that the carrier API asks for; empty for none."`
	ERPToken      secret.Secret `mapstructure:"erp_token"      help:"Bearer token that the ERP API asks for; empty for none."`
	HookToken     secret.Secret `mapstructure:"hook_token"     help:"Bearer token that the hook asks for; empty for none."`
	HookSecret    secret.Secret `mapstructure:"hook_secret"    help:"Secret that the hook verifies X-Millrace-Signature with; empty: signatures are not looked at."`
	SMTPUser      string        `mapstructure:"smtp_user"      help:"User that has to authenticate (AUTH PLAIN) before mail is taken; empty for none."`
	SMTPPassword  secret.Secret `mapstructure:"smtp_password"  help:"Password of the user."`
	SMTPCA        string        `mapstructure:"smtp_ca"        help:"Offer STARTTLS, with a certificate made for this run, and write that to this PEM file for clients to trust."`

	CarrierShipAfter    time.Duration `mapstructure:"carrier_ship_after"    help:"Time after which an accepted shipment leaves and cannot be cancelled any more; 0 for never."`
	CarrierDeliverAfter time.Duration `mapstructure:"carrier_deliver_after" help:"Time from its leaving until it is delivered; 0 for never."`

	Seed uint64 `mapstructure:"seed" help:"Start of all chance: the n-th try of a key meets the same fault in every run; 0 means a new one on each run."`

	Faults     faults.Set       `mapstructure:"-"`
	Quantities map[string]int64 `mapstructure:"-"` // per SKU and shop; unlimited without an entry, unless there is one for stock.AnySKU
}

// DefaultConfig returns healthy backends with endless stock on loopback.
func DefaultConfig() Config {
	return Config{
		StockListen: "127.0.0.1:8090", PaymentListen: "127.0.0.1:8092", CarrierListen: "127.0.0.1:8093", ERPListen: "127.0.0.1:8094", HookListen: "127.0.0.1:8095",
		SMTPListen: "127.0.0.1:8025", AdminListen: "127.0.0.1:8091",
	}
}

// admin is the name of the admin API among those of the backends.
const admin = "admin"

// address is one that is listened on.
type address struct {
	name string // of the backend, or admin
	at   *string
}

func (c *Config) addresses() []address {
	return []address{
		{faults.Stock, &c.StockListen},
		{faults.Payment, &c.PaymentListen},
		{faults.Carrier, &c.CarrierListen},
		{faults.ERP, &c.ERPListen},
		{faults.Hook, &c.HookListen},
		{faults.SMTP, &c.SMTPListen},
		{admin, &c.AdminListen},
	}
}

// ListenAt sets all addresses: next is asked for one after another.
func (c *Config) ListenAt(next func() (string, error)) error {
	for _, a := range c.addresses() {
		var err error
		if *a.at, err = next(); err != nil {
			return err
		}
	}
	return nil
}

// Validate returns all mistakes at once, each with its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, a := range c.addresses() {
		_, _, err := net.SplitHostPort(*a.at)
		bad(err != nil, "%s_listen must be host:port, is %q", a.name, *a.at)
	}
	bad((c.SMTPUser == "") != (c.SMTPPassword == ""), "smtp_user must be set together with smtp_password")
	bad(c.CarrierShipAfter < 0, "carrier_ship_after must not be negative, is %v", c.CarrierShipAfter)
	bad(c.CarrierDeliverAfter < 0, "carrier_deliver_after must not be negative, is %v", c.CarrierDeliverAfter)
	errs = append(errs, checkQuantities(c.Quantities), c.Faults.Validate())
	return errors.Join(errs...)
}

func checkQuantities(q map[string]int64) error {
	for sku, n := range q {
		if n < 0 {
			return fmt.Errorf("quantity of %s must not be negative, is %d", sku, n)
		}
	}
	return nil
}

// Deps is what the program hands over.
type Deps struct {
	Logger *slog.Logger // required
	Ledger io.Writer    // gets the lines of the ledger of effects; nil: none are written
	// Ready is told the addresses when all backends are listening. May be nil.
	Ready func(Addresses)
}

// Addresses is where the backends are, with the ports really bound.
type Addresses struct {
	Stock   string `json:"stock"` // URLs, all but SMTP
	Payment string `json:"payment"`
	Carrier string `json:"carrier"`
	ERP     string `json:"erp"`
	Hook    string `json:"hook"`
	SMTP    string `json:"smtp"` // host:port
	Admin   string `json:"admin"`
	Seed    uint64 `json:"seed"`
}
