package engine

import (
	"errors"
	"fmt"
	"net"
	"time"

	"millrace/schemas/secret"
)

// Config is what an operator may change about the embedded engine.
type Config struct {
	Addr           string        `mapstructure:"addr" help:"Loopback address of the engine's HTTP interface; port 0 picks a free one."`
	DataDir        string        `mapstructure:"data_dir" help:"Directory of the engine's data; one engine at a time may use it."`
	Library        string        `mapstructure:"library" help:"Path of libchdb, as package fetch returns it."`
	Fsync          bool          `mapstructure:"fsync" help:"Whether an insert is on disk, not only with the operating system, before it is acknowledged."`
	User           string        `mapstructure:"user" help:"The one user that may log in."`
	Password       secret.Secret `mapstructure:"password" help:"Password of the user; empty means none is asked for."`
	Connections    int           `mapstructure:"connections" help:"Statements that run at once; more wait their turn."`
	MaxMemoryBytes int64         `mapstructure:"max_memory_bytes" help:"Memory in bytes that all statements together may take before the engine refuses one."`
	StartTimeout   time.Duration `mapstructure:"start_timeout" help:"How long a started engine may take until it answers."`
	StopTimeout    time.Duration `mapstructure:"stop_timeout" help:"How long the engine may take to stop before it is killed."`
}

// DefaultConfig is a small engine on ClickHouse's usual port. DataDir and Library have no default.
func DefaultConfig() Config {
	return Config{
		Addr:           "127.0.0.1:8123",
		User:           "default",
		Connections:    6,
		MaxMemoryBytes: 4 << 30,
		StartTimeout:   60 * time.Second,
		StopTimeout:    10 * time.Second,
	}
}

// Validate returns all problems at once, each beginning with its key.
func (c Config) Validate() error {
	var errs []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		errs = append(errs, fmt.Errorf("addr must be host:port, is %q", c.Addr))
	}
	add(c.DataDir == "", "data_dir must not be empty")
	add(c.Library == "", "library must not be empty")
	add(c.User == "", "user must not be empty")
	add(c.Connections < 1 || c.Connections > 64, "connections must be between 1 and 64, is %d", c.Connections)
	add(c.MaxMemoryBytes < 256<<20, "max_memory_bytes must be at least 268435456 (256 MiB), is %d", c.MaxMemoryBytes)
	add(c.StartTimeout <= 0, "start_timeout must be positive, is %s", c.StartTimeout)
	add(c.StopTimeout <= 0, "stop_timeout must be positive, is %s", c.StopTimeout)
	return errors.Join(errs...)
}

// ServeConfig is what one engine process needs to know; Supervisor makes it from a Config.
type ServeConfig struct {
	Addr           string `json:"addr"`
	DataDir        string `json:"data_dir"`
	Library        string `json:"library"`
	Fsync          bool   `json:"fsync"`
	User           string `json:"user"`
	Password       string `json:"password"` // crosses a private pipe, never an argument list or a log
	Connections    int    `json:"connections"`
	MaxMemoryBytes int64  `json:"max_memory_bytes"`
}

func (c Config) serveConfig() ServeConfig {
	return ServeConfig{
		Addr: c.Addr, DataDir: c.DataDir, Library: c.Library, Fsync: c.Fsync, User: c.User,
		Password: c.Password.Reveal(), Connections: c.Connections, MaxMemoryBytes: c.MaxMemoryBytes,
	}
}
