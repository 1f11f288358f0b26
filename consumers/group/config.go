package group

import (
	"fmt"
	"time"

	"millrace/consumers/internal/check"

	"millrace/consumers/group/member"
)

// Config is how an operator runs a service.
type Config struct {
	Member         member.Config `mapstructure:",squash"`
	Concurrency    int           `mapstructure:"concurrency" help:"Events handled at once by this process, each of another entity; 1 to 65536."`
	HandlerTimeout time.Duration `mapstructure:"handler_timeout" help:"Longest time for one event, after which its context ends; at least 10ms."`
	CommitInterval time.Duration `mapstructure:"commit_interval" help:"How often what has finished is committed; 10ms to 10s. What is not committed is repeated after a crash."`
	BufferBytes    int           `mapstructure:"buffer_bytes" help:"Bytes of events held in memory by this process; reading stops above it; at least 1MiB."`
	MaxUnfinished  int           `mapstructure:"max_unfinished" help:"Unfinished events per partition, beyond which that partition alone is not read on; 1 to 1500, which is what the commit metadata has room for."`
	DeadLetter     string        `mapstructure:"dead_letter" help:"What happens to later events of an entity after a dead letter: continue with them, or park them until the dead letter is redriven or dropped."`
	Activity       bool          `mapstructure:"activity" help:"Write what the service did with each event to the topic millrace.activity, for the story of an order; nothing waits for it, and records that Kafka does not take in time are dropped."`
	Retry          RetryConfig   `mapstructure:"retry"`
	State          StateConfig   `mapstructure:"state"`
}

// RetryConfig is the schedule.
type RetryConfig struct {
	Schedule    []time.Duration `mapstructure:"schedule" help:"Wait before each attempt, the first included; after the last attempt the event is a dead letter."`
	Jitter      float64         `mapstructure:"jitter" help:"Share of each wait that is random, 0 to 1, so that what failed together does not come back together."`
	InlineMax   time.Duration   `mapstructure:"inline_max" help:"Longest wait in memory; a longer one is waited in the retry topic, with the later events of the entity behind it."`
	NotReadyMax time.Duration   `mapstructure:"not_ready_max" help:"How long an event may wait in all for one that it needs; then it is a dead letter."`
}

// StateConfig is where a service's state is cached; the truth is in its state topics.
type StateConfig struct {
	Cache string `mapstructure:"cache" help:"Where the state of a service is cached: memory, or pebble for state that is larger than memory."`
	Dir   string `mapstructure:"dir" help:"Folder of the pebble cache; of one process alone; it may be lost at any time. Empty: a folder of its own in the system's temporary files."`
}

// Values of Config.DeadLetter and StateConfig.Cache.
const (
	DeadLetterContinue = "continue"
	DeadLetterPark     = "park"
	CacheMemory        = "memory"
	CachePebble        = "pebble"
)

// DefaultConfig returns the settings of a service in the consumer group id. The schedule gives up after 30 s.
func DefaultConfig(id string) Config {
	return Config{
		Member:         member.DefaultConfig(id),
		Concurrency:    256,
		HandlerTimeout: 30 * time.Second,
		CommitInterval: 100 * time.Millisecond,
		BufferBytes:    32 << 20,
		MaxUnfinished:  1000,
		DeadLetter:     DeadLetterContinue,
		Retry: RetryConfig{
			Schedule:    []time.Duration{0, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second},
			Jitter:      0.1,
			InlineMax:   4 * time.Second,
			NotReadyMax: 10 * time.Minute,
		},
		State: StateConfig{Cache: CacheMemory},
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	p := check.Problems{c.Member.Validate()}
	p.Between("concurrency", c.Concurrency, 1, 1<<16)
	p.AtLeast("handler_timeout", c.HandlerTimeout, 10*time.Millisecond)
	if c.CommitInterval < 10*time.Millisecond || c.CommitInterval > 10*time.Second {
		p.Report("commit_interval must be from 10ms to 10s, is %s", c.CommitInterval)
	}
	if c.BufferBytes < 1<<20 {
		p.Report("buffer_bytes must be at least %d, is %d", 1<<20, c.BufferBytes)
	}
	p.Between("max_unfinished", c.MaxUnfinished, 1, 1500)
	if c.DeadLetter != DeadLetterContinue && c.DeadLetter != DeadLetterPark {
		p.Report("dead_letter must be %s or %s, is %q", DeadLetterContinue, DeadLetterPark, c.DeadLetter)
	}
	if n := len(c.Retry.Schedule); n < 1 || n > 1000 {
		p.Report("retry.schedule must have from 1 to 1000 waits, has %d", n)
	}
	for i, d := range c.Retry.Schedule {
		p.AtLeast(fmt.Sprintf("retry.schedule[%d]", i), d, 0)
	}
	if !(c.Retry.Jitter >= 0 && c.Retry.Jitter <= 1) {
		p.Report("retry.jitter must be from 0 to 1, is %g", c.Retry.Jitter)
	}
	if c.Retry.InlineMax < 0 || c.Retry.InlineMax > time.Minute {
		p.Report("retry.inline_max must be from 0 to 1m, is %s: later events of the entity are held in memory meanwhile", c.Retry.InlineMax)
	}
	p.AtLeast("retry.not_ready_max", c.Retry.NotReadyMax, 0)
	if c.State.Cache != CacheMemory && c.State.Cache != CachePebble {
		p.Report("state.cache must be %s or %s, is %q", CacheMemory, CachePebble, c.State.Cache)
	}
	return p.Err()
}
