package gate

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a gate with one partner for all and one member.
type world struct {
	*Gate
	t     *testing.T
	url   string
	calls chan string // keys that the partner saw

	mu     sync.Mutex
	killed []string
	status int // of the partner's answers
}

func newWorld(t *testing.T, kills int) *world {
	t.Helper()
	w := &world{t: t, calls: make(chan string, 100), status: http.StatusCreated}
	partner := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls <- r.Header.Get("Idempotency-Key")
		w.mu.Lock()
		defer w.mu.Unlock()
		rw.WriteHeader(w.status)
		_, _ = io.WriteString(rw, `{"ok":true}`)
	}))
	w.Gate = New(Config{
		Stock: partner.URL, Payment: partner.URL, Carrier: partner.URL, Kills: kills, Every: time.Nanosecond, Seed: 1,
		Kill: func(member string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.killed = append(w.killed, member)
			return nil
		},
		Failed: func(err error) { t.Error(err) },
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := w.Serve(ctx, ln, "saga-0"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		all.Wait()
		w.Close()
		partner.Close()
	})
	return w
}

// only leaves one kill to be done.
func (w *world) only(op Op, at Boundary) {
	w.plan.left, w.plan.total = map[aim]int{{op, at}: 1}, 1
	w.Arm()
}

const body = `{"shop":"acme.myshopify.com","order_id":"7"}`

func of() Order { return Order{"acme.myshopify.com", "7"} }

// ask does what a saga does and returns the status, 0 for no answer.
func (w *world) ask(path, key string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	// On a connection of its own: on a used one net/http would ask again by itself, which the dead cannot.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != `{"ok":true}` {
		w.t.Errorf("answer %q, %v", text, err)
	}
	return resp.StatusCode
}

func paths() map[Op]string {
	const order = "/acme.myshopify.com/7/"
	return map[Op]string{
		Reserve: "/v1/reservations", Charge: "/v1/charges", Ship: "/v1/shipments",
		Release: "/v1/reservations" + order + "release", Refund: "/v1/charges" + order + "refund", Cancel: "/v1/shipments" + order + "cancel",
	}
}

func (w *world) wait() {
	w.t.Helper()
	select {
	case <-w.Finished():
	case <-time.After(10 * time.Second):
		w.t.Fatalf("still to be done:%s", w.Left())
	}
}

func TestAMemberDiesAtTheBoundaryAndNowhereElse(t *testing.T) {
	for op, path := range paths() {
		for _, at := range boundaries(op) {
			t.Run(string(op)+" "+string(at), func(t *testing.T) {
				w := newWorld(t, 0)
				if got := w.ask(path, "before"); got != http.StatusCreated || len(w.killed) != 0 {
					t.Fatalf("a gate that is not armed: %d, killed %v", got, w.killed)
				}
				<-w.calls
				w.done()
				w.only(op, at)
				got := w.ask(path, "key")
				switch at {
				case Asked, Done:
					if got != 0 {
						t.Errorf("the dead member has an answer: %d", got)
					}
				case Written, Committed:
					w.Seen(of(), op, other(at)) // of no interest
					w.Seen(Order{"acme.myshopify.com", "8"}, op, at)
					w.mu.Lock()
					if len(w.killed) != 0 {
						t.Error("killed before anything was seen")
					}
					w.mu.Unlock()
					w.Seen(of(), op, at)
					fallthrough
				default:
					if got != http.StatusCreated {
						t.Errorf("the member has no answer: %d", got)
					}
				}
				w.wait()
				if at != Asked {
					if key := <-w.calls; key != "key" {
						t.Errorf("the partner saw %q", key)
					}
				}
				kills := w.Kills()
				if len(kills) != 1 || kills[0].Op != op || kills[0].At != at || kills[0].Order != of() || !slices.Equal(w.killed, []string{"saga-0"}) {
					t.Errorf("kills %v, killed %v", kills, w.killed)
				}
				if w.AskedAgain(kills[0]) {
					t.Error("it was not asked again")
				}
				if w.ask(path, "key"); !w.AskedAgain(kills[0]) {
					t.Error("it was asked again")
				}
			})
		}
	}
}

// done makes the plan one that is not finished.
func (w *world) done() { w.plan.done = make(chan struct{}) }

func other(at Boundary) Boundary {
	if at == Written {
		return Committed
	}
	return Written
}

func TestAConfirmationHasItsOwnerKilled(t *testing.T) {
	for _, at := range boundaries(Confirm) {
		w := newWorld(t, 0)
		w.done()
		w.ask("/v1/shipments", "ship")
		w.only(Confirm, at)
		if at == Asked {
			w.Requested(of())
		} else {
			w.Seen(of(), Confirm, at)
		}
		w.wait()
		if k := w.Kills(); len(k) != 1 || k[0].At != at || k[0].Op != Confirm || k[0].Member != "saga-0" {
			t.Errorf("%s: %v", at, k)
		}
	}
}

// A failure is tried again by itself: asked again would not tell a lost commit.
func TestNoCommitIsAimedAtAfterAFailure(t *testing.T) {
	w := newWorld(t, 0)
	w.done()
	w.status = http.StatusBadGateway
	w.only(Charge, Heard)
	if got := w.ask("/v1/charges", "key"); got != http.StatusBadGateway || len(w.Kills()) != 0 {
		t.Errorf("answer %d, kills %v", got, w.Kills())
	}
	w.mu.Lock()
	w.status = http.StatusPaymentRequired
	w.mu.Unlock()
	w.ask("/v1/charges", "key")
	w.wait()
}

func TestKillsAreSpreadEvenlyAndComeOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 2 * time.Second
		p := newPlan(200, every, rand.New(rand.NewPCG(1, 1)))
		at, ok := p.take(Charge, boundaries(Charge)...)
		if _, second := p.take(Refund, boundaries(Refund)...); !ok || second {
			t.Fatalf("one at a time: %v, then %v", ok, second)
		}
		p.settle(Charge, at, false)
		done := map[aim]int{}
		for n := 0; n < 231; {
			for _, op := range Ops() {
				at, ok := p.take(op, boundaries(op)...)
				if !ok {
					continue
				}
				done[aim{op, at}]++
				n++
				p.settle(op, at, true)
				if _, soon := p.take(op, boundaries(op)...); soon {
					t.Fatal("the next one came at once")
				}
				time.Sleep(2 * every)
			}
		}
		for _, op := range Ops() {
			for _, at := range boundaries(op) {
				if done[aim{op, at}] != 7 {
					t.Errorf("%s %s: %d kills, want 7 of 231", op, at, done[aim{op, at}])
				}
			}
		}
		select {
		case <-p.done:
		default:
			t.Errorf("not done:%s", p.leftover())
		}
	})
}
