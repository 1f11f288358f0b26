package analytics

import (
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group/member"
)

// maxBatchRows keeps a batch below the server's min_insert_block_size_rows: a bigger one would be cut into several blocks,
// and the block's number is part of its deduplication id.
const maxBatchRows = 1_000_000

// Config is the section "analytics".
type Config struct {
	member.Config     `mapstructure:",squash"`
	BatchRows         int           `mapstructure:"batch_rows" help:"Most rows of a partition's batch, which under load it grows to; 1 to 1000000. Batches begin with an eighth."`
	BatchBytes        int           `mapstructure:"batch_bytes" help:"Most bytes of keys, values and headers in a partition's batch, which under load it grows to; 1 to 134217728. Batches begin with an eighth; a single larger record makes one of its own."`
	BatchLinger       time.Duration `mapstructure:"batch_linger" help:"Longest time a record waits for its batch to fill before the batch is due; 0 inserts at once."`
	InsertConcurrency int           `mapstructure:"insert_concurrency" help:"Inserts under way at once; 1 to 32."`
	InsertsPerSecond  int           `mapstructure:"inserts_per_second" help:"Most inserts started per second by this process; due batches beyond it go on filling, oldest first, so that ClickHouse gets fewer and larger parts; at least 1."`
	InsertTimeout     time.Duration `mapstructure:"insert_timeout" help:"Deadline of one insert, or one read-back, after which it is repeated, an insert with the same token; at least 100ms."`
	RetryBackoffMin   time.Duration `mapstructure:"retry_backoff_min" help:"Wait after the first failed insert; doubles up to retry_backoff_max, with jitter; at least 1ms."`
	RetryBackoffMax   time.Duration `mapstructure:"retry_backoff_max" help:"Longest wait between two tries of an insert; at least retry_backoff_min."`
	BufferBytes       int           `mapstructure:"buffer_bytes" help:"Bytes of records held in all batches together; fetching pauses above it; at least batch_bytes."`
}

// DefaultConfig suits one process of two cores beside a ClickHouse of the same size; DESIGN.md has the measurements.
func DefaultConfig() Config {
	return Config{
		Config:            member.DefaultConfig("millrace-analytics"),
		BatchRows:         50_000,
		BatchBytes:        4 << 20,
		BatchLinger:       500 * time.Millisecond,
		InsertConcurrency: 2,
		InsertsPerSecond:  30,
		InsertTimeout:     30 * time.Second,
		RetryBackoffMin:   100 * time.Millisecond,
		RetryBackoffMax:   5 * time.Second,
		BufferBytes:       24 << 20,
	}
}

// replays is how many pending batches of predecessors are held at once: a range cannot be cut, so their number is what bounds them.
func (c Config) replays() int {
	return min(max(c.BufferBytes/c.BatchBytes, 1), c.InsertConcurrency)
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	p := check.Problems{c.Config.Validate()}
	p.Between("batch_rows", c.BatchRows, 1, maxBatchRows)
	p.Between("batch_bytes", c.BatchBytes, 1, 128<<20)
	p.AtLeast("batch_linger", c.BatchLinger, 0)
	p.Between("insert_concurrency", c.InsertConcurrency, 1, 32)
	p.Between("inserts_per_second", c.InsertsPerSecond, 1, 10_000)
	p.AtLeast("insert_timeout", c.InsertTimeout, 100*time.Millisecond)
	p.AtLeast("retry_backoff_min", c.RetryBackoffMin, time.Millisecond)
	if c.RetryBackoffMax < c.RetryBackoffMin {
		p.Report("retry_backoff_max must be at least retry_backoff_min (%s), is %s", c.RetryBackoffMin, c.RetryBackoffMax)
	}
	if c.BufferBytes < c.BatchBytes {
		p.Report("buffer_bytes must be at least batch_bytes (%d), is %d", c.BatchBytes, c.BufferBytes)
	}
	return p.Err()
}
