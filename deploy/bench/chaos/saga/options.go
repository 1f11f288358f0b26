package saga

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// Options are the command line.
type Options struct {
	Bin, Dir string
	Short    bool
	Seed     uint64

	Kills   int
	Every   time.Duration
	Members int
	Session time.Duration

	Shops      int
	Rate       float64
	Refused    float64 // share of the orders that each partner refuses for good
	Cancelled  float64
	Edited     float64
	Duplicates float64
	Disorder   float64
	Error      float64 // of the partners, likewise
	Timeout    float64
	LostAnswer float64
	ShipAfter  time.Duration

	Longest time.Duration
	Drain   time.Duration
}

// parse reads the flags. -short changes defaults, never what was given.
func parse(args []string, out io.Writer) (Options, error) {
	var o Options
	var target string
	f := flag.NewFlagSet("chaos -target saga", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&target, "target", "saga", "what to run; this help is that of saga, the saga with its partners on a real Kafka")
	f.StringVar(&o.Bin, "bin", "bin", "folder of the programs, as `make build` leaves them")
	f.BoolVar(&o.Short, "short", false, "the short form, at most three minutes in all; flags that are given still count")
	f.StringVar(&o.Dir, "dir", "", "folder for data, logs and report; a new temporary one when empty, removed when nothing is wrong")
	f.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "seed of the orders, their fates and the harm")
	f.IntVar(&o.Kills, "kills", 200, "kill -9 of saga processes, at least, spread evenly over steps and boundaries (short: 33)")
	f.DurationVar(&o.Every, "every", 2500*time.Millisecond, "mean time from one kill to when the next may come (short: 1s)")
	f.IntVar(&o.Members, "members", 3, "saga processes, 1 to 8")
	f.DurationVar(&o.Session, "session", 6*time.Second, "session timeout of the services")
	f.IntVar(&o.Shops, "shops", 20, "shops that the orders come from, at least 2; the payment declines all charges of the first")
	f.Float64Var(&o.Rate, "rate", 6, "orders per second (short: 10)")
	f.Float64Var(&o.Refused, "refused", 0.05, "share of the orders that the stock refuses for good, and of those that the carrier does; the payment does so for one shop")
	f.Float64Var(&o.Cancelled, "cancelled", 0.06, "share of the orders that the shop cancels, at once, in the middle or at the end (short: 0.12)")
	f.Float64Var(&o.Edited, "edited", 0.05, "share of the orders that the shop edits")
	f.Float64Var(&o.Duplicates, "duplicates", 0.05, "share of the shops' events that come twice")
	f.Float64Var(&o.Disorder, "disorder", 0.05, "share of the orders whose first event comes late")
	f.Float64Var(&o.Error, "error", 0.01, "share of the calls that a partner answers with 5xx, without an effect")
	f.Float64Var(&o.Timeout, "timeout", 0.005, "share of the calls that a partner does not answer, without an effect")
	f.Float64Var(&o.LostAnswer, "lost-answer", 0.015, "share of the calls that a partner does, and whose answer gets lost")
	f.DurationVar(&o.ShipAfter, "ship-after", 8*time.Second, "time after which a parcel has left and cannot be called back: the saga is parked")
	f.DurationVar(&o.Longest, "longest", 25*time.Minute, "longest time for all kills (short: 100s)")
	f.DurationVar(&o.Drain, "drain", 4*time.Minute, "longest time until nothing goes on any more, from the end of the load (short: 90s)")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.Short {
		for name, value := range map[string]string{"kills": "33", "every": "1s", "rate": "10", "cancelled": "0.12", "longest": "100s", "drain": "90s"} {
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
	demand(o.Kills >= 0 && o.Every > 0, "-kills must not be negative, and -every must be above 0")
	demand(o.Members >= 1 && o.Members <= 8, "-members must be from 1 to 8, is %d", o.Members)
	demand(o.Shops >= 2 && o.Shops <= 1000, "-shops must be from 2 to 1000, is %d", o.Shops)
	demand(o.Rate > 0 && o.Rate <= 1000, "-rate must be above 0, up to 1000, is %g", o.Rate)
	for _, share := range []struct {
		name string
		v    float64
	}{
		{"refused", o.Refused},
		{"cancelled", o.Cancelled},
		{"edited", o.Edited},
		{"duplicates", o.Duplicates},
		{"disorder", o.Disorder},
		{"error", o.Error},
		{"timeout", o.Timeout},
		{"lost-answer", o.LostAnswer},
	} {
		demand(share.v >= 0 && share.v <= 0.5, "-%s must be from 0 to 0.5, is %g", share.name, share.v)
	}
	return errors.Join(errs...)
}
