package outgoing

import (
	"math"
	"time"

	"millrace/consumers/internal/check"
)

// Config is how calls to one dependency are limited.
type Config struct {
	Timeout          time.Duration `mapstructure:"timeout" help:"Longest time for one call, after which it is cancelled and counts as failed; at least 1ms."`
	Concurrency      int           `mapstructure:"concurrency" help:"Calls under way at once; 1 to 65536."`
	MaxWait          time.Duration `mapstructure:"max_wait" help:"Longest time that an event waits inside a call for a free place and for rate limits; beyond it the event is put back, without burning an attempt; 0 to 10s."`
	Rate             float64       `mapstructure:"rate" help:"Calls started per second, in all; 0 for no limit."`
	Burst            int           `mapstructure:"burst" help:"Calls that may be started at once after a pause, in all; at least 1."`
	ShopRate         float64       `mapstructure:"shop_rate" help:"Calls started per second for one shop; 0 for no limit."`
	ShopBurst        int           `mapstructure:"shop_burst" help:"Calls that may be started at once after a pause for one shop; at least 1."`
	GroupRate        float64       `mapstructure:"group_rate" help:"Calls started per second by all processes of the consumer group together; 0 for no limit. Each has the share of its partitions, evenly spread, so that in any time at most group_rate times that time are started, and one more per process. Below 1 is allowed: 0.2 is one in five seconds."`
	GroupConcurrency int           `mapstructure:"group_concurrency" help:"Calls under way at once by all processes of the consumer group together; 0 for no limit. Each has the share of its partitions, rounded down, but at least one: with more processes than this it is one each. Calls under way when partitions move still end."`
	MaxShops         int           `mapstructure:"max_shops" help:"Shops whose limits and breakers are remembered, the last used ones; 1 to 1000000."`
	Breaker          BreakerConfig `mapstructure:"breaker"`
}

// BreakerConfig is when calling stops and how it begins again. Both levels use it. A breaker opens at a share of failures in a window or
// at failures in a row, whichever comes first.
type BreakerConfig struct {
	FailuresInRow     int           `mapstructure:"failures_in_row" help:"Failed calls in a row, whatever their share in the window, at which the breaker of the whole dependency opens; not above the attempts of the retry schedule, or an event that is alone becomes a dead letter first; 1 to 1000000."`
	ShopFailuresInRow int           `mapstructure:"shop_failures_in_row" help:"The same for the breaker of one shop; all its events together burn one attempt less than this before it opens. Below failures_in_row, so that it takes more than one shop to stop all; 1 to 1000000."`
	FailureRatio      float64       `mapstructure:"failure_ratio" help:"Share of failed calls in the window at which the breaker opens; above 0, up to 1."`
	MinimumCalls      int           `mapstructure:"minimum_calls" help:"Calls in the window below which their share does not open the breaker; 1 to 1000000."`
	Window            time.Duration `mapstructure:"window" help:"Time over which calls are counted; at least 100ms."`
	OpenDelay         time.Duration `mapstructure:"open_delay" help:"How long the breaker stays open before calls try whether the dependency is back; doubles each time they fail, up to open_delay_max; at least 10ms. Calls that try burn no attempt."`
	OpenDelayMax      time.Duration `mapstructure:"open_delay_max" help:"Longest time that the breaker stays open between two trials; at least open_delay."`
	HalfOpenCalls     int           `mapstructure:"half_open_calls" help:"Calls under way at once in a trial, and successes, in as many trials as it takes, that close the breaker; 1 to 1000."`
	PerShop           bool          `mapstructure:"per_shop" help:"Keep a breaker per shop as well, for dependencies where a shop has a backend of its own: only the events of a shop whose calls fail wait."`
}

// DefaultConfig suits an HTTP service that answers in well under a second. The concurrency is that of a service's default, so
// that the bulkhead refuses nothing unless one of them is changed. The longest open delay is what a service may need to notice
// that an outage is over; a short one would have every waiting event of a shop that is away written anew again and again.
//
// Failures in a row: for a shop three, so that an outage costs its events two attempts in all, of the five that the schedule has; a
// process that starts during the outage, or takes over a partition, has to find out anew and costs two more. Two would open by chance
// where one call in fifty fails: once in 2 500 calls, three do once in 125 000. For all five, which is more than one shop can bring
// together before its own breaker stops it, and as many as the attempts of one event, which may be the only one there is.
func DefaultConfig() Config {
	return Config{
		Timeout:     5 * time.Second,
		Concurrency: 256,
		MaxWait:     250 * time.Millisecond,
		Burst:       50,
		ShopBurst:   10,
		MaxShops:    10_000,
		Breaker: BreakerConfig{
			FailuresInRow:     5,
			ShopFailuresInRow: 3,
			FailureRatio:      0.5,
			MinimumCalls:      10,
			Window:            10 * time.Second,
			OpenDelay:         5 * time.Second,
			OpenDelayMax:      30 * time.Second,
			HalfOpenCalls:     3,
			PerShop:           true,
		},
	}
}

// Validate returns every problem at once, each with its key.
func (c Config) Validate() error {
	var p check.Problems
	perSecond := func(key string, value float64) {
		if !(value >= 0) || math.IsInf(value, 0) {
			p.Report("%s must be a number of calls per second, or 0 for no limit, is %g", key, value)
		}
	}
	p.AtLeast("timeout", c.Timeout, time.Millisecond)
	p.Between("concurrency", c.Concurrency, 1, 1<<16)
	if c.MaxWait < 0 || c.MaxWait > 10*time.Second {
		p.Report("max_wait must be from 0 to 10s, is %s: what waits inside a call holds a place", c.MaxWait)
	}
	perSecond("rate", c.Rate)
	p.Between("burst", c.Burst, 1, math.MaxInt32)
	perSecond("shop_rate", c.ShopRate)
	p.Between("shop_burst", c.ShopBurst, 1, math.MaxInt32)
	perSecond("group_rate", c.GroupRate)
	p.Between("group_concurrency", c.GroupConcurrency, 0, 1<<16)
	p.Between("max_shops", c.MaxShops, 1, 1_000_000)
	b := c.Breaker
	p.Between("breaker.failures_in_row", b.FailuresInRow, 1, 1_000_000)
	p.Between("breaker.shop_failures_in_row", b.ShopFailuresInRow, 1, 1_000_000)
	if !(b.FailureRatio > 0 && b.FailureRatio <= 1) {
		p.Report("breaker.failure_ratio must be above 0 and at most 1, is %g", b.FailureRatio)
	}
	p.Between("breaker.minimum_calls", b.MinimumCalls, 1, 1_000_000)
	p.AtLeast("breaker.window", b.Window, 100*time.Millisecond)
	p.AtLeast("breaker.open_delay", b.OpenDelay, 10*time.Millisecond)
	if b.OpenDelayMax < b.OpenDelay {
		p.Report("breaker.open_delay_max must be at least breaker.open_delay (%s), is %s", b.OpenDelay, b.OpenDelayMax)
	}
	p.Between("breaker.half_open_calls", b.HalfOpenCalls, 1, 1000)
	return p.Err()
}
