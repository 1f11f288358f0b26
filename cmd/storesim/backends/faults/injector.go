package faults

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Action is what happens to a request.
type Action string

// The actions. All but Serve and LoseAnswer leave the world as it was.
const (
	Serve      Action = "serve"
	Down       Action = "outage"
	Fail       Action = "error"
	Limit      Action = "rate_limited"
	Refuse     Action = "refused"
	Hang       Action = "timeout"
	Reset      Action = "reset"
	LoseAnswer Action = "lost_answer"
)

// Fate is the answer to Gate or Draw.
type Fate struct {
	Do         Action
	Outage     bool          // Do comes from an outage, whatever way it shows
	Whole      bool          // from Gate: the rule is that of the whole backend, not of the name
	Delay      time.Duration // before anything else, from Draw only
	RetryAfter time.Duration // with Limit
	Choice     uint8         // a number from the same chance, for picking one of several answers
}

// Injector judges the requests of one backend. It is safe for concurrent use.
type Injector struct {
	backend string
	seed    uint64

	mu    sync.Mutex
	own   *active
	named map[string]*active
	tries map[string]uint64
}

// active is a rule at work.
type active struct {
	rule    Rule
	since   time.Time
	limiter *rate.Limiter
	whole   bool // not of one name
	under   int  // requests under way, counted only if the rule bounds them; guarded by the injector
}

// NewInjector returns a healthy injector. The number of tries of each key is remembered for its life.
func NewInjector(backend string, seed uint64) *Injector {
	return &Injector{backend: backend, seed: seed, own: activate(Rule{}, true), tries: map[string]uint64{}}
}

// Set replaces the rules by those of the set, which must be valid. A rule that stays the same goes on: its outages keep
// their times and its rate limit what was used of it.
func (in *Injector) Set(s *Set) {
	d, named, known := s.of(in.backend)
	if !known {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.own = replace(in.own, *d, true)
	next := make(map[string]*active, len(*named))
	for name, r := range *named {
		next[key(in.backend, name)] = replace(in.named[key(in.backend, name)], r, false)
	}
	in.named = next
}

// Restart sets the rule of a name, or the backend's own when the name is empty, anew: its outages are measured from now.
func (in *Injector) Restart(name string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if name == "" {
		in.own = activate(in.own.rule, true)
	} else if a, ok := in.named[key(in.backend, name)]; ok {
		in.named[key(in.backend, name)] = activate(a.rule, false)
	}
}

func replace(old *active, r Rule, whole bool) *active {
	if old != nil && reflect.DeepEqual(old.rule, r) {
		return old
	}
	return activate(r, whole)
}

func activate(r Rule, whole bool) *active {
	a := &active{rule: r, since: time.Now(), whole: whole}
	if r.RateLimit > 0 {
		burst := r.Burst
		if burst == 0 {
			burst = max(1, int(r.RateLimit))
		}
		a.limiter = rate.NewLimiter(rate.Limit(r.RateLimit), burst)
	}
	return a
}

func (in *Injector) active(name string) *active {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a, ok := in.named[key(in.backend, name)]; ok {
		return a
	}
	return in.own
}

// Enter begins a request: Serve, or Limit when there are as many under way as the rule allows. leave is to be called once, at its end.
func (in *Injector) Enter(name string) (leave func(), f Fate) {
	a := in.active(name)
	if a.rule.Concurrency == 0 {
		return func() {}, Fate{Do: Serve}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if a.under >= a.rule.Concurrency {
		return func() {}, a.limit()
	}
	a.under++
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		a.under--
	}, Fate{Do: Serve}
}

// Gate judges a request by who is asked, for which operation, and when: Serve, Down, Hang or Reset (an outage), Limit or Refuse. It
// takes from the rate limit, so it is asked once per request.
func (in *Injector) Gate(name, operation string) Fate {
	a := in.active(name)
	switch {
	case a.down():
		return Fate{Do: a.rule.outageAction(), Outage: true, Whole: a.whole}
	case a.limiter != nil && !a.limiter.Allow():
		return a.limit()
	case a.rule.Refuse && a.rule.concerns(operation):
		return Fate{Do: Refuse}
	default:
		return Fate{Do: Serve}
	}
}

func (a *active) limit() Fate {
	return Fate{Do: Limit, RetryAfter: max(time.Duration(a.rule.RetryAfter), time.Second), Whole: a.whole}
}

func (r *Rule) concerns(operation string) bool {
	return len(r.Only) == 0 || slices.Contains(r.Only, operation)
}

func (a *active) down() bool {
	passed := Duration(time.Since(a.since))
	return a.rule.Down || slices.ContainsFunc(a.rule.Outages, func(o Outage) bool { return passed >= o.From && passed-o.From < o.For })
}

func (r *Rule) outageAction() Action {
	switch r.OutageAs {
	case OutageReset:
		return Reset
	case OutageHang:
		return Hang
	default:
		return Down
	}
}

// Draw judges one try of a key by chance: Serve, Fail, Refuse, Hang, Reset or LoseAnswer, and its delay. Every call is one try.
func (in *Injector) Draw(name, operation, key string) Fate {
	r := &in.active(name).rule
	in.mu.Lock()
	in.tries[key]++
	n := in.tries[key]
	in.mu.Unlock()
	c := in.chance(key, n)
	f := Fate{Do: Serve, Delay: r.delay(c[1], c[2]), Choice: uint8(c[3] * 256)}
	if !r.concerns(operation) {
		return f
	}
	if in.chance(key, 0)[0] < r.PermanentRate {
		f.Do = Refuse
		return f
	}
	at := c[0]
	for _, band := range []struct {
		share float64
		do    Action
	}{{r.ErrorRate, Fail}, {r.TimeoutRate, Hang}, {r.ResetRate, Reset}, {r.LostAnswerRate, LoseAnswer}} {
		if at < band.share {
			f.Do = band.do
			return f
		}
		at -= band.share
	}
	return f
}

// chance returns four independent numbers in [0, 1) for the n-th try of a key; n = 0 are those of the key itself.
func (in *Injector) chance(key string, n uint64) (c [4]float64) {
	text := strconv.AppendUint(nil, in.seed, 10)
	text = append(append(append(text, ' '), in.backend...), ' ')
	text = append(append(strconv.AppendUint(text, n, 10), ' '), key...)
	sum := sha256.Sum256(text)
	for i := range c {
		c[i] = float64(binary.BigEndian.Uint64(sum[8*i:])>>11) / (1 << 53)
	}
	return c
}

// delay makes a latency of two evenly spread numbers. The log-normal's sigma follows from its median and 99th percentile.
func (r *Rule) delay(u, v float64) time.Duration {
	if r.LatencyP50 == 0 {
		return time.Duration(float64(r.Latency) + u*float64(r.Jitter))
	}
	const z99 = 2.3263478740408408 // the normal distribution's 99th percentile
	sigma := math.Log(float64(r.LatencyP99)/float64(r.LatencyP50)) / z99
	normal := math.Sqrt(-2*math.Log(1-u)) * math.Cos(2*math.Pi*v)
	return min(time.Duration(float64(r.LatencyP50)*math.Exp(sigma*normal)), maxDelay)
}

// Insufficient tells whether the rules say that nothing of the SKU is in stock at the shop.
func (in *Injector) Insufficient(name, sku string) bool {
	return slices.Contains(in.active(name).rule.InsufficientSKUs, sku)
}
