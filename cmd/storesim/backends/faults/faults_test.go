package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func injector(t *testing.T, seed uint64, texts ...string) *Injector {
	t.Helper()
	var s Set
	for _, text := range texts {
		if err := s.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	in := NewInjector(Stock, seed)
	in.Set(&s)
	return in
}

// fates draws three tries of each of n keys, in an order of its own.
func fates(in *Injector, n int, backwards bool) map[string]Fate {
	out := map[string]Fate{}
	for try := range 3 {
		for i := range n {
			if backwards {
				i = n - 1 - i
			}
			key := fmt.Sprintf("key-%d", i)
			out[fmt.Sprintf("%s/%d", key, try)] = in.Draw("a", Reserve, key)
		}
	}
	return out
}

func TestChanceHangsOnSeedKeyAndTryAlone(t *testing.T) {
	rule := "stock:latency_p50=10ms,latency_p99=100ms,error_rate=0.2,timeout_rate=0.1,reset_rate=0.1,lost_answer_rate=0.1,permanent_rate=0.05"
	forwards := fates(injector(t, 7, rule), 500, false)
	if diff := cmp.Diff(forwards, fates(injector(t, 7, rule), 500, true)); diff != "" {
		t.Errorf("the order of requests changed their fates:\n%s", diff)
	}
	if cmp.Equal(forwards, fates(injector(t, 8, rule), 500, false)) {
		t.Error("another seed gives the same fates")
	}
	for i := range 500 {
		key := fmt.Sprintf("key-%d/", i)
		if first := forwards[key+"0"].Do; (first == Refuse) != (forwards[key+"1"].Do == Refuse) || (first == Refuse) != (forwards[key+"2"].Do == Refuse) {
			t.Errorf("%s is refused at one try and not at another", key)
		}
	}
}

func TestRatesAndLatenciesAreWhatTheRuleSays(t *testing.T) {
	const n = 20_000
	in := injector(t, 3, "stock:latency_p50=10ms,latency_p99=100ms,error_rate=0.2,timeout_rate=0.1,reset_rate=0.05,lost_answer_rate=0.15,permanent_rate=0.1")
	count, below10, below100 := map[Action]int{}, 0, 0
	for i := range n {
		f := in.Draw("a", Reserve, fmt.Sprint(i))
		count[f.Do]++
		if f.Delay < 10*time.Millisecond {
			below10++
		}
		if f.Delay < 100*time.Millisecond {
			below100++
		}
	}
	near := func(what string, got int, want float64) {
		t.Helper()
		if share := float64(got) / n; share < want-0.01 || share > want+0.01 {
			t.Errorf("%s: share %v, want %v", what, share, want)
		}
	}
	for do, want := range map[Action]float64{Refuse: 0.1, Fail: 0.18, Hang: 0.09, Reset: 0.045, LoseAnswer: 0.135, Serve: 0.45} {
		near(string(do), count[do], want)
	}
	near("below the median", below10, 0.5)
	near("below the 99th percentile", below100, 0.99)

	in = injector(t, 3, "stock:latency=10ms,jitter=5ms")
	low, high := time.Hour, time.Duration(0)
	for i := range n {
		d := in.Draw("a", Reserve, fmt.Sprint(i)).Delay
		low, high = min(low, d), max(high, d)
	}
	if low < 10*time.Millisecond || low > 11*time.Millisecond || high > 15*time.Millisecond || high < 14*time.Millisecond {
		t.Errorf("10ms and up to 5ms more gave %v to %v", low, high)
	}
}

func TestOutagesBeginAndEndByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := injector(t, 1, "stock:outages=10s+5s,outages=1m+1s", "stock/hung:down,outage_as=hang", "stock/cut:down,outage_as=reset")
		for name, want := range map[string]Action{"hung": Hang, "cut": Reset} {
			if f := in.Gate(name, Reserve); f.Do != want || !f.Outage {
				t.Errorf("Gate(%q) = %+v", name, f)
			}
		}
		start := time.Now()
		for _, step := range []struct {
			at   time.Duration
			want Action
		}{{0, Serve}, {9999 * time.Millisecond, Serve}, {10 * time.Second, Down}, {14 * time.Second, Down}, {15 * time.Second, Serve}, {time.Minute, Down}, {61 * time.Second, Serve}} {
			time.Sleep(step.at - time.Since(start))
			if got := in.Gate("any", Reserve).Do; got != step.want {
				t.Errorf("after %v: %s, want %s", step.at, got, step.want)
			}
		}
		// The same rules again leave its clock alone, Restart does not.
		s := Set{Stock: ShopRules{Default: Rule{Outages: []Outage{{From: Duration(10 * time.Second), For: Duration(5 * time.Second)}, {From: Duration(time.Minute), For: Duration(time.Second)}}}}}
		in.Set(&s)
		time.Sleep(10 * time.Second)
		if got := in.Gate("any", Reserve).Do; got != Serve {
			t.Errorf("the same rules began anew: %s", got)
		}
		in.Restart("")
		time.Sleep(10 * time.Second)
		if got := in.Gate("any", Reserve).Do; got != Down {
			t.Errorf("after Restart: %s", got)
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := injector(t, 1, "stock:rate_limit=10,burst=3,retry_after=2s", "stock/own:rate_limit=5")
		passed := func(name string, n int) (served int) {
			for range n {
				switch f := in.Gate(name, Reserve); {
				case f.Do == Serve:
					served++
				case f.Do != Limit || f.RetryAfter < time.Second:
					t.Errorf("Gate() = %+v", f)
				}
			}
			return served
		}
		if n := passed("a", 5); n != 3 {
			t.Errorf("%d at once, want the burst of 3", n)
		}
		if n := passed("own", 9); n != 5 {
			t.Errorf("%d at once with a rule of its own, want 5", n)
		}
		if f := in.Gate("a", Reserve); f.RetryAfter != 2*time.Second {
			t.Errorf("Retry-After %v", f.RetryAfter)
		}
		time.Sleep(200 * time.Millisecond)
		if n := passed("b", 5); n != 2 {
			t.Errorf("%d after a fifth of a second, want 2", n)
		}
	})
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	in := injector(t, 1, "stock:concurrency=2,retry_after=3s", "stock/own:concurrency=1")
	leave, first := in.Enter("a")
	_, second := in.Enter("b")
	_, third := in.Enter("a")
	_, own := in.Enter("own")
	if first.Do != Serve || second.Do != Serve || own.Do != Serve || third.Do != Limit || third.RetryAfter != 3*time.Second {
		t.Errorf("%+v %+v %+v, own %+v", first, second, third, own)
	}
	leave()
	if _, f := in.Enter("a"); f.Do != Serve {
		t.Errorf("with a free place: %+v", f)
	}
	if _, f := in.Enter("a"); f.Do != Limit {
		t.Errorf("with no place: %+v", f)
	}
}

