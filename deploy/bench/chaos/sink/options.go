package sink

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"millrace/consumers/analytics"
	"millrace/deploy/bench/chaos/sink/proxy"
)

// Options are the command line.
type Options struct {
	Short           bool
	WithoutReadBack bool
	Dir             string
	Seed            uint64

	Rate       float64
	Duration   time.Duration
	Shops      int
	Partitions int
	Sinks      int
	Session    time.Duration
	Insert     time.Duration
	Aborted    float64
	Duplicates float64
	Disorder   float64
	Drain      time.Duration

	Kills, Stops, Zombies, LateKills, Joins, Brokers, Engine int

	Harm bool // whether the proxy harms inserts by chance
}

// parse reads the flags. -short and -without-read-back change defaults, never what was given.
func parse(args []string, out io.Writer) (Options, error) {
	var o Options
	var target, bin string
	f := flag.NewFlagSet("chaos -target sink", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&target, "target", "sink", "what to run; this help is that of sink, the analytics sink between a real Kafka and the engine")
	f.StringVar(&bin, "bin", "", "not used by this target")
	f.BoolVar(&o.Short, "short", false, "the short form, two minutes in all; flags that are given still count")
	f.BoolVar(&o.WithoutReadBack, "without-read-back", false, "leave out the sinks' read-back: the run succeeds when it finds rows missing")
	f.StringVar(&o.Dir, "dir", "", "folder for data, logs and report; a new temporary one when empty, removed when nothing is wrong")
	f.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "seed of the story and of the harm")
	f.Float64Var(&o.Rate, "rate", 2_000, "committed events per second (short: 1000)")
	f.DurationVar(&o.Duration, "duration", 15*time.Minute, "how long events are sent and harm is done (short: 1m)")
	f.IntVar(&o.Shops, "shops", 120, "shops that the events come from")
	f.IntVar(&o.Partitions, "partitions", 4, "partitions of each topic")
	f.IntVar(&o.Sinks, "sinks", 3, "sink processes, 2 to 8")
	f.DurationVar(&o.Session, "session", 3*time.Second, "session timeout of the sinks")
	f.DurationVar(&o.Insert, "insert-timeout", 8*time.Second, "deadline of an insert of the sinks; a busy machine needs more")
	f.Float64Var(&o.Aborted, "aborted", 0.12, "share of the transactions that are aborted")
	f.Float64Var(&o.Duplicates, "duplicates", 0.05, "share of the events that come twice")
	f.Float64Var(&o.Disorder, "disorder", 0.05, "share of the events that come late")
	f.DurationVar(&o.Drain, "drain", 10*time.Minute, "longest time until the group has read everything after the load has ended (short: 3m)")
	f.IntVar(&o.Kills, "kills", 64, "kill -9 of sinks (short: 4)")
	f.IntVar(&o.LateKills, "late-kills", 30, "kill -9 of sinks with an insert in the proxy that goes on after their death (short: 2)")
	f.IntVar(&o.Stops, "stops", 12, "SIGTERM of sinks (short: 1)")
	f.IntVar(&o.Zombies, "zombies", 14, "sinks frozen in the middle of an insert for longer than their session (short: 1)")
	f.IntVar(&o.Joins, "joins", 6, "further sinks that join for some seconds, so that partitions move (short: 1)")
	f.IntVar(&o.Brokers, "brokers", 8, "kill -9 of brokers (short: 1)")
	f.IntVar(&o.Engine, "engine", 56, "kill -9 of the engine in the middle of inserts (short: 4)")
	f.BoolVar(&o.Harm, "harm", true, "whether the proxy delays inserts, drops answers and cuts connections by chance")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.Short {
		for name, value := range map[string]string{
			"rate": "1000", "duration": "1m", "drain": "3m", "kills": "4", "late-kills": "2", "stops": "1", "zombies": "1", "joins": "1",
			"brokers": "1", "engine": "4",
		} {
			if !given[name] {
				_ = f.Set(name, value) // our own literals
			}
		}
	}
	return o, o.validate()
}

func (o *Options) validate() error {
	var errs []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	demand(o.Rate > 0 && o.Duration > 0, "-rate and -duration must be above 0")
	demand(o.Sinks >= 2 && o.Sinks <= 8, "-sinks must be from 2 to 8, is %d", o.Sinks)
	demand(o.Shops >= 1 && o.Shops <= 10_000, "-shops must be from 1 to 10000, is %d", o.Shops)
	demand(o.Partitions >= 1 && o.Partitions <= 100, "-partitions must be from 1 to 100, is %d", o.Partitions)
	for name, share := range map[string]float64{"aborted": o.Aborted, "duplicates": o.Duplicates, "disorder": o.Disorder} {
		demand(share >= 0 && share < 0.9, "-%s must be from 0 to 0.9, is %v", name, share)
	}
	errs = append(errs, o.config().Validate())
	return errors.Join(errs...)
}

// groupID is the consumer group of the sinks.
const groupID = "chaos-analytics"

// config is how a sink runs: deadlines short enough that each is met many times in a run, and few inserts per second, since each
// makes a part in every table, and one machine bears three sinks.
func (o *Options) config() analytics.Config {
	c := analytics.DefaultConfig()
	c.Group, c.SessionTimeout, c.CommitTimeout, c.StopGrace = groupID, o.Session, 3*time.Second, 4*time.Second
	c.InsertTimeout, c.RetryBackoffMax = o.Insert, time.Second
	c.InsertsPerSecond = 4
	c.BatchLinger = time.Second
	return c
}

// rates are the harm that the proxy does by chance.
func (o *Options) rates() proxy.Rates {
	if !o.Harm {
		return proxy.Rates{}
	}
	return proxy.Rates{Delay: 0.08, Drop: 0.02, Lose: 0.01, Half: 0.01, Partial: 0.01}
}
