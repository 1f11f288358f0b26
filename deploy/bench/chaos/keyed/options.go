package keyed

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/member"
	"millrace/deploy/bench/chaos/keyed/ledger"
)

// Scenarios.
const (
	scenarioHarm   = "harm"
	scenarioOutage = "outage"
)

// Options are the command line.
type Options struct {
	Scenario string
	Short    bool
	Dir      string
	Seed     uint64

	Events, Entities int
	Rate             float64
	Members          int
	Protocol         string
	Static           string
	Session          time.Duration
	Commit           time.Duration
	Concurrency      int
	DeadlineDrain    time.Duration

	Kills, Stops, Zombies, Usurps, Brokers, Moves int

	Transient, Permanent, NotReady, Aborted float64

	Outage, Calm time.Duration
}

// partitions of the source topic.
const partitions = 12

// parse reads the flags. -short and -scenario change defaults, never what was given.
func parse(args []string, out io.Writer) (Options, error) {
	var o Options
	var target, bin string
	f := flag.NewFlagSet("chaos -target runtime", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&target, "target", "runtime", "what to run; this help is that of runtime, the keyed consumer runtime on a real Kafka")
	f.StringVar(&bin, "bin", "", "not used by this target")
	f.StringVar(&o.Scenario, "scenario", scenarioHarm, "harm (kill, freeze and move things) or outage (the backend of one shop is away)")
	f.BoolVar(&o.Short, "short", false, "the short form, 3 minutes in all; flags that are given still count")
	f.StringVar(&o.Dir, "dir", "", "folder for data, logs, ledger and report; a new temporary one when empty, removed when nothing is wrong")
	f.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "seed of the load, its failures and the harm")
	f.IntVar(&o.Events, "events", 200_000, "events to send (short: 15000; not used by outage)")
	f.IntVar(&o.Entities, "entities", 2_000, "entities that they are spread over (short: 300)")
	f.Float64Var(&o.Rate, "rate", 250, "events per second (short: 150)")
	f.IntVar(&o.Members, "members", 4, "member processes, 2 to 8")
	f.StringVar(&o.Protocol, "protocol", member.ProtocolClassic, "group protocol: classic or consumer")
	f.StringVar(&o.Static, "static", "half", "members with an instance id of their own: none, half or all")
	f.DurationVar(&o.Session, "session", 3*time.Second, "session timeout of the members")
	f.DurationVar(&o.Commit, "commit-interval", 100*time.Millisecond, "commit interval of the members")
	f.IntVar(&o.Concurrency, "concurrency", 64, "handlers at once in each member")
	f.DurationVar(&o.DeadlineDrain, "drain", 3*time.Minute, "longest time for everything to be done after the load has ended (short: 1m)")
	f.IntVar(&o.Kills, "kills", 70, "kill -9 of members (short: 8)")
	f.IntVar(&o.Stops, "stops", 40, "SIGTERM of members (short: 4)")
	f.IntVar(&o.Zombies, "zombies", 12, "members frozen for longer than their session (short: 2)")
	f.IntVar(&o.Usurps, "usurps", 4, "members with an instance id frozen and replaced meanwhile; none with -static none (short: 1)")
	f.IntVar(&o.Brokers, "brokers", 8, "kill -9 of brokers (short: 1)")
	f.IntVar(&o.Moves, "moves", 12, "leader moves and reassignments of partitions (short: 2)")
	f.Float64Var(&o.Transient, "transient", 0.02, "share of events whose first attempts fail")
	f.Float64Var(&o.Permanent, "permanent", 0.002, "share of events that become dead letters, half of them at once and half after the last attempt")
	f.Float64Var(&o.NotReady, "not-ready", 0.005, "share of events that are not ready at first")
	f.Float64Var(&o.Aborted, "aborted", 0.03, "records written in aborted transactions, as a share of the events")
	f.DurationVar(&o.Outage, "outage", 5*time.Minute, "scenario outage: how long the backend is away (short: 40s)")
	f.DurationVar(&o.Calm, "calm", 2*time.Minute, "scenario outage: how long the latency before is measured (short: 40s)")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	o.adapt(f)
	return o, o.validate()
}

// adapt sets the defaults of the short form and of the scenario.
func (o *Options) adapt(f *flag.FlagSet) {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(name, value string) {
		if !given[name] {
			_ = f.Set(name, value) // our own literals
		}
	}
	if o.Short {
		for name, value := range map[string]string{
			"events": "15000", "entities": "300", "rate": "150", "drain": "1m", "kills": "8", "stops": "4", "zombies": "2", "usurps": "1",
			"brokers": "1", "moves": "2", "outage": "40s", "calm": "40s",
		} {
			set(name, value)
		}
	}
	if o.Static == "none" {
		set("usurps", "0")
	}
	if o.Scenario == scenarioOutage {
		for name, value := range map[string]string{
			"transient": "0", "permanent": "0", "not-ready": "0", "aborted": "0", "rate": "300", "session": "10s", "concurrency": "256",
			"kills": "0", "stops": "0", "zombies": "0", "usurps": "0", "brokers": "0", "moves": "0",
		} {
			set(name, value)
		}
	}
}

func (o *Options) validate() error {
	var errs []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	demand(o.Scenario == scenarioHarm || o.Scenario == scenarioOutage, "-scenario must be harm or outage, is %q", o.Scenario)
	demand(o.Static == "none" || o.Static == "half" || o.Static == "all", "-static must be none, half or all, is %q", o.Static)
	demand(o.Members >= 2 && o.Members <= 8, "-members must be from 2 to 8, is %d", o.Members)
	demand(o.Entities >= shops && o.Entities <= 60_000, "-entities must be from %d to 60000, is %d", shops, o.Entities)
	demand(o.Events > 0 && o.Rate > 0, "-events and -rate must be above 0")
	demand(o.Usurps == 0 || o.Static != "none", "-usurps needs members with an instance id")
	errs = append(errs, o.config("chaos", "").Validate())
	return errors.Join(errs...)
}

// shops is how many shops the entities are spread over.
const shops = 10

func (o *Options) world() ledger.World { return ledger.World{Shops: shops} }

func (o *Options) rates() ledger.Rates {
	return ledger.Rates{
		Seed: o.Seed, Transient: o.Transient, Permanent: o.Permanent, NotReady: o.NotReady, MostFails: len(o.config("", "").Retry.Schedule) - 1,
	}
}

// config is how a member runs. Under harm the schedule is short, so that waits of every kind begin and end many times in a run;
// in an outage the members run as they do by default.
func (o *Options) config(groupID, instance string) group.Config {
	c := group.DefaultConfig(groupID)
	c.Member.Protocol, c.Member.SessionTimeout, c.Member.InstanceID = o.Protocol, o.Session, instance
	c.CommitInterval, c.Concurrency = o.Commit, o.Concurrency
	if o.Scenario == scenarioHarm {
		c.Retry.Schedule = []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second, 3 * time.Second}
		c.Retry.InlineMax = 500 * time.Millisecond
	}
	return c
}