func TestRatesMayConcernOneOperationOnly(t *testing.T) {
	in := injector(t, 1, "stock:refuse,error_rate=1,latency=1s,only=reserve")
	if f := in.Gate("a", Reserve); f.Do != Refuse {
		t.Errorf("Gate(reserve) = %+v", f)
	}
	if f := in.Gate("a", Release); f.Do != Serve {
		t.Errorf("Gate(release) = %+v", f)
	}
	if f := in.Draw("a", Reserve, "k"); f.Do != Fail {
		t.Errorf("Draw(reserve) = %+v", f)
	}
	if f := in.Draw("a", Release, "k"); f.Do != Serve || f.Delay != time.Second {
		t.Errorf("Draw(release) = %+v", f)
	}
}

func TestTheClosestRuleCountsAlone(t *testing.T) {
	in := injector(t, 1, "stock:latency=1s,insufficient_skus=MUG", "stock/acme:refuse,insufficient_skus=CUP,insufficient_skus=POT")
	if f := in.Gate("acme", Reserve); f.Do != Refuse {
		t.Errorf("Gate(acme) = %+v", f)
	}
	if f := in.Draw("acme", Reserve, "k"); f.Delay != 0 {
		t.Errorf("acme has the delay %v of all others", f.Delay)
	}
	if f := in.Draw("else", Reserve, "k"); f.Delay != time.Second {
		t.Errorf("another shop has the delay %v", f.Delay)
	}
	for _, c := range []struct {
		shop, sku string
		want      bool
	}{{"acme", "CUP", true}, {"acme", "POT", true}, {"acme", "MUG", false}, {"else", "MUG", true}, {"else", "CUP", false}} {
		if in.Insufficient(c.shop, c.sku) != c.want {
			t.Errorf("Insufficient(%q, %q) is not %v", c.shop, c.sku, c.want)
		}
	}
}

