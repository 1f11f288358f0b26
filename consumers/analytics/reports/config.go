package reports

import (
	"time"

	"millrace/consumers/internal/check"
)

// Config bounds what one query may cost the server.
type Config struct {
	Timeout     time.Duration `mapstructure:"timeout" help:"Longest time for one query, after which the server ends it; 100ms to 10m."`
	MaxThreads  int           `mapstructure:"max_threads" help:"Threads of the server that one query may use; 1 to 256."`
	MaxRows     int           `mapstructure:"max_rows" help:"Rows that one query may read, beyond which it is refused; at least 1000."`
	MaxBytes    int           `mapstructure:"max_bytes" help:"Bytes that one query may read, beyond which it is refused; at least 1MiB."`
	MaxMemory   int           `mapstructure:"max_memory" help:"Memory of the server that one query may use; at least 16MiB."`
	Concurrency int           `mapstructure:"concurrency" help:"Queries under way at once from this process; more wait for their turn; 1 to 64."`
}

// DefaultConfig suits a server of two cores that takes inserts at the same time.
func DefaultConfig() Config {
	return Config{
		Timeout:     10 * time.Second,
		MaxThreads:  2,
		MaxRows:     500_000_000,
		MaxBytes:    32 << 30,
		MaxMemory:   1 << 30,
		Concurrency: 4,
	}
}

const (
	leastTimeout = 100 * time.Millisecond
	mostTimeout  = 10 * time.Minute
)

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	if c.Timeout < leastTimeout || c.Timeout > mostTimeout {
		p.Report("timeout must be from %s to %s, is %s", leastTimeout, mostTimeout, c.Timeout)
	}
	p.Between("max_threads", c.MaxThreads, 1, 256)
	p.Between("max_rows", c.MaxRows, 1000, 1<<50)
	p.Between("max_bytes", c.MaxBytes, 1<<20, 1<<60)
	p.Between("max_memory", c.MaxMemory, 16<<20, 1<<50)
	p.Between("concurrency", c.Concurrency, 1, 64)
	return p.Err()
}
