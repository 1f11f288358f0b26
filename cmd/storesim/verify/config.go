package verify

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"millrace/schemas/secret"
)

// Config is what a user may set.
type Config struct {
	Ledger     string        `mapstructure:"ledger"           help:"File of the ledger that storesim send wrote."`
	ClickHouse string        `mapstructure:"clickhouse"       help:"Address of ClickHouse's HTTP interface, e.g. http://127.0.0.1:8123."`
	Database   string        `mapstructure:"database"         help:"Database that holds the events table."`
	User       string        `mapstructure:"user"             help:"ClickHouse user; empty means the server's default."`
	Password   secret.Secret `mapstructure:"password"         help:"Password of the user."`
	Wait       time.Duration `mapstructure:"wait"             help:"How long to wait for missing events to arrive; 0 means to look once."`
}

// DefaultConfig looks once at a ClickHouse on this machine. Ledger is left empty.
func DefaultConfig() Config {
	return Config{ClickHouse: "http://127.0.0.1:8123", Database: "millrace"}
}

// Validate returns all mistakes at once, each with its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(c.ClickHouse)
	bad(c.Ledger == "", "ledger must not be empty")
	bad(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "", "clickhouse must be an http or https URL, is %q", c.ClickHouse)
	bad(c.Database == "", "database must not be empty")
	bad(c.User == "" && c.Password != "", "user must not be empty when there is a password")
	bad(c.Wait < 0, "wait must not be negative, is %v", c.Wait)
	return errors.Join(errs...)
}