func TestSetTextAndJSONAreTheSame(t *testing.T) {
	var s Set
	for _, text := range []string{
		"stock:latency=20ms, jitter=5ms,error_rate=0.05,burst=2", "stock:down=false,outages=1s+2s,outages=5s+1m",
		"stock/acme.myshopify.com:down", "smtp/Example.COM:refuse,outage_as=hang",
		"erp:concurrency=2", "carrier:only=ship",
	} {
		if err := s.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(s)
	const want = `{"stock":{"default":{"latency":"20ms","jitter":"5ms","error_rate":0.05,"burst":2,"outages":[{"from":"1s","for":"2s"},{"from":"5s","for":"1m0s"}]},` +
		`"shops":{"acme.myshopify.com":{"down":true}}},"payment":{"default":{}},"carrier":{"default":{"only":["ship"]}},"erp":{"default":{"concurrency":2}},"hook":{"default":{}},"smtp":{"default":{},"domains":{"example.com":{"refuse":true,"outage_as":"hang"}}}}`
	if err != nil || string(text) != want {
		t.Errorf("JSON (%v)\n%s\nwant\n%s", err, text, want)
	}
	var back Set
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(s, back) {
		t.Errorf("read back (%v): %+v", err, back)
	}
	if len(Fields()) != 19 || Fields()[0].Name != "latency" || Fields()[0].Help == "" {
		t.Errorf("Fields() = %v", Fields())
	}
}

func TestMistakesAreTold(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "must begin with a backend: stock, payment,",
		"stok:down":                           "must begin with a backend",
		"stock":                               "fields behind a colon",
		"stock/:down":                         "behind the slash",
		"stock:dwon":                          `"dwon" is not a field`,
		"stock:latency=5":                     "not a duration",
		"stock:error_rate=much":               "not a float64",
		"stock:burst=1.5":                     "not a int",
		"stock:down=perhaps":                  "not a bool",
		"stock:outages=30s":                   "its begin and its length",
		"stock:outages=30s+soon":              "not a duration",
		"stock:latency=-1s":                   "stock.default: latency must be",
		"stock/a:error_rate=1.1":              "stock.shops.a: error_rate must be",
		"smtp/b:permanent_rate=NaN":           "smtp.domains.b: permanent_rate must be",
		"smtp:insufficient_skus=A":            "only stock has them",
		"erp:insufficient_skus=A":             "only stock has them",
		"smtp:concurrency=1":                  "concurrency must not be set",
		"erp:concurrency=-1":                  "concurrency must be",
		"payment/a:only=charge,only=ship":     `payment.shops.a: only must name operations of payment (charge, refund, read), names "ship"`,
		"smtp:only=charge":                    "(it has none)",
		"stock:latency_p50=1s":                "set together",
		"stock:latency_p50=2s,latency_p99=1s": "latency_p99 must be at least",
		"stock:latency=1s,latency_p50=1s,latency_p99=2s":            "must not be set together",
		"stock:error_rate=0.5,timeout_rate=0.3,lost_answer_rate=.3": "at most 1 together",
		"stock:outages=1s+0s":  "last longer than 0",
		"stock:outage_as=gone": "error, reset or hang",
		"stock:rate_limit=-1":  "rate_limit must be",
		"stock:burst=-1":       "burst must be",
		"stock:retry_after=2h": "retry_after must be",
	} {
		var s Set
		err := s.Apply(text)
		if err == nil {
			err = s.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if err := (&Set{SMTP: SMTPRules{Domains: map[string]Rule{"A.example": {}}}}).Validate(); err == nil {
		t.Error("a domain that no recipient can match is taken")
	}
}

func TestCutIsAReset(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	connected := make(chan struct{})
	wg.Go(func() {
		if c, err := ln.Accept(); err == nil {
			<-connected // or the reset is the answer to connecting
			Cut(c)
		}
	})
	c, err := net.Dial("tcp", ln.Addr().String())
	close(connected)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read() error %v, want a reset", err)
	}
}
