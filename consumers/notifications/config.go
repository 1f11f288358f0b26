package notifications

import (
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strings"
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

// Config is the section "notifications".
type Config struct {
	Consumer   group.Config    `mapstructure:"consumer"`
	SMTP       SMTPConfig      `mapstructure:"smtp"`
	From       FromConfig      `mapstructure:"from"`
	ReplyTo    string          `mapstructure:"reply_to" help:"Address to which customers answer; {shop} stands for the shop's name. Empty: from.address."`
	OrderOn    string          `mapstructure:"order_on" help:"When an order is confirmed: created; paid; or saga, when the last step of a saga asks for it (mail.confirm), in the currency of the shop."`
	ShippingOn string          `mapstructure:"shipping_on" help:"When a shipment is confirmed: tracked, with its first tracking number, or created, with or without one."`
	MaxAge     time.Duration   `mapstructure:"max_age" help:"Events that happened longer ago are passed over, so that the first start of the service does not mail the customers of last week; 0 for no limit."`
	Templates  string          `mapstructure:"templates" help:"Folder with templates of your own, in the place of the built-in ones of the same name: order_subject.txt, order.txt, order.html, shipping_subject.txt, shipping.txt, shipping.html."`
	Call       outgoing.Config `mapstructure:"call"`
}

// SMTPConfig is how the service reaches its mail server.
type SMTPConfig struct {
	Address         string        `mapstructure:"address" help:"Mail server, host:port."`
	TLS             string        `mapstructure:"tls" help:"Encryption: none, starttls (demanded, never given up), or tls from the first byte."`
	CAFile          string        `mapstructure:"ca_file" help:"PEM file of the certificate authorities that may sign the server's certificate; empty for the system's."`
	Username        string        `mapstructure:"username" help:"User of the login; empty for no login."`
	Password        secret.Secret `mapstructure:"password" help:"Password of the login."`
	HelloName       string        `mapstructure:"hello_name" help:"Name that this machine gives itself in EHLO; empty for its host name."`
	IdleConnections int           `mapstructure:"idle_connections" help:"Connections kept open between mails; 0 to 1000."`
	IdleTimeout     time.Duration `mapstructure:"idle_timeout" help:"How long a connection is kept open between mails; at least 10ms."`
}

// FromConfig is whom the mails come from.
type FromConfig struct {
	Address string `mapstructure:"address" help:"Address of the sender, for customers and for the mail server; {shop} stands for the shop's name, which is its domain without .myshopify.com."`
	Name    string `mapstructure:"name" help:"Name of the sender; {shop} stands for the shop's name."`
}

// Values of Config.OrderOn and Config.ShippingOn.
const (
	OrderCreated    = "created"
	OrderPaid       = "paid"
	OrderSaga       = "saga"
	ShippingTracked = "tracked"
	ShippingCreated = "created"
)

// shopPlaceholder stands for the shop's name in the settings of the sender.
const shopPlaceholder = "{shop}"

// connections is how many mails are handed over at once: mail servers allow one client some dozens.
const connections = 16

// DefaultConfig works against `storesim backends`. Its schedule is longer than that of other services, because a mail server that
// says "later" means minutes. There is one mail server for all shops, so there is no breaker per shop.
func DefaultConfig() Config {
	consumer := group.DefaultConfig("millrace-notifications")
	consumer.Concurrency = connections
	consumer.Activity = true
	consumer.Retry.Schedule = []time.Duration{0, 2 * time.Second, 8 * time.Second, time.Minute, 10 * time.Minute, time.Hour}
	call := outgoing.DefaultConfig()
	call.Concurrency, call.Timeout, call.Breaker.PerShop = connections, 20*time.Second, false
	return Config{
		Consumer:   consumer,
		SMTP:       SMTPConfig{Address: "127.0.0.1:8025", TLS: TLSNone, IdleConnections: connections, IdleTimeout: 5 * time.Second},
		From:       FromConfig{Address: "notifications@localhost", Name: shopPlaceholder},
		OrderOn:    OrderCreated,
		ShippingOn: ShippingTracked,
		MaxAge:     72 * time.Hour,
		Call:       call,
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	p.Part("consumer", c.Consumer.Validate())
	p.Part("smtp", c.SMTP.Validate())
	p.Part("call", c.Call.Validate())
	if err := address(c.From.Address); err != nil {
		p.Report("from.address %w", err)
	}
	if c.ReplyTo != "" {
		if err := address(c.ReplyTo); err != nil {
			p.Report("reply_to %w", err)
		}
	}
	if c.OrderOn != OrderCreated && c.OrderOn != OrderPaid && c.OrderOn != OrderSaga {
		p.Report("order_on must be %s, %s or %s, is %q", OrderCreated, OrderPaid, OrderSaga, c.OrderOn)
	}
	if c.ShippingOn != ShippingTracked && c.ShippingOn != ShippingCreated {
		p.Report("shipping_on must be %s or %s, is %q", ShippingTracked, ShippingCreated, c.ShippingOn)
	}
	if c.MaxAge < 0 {
		p.Report("max_age must not be negative, is %s", c.MaxAge)
	}
	if wait := c.Call.Timeout + c.Call.MaxWait; wait > c.Consumer.HandlerTimeout {
		p.Report("call.timeout and call.max_wait must together be at most consumer.handler_timeout (%s), are %s", c.Consumer.HandlerTimeout, wait)
	}
	return p.Err()
}

// Validate returns every problem at once, each with its key.
func (c SMTPConfig) Validate() error {
	var p check.Problems
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		p.Report("address must be host:port, is %q", c.Address)
	}
	if modes := []string{TLSNone, TLSStartTLS, TLSImplicit}; !slices.Contains(modes, c.TLS) {
		p.Report("tls must be %s, %s or %s, is %q", TLSNone, TLSStartTLS, TLSImplicit, c.TLS)
	}
	if c.Username == "" && c.Password != "" {
		p.Report("username must not be empty where there is a password")
	}
	if c.Username != "" && c.TLS == TLSNone && !loopback(host) {
		p.Report("tls must be %s or %s where there is a username: the password would travel in the clear", TLSStartTLS, TLSImplicit)
	}
	if c.IdleConnections < 0 || c.IdleConnections > 1000 {
		p.Report("idle_connections must be from 0 to 1000, is %d", c.IdleConnections)
	}
	if c.IdleTimeout < 10*time.Millisecond {
		p.Report("idle_timeout must be at least 10ms, is %s", c.IdleTimeout)
	}
	return p.Err()
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// address checks a setting that may hold the placeholder.
func address(text string) error {
	a, err := mail.ParseAddress(forShop(text, "acme"))
	if err != nil || a.Address != forShop(text, "acme") {
		return fmt.Errorf("must be an e-mail address, is %q", text)
	}
	return nil
}

// forShop puts the shop's name in the place of the placeholder.
func forShop(text, shop string) string { return strings.ReplaceAll(text, shopPlaceholder, shop) }
