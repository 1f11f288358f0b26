package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is what a Gate needs.
type Config struct {
	Stock, Payment, Carrier string // URLs of the partners
	Kills                   int    // at least so many, spread evenly over operations and boundaries
	Every                   time.Duration
	Seed                    uint64
	// Kill ends a member at once, has it started again and returns when it is dead.
	Kill func(member string) error
	// Failed is told what went wrong with the gate itself.
	Failed func(err error)
}

// Gate is all members' way to the partners.
type Gate struct {
	cfg    Config
	plan   *plan
	client *http.Client

	mu    sync.Mutex
	armed bool
	owner map[Order]string       // member that asked last
	asked map[string][]time.Time // by key
	kills []Kill
	late  sync.WaitGroup // requests that outlive their member, and kills that wait

	expected *expectation // of the last kill that waited for something to be seen
}

// expectation is a call whose outcome is about to be written and committed.
type expectation struct {
	order Order
	op    Op
	at    Boundary
	seen  chan struct{} // closed when it is that far
}

// New builds a gate that lets everything pass until Arm.
func New(cfg Config) *Gate {
	return &Gate{
		cfg: cfg, plan: newPlan(cfg.Kills, cfg.Every, rand.New(rand.NewPCG(cfg.Seed, 4))), //nolint:gosec // repeatable on purpose
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		owner:  map[Order]string{}, asked: map[string][]time.Time{},
	}
}

// Serve is the gate of one member, until ctx ends.
func (g *Gate) Serve(ctx context.Context, ln net.Listener, member string) error {
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.pass(ctx, w, r, member) })}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("gate of %s: %w", member, err)
	}
	return nil
}

// Close waits for what outlives its request. The contexts of Serve have ended.
func (g *Gate) Close() {
	g.late.Wait()
	g.client.CloseIdleConnections()
}

// Arm lets the kills begin.
func (g *Gate) Arm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = true
}

// Disarm ends them.
func (g *Gate) Disarm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = false
}

// Finished is closed when all kills are done.
func (g *Gate) Finished() <-chan struct{} { return g.plan.done }

// Left says which kills are still to be done.
func (g *Gate) Left() string { return g.plan.leftover() }

// Kills returns those that were done.
func (g *Gate) Kills() []Kill {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.kills)
}

// AskedAgain reports whether a call was made once more after a kill: the commit of what the member had heard was lost.
func (g *Gate) AskedAgain(k Kill) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	times := g.asked[k.Key]
	return len(times) > 0 && times[len(times)-1].After(k.Time)
}

// call is one request of a member.
type call struct {
	op     Op
	member string
	order  Order
	key    string
	url    string
	header http.Header
	body   []byte
}

// read finds out what a request is about.
func (g *Gate) read(r *http.Request, member string) (*call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c := &call{member: member, key: r.Header.Get("Idempotency-Key"), header: r.Header.Clone(), body: body}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var base string
	switch verb := strings.Join(slices.Delete(slices.Clone(parts), min(2, len(parts)), min(4, len(parts))), "/"); verb {
	case "v1/reservations":
		c.op, base = Reserve, g.cfg.Stock
	case "v1/reservations/release":
		c.op, base = Release, g.cfg.Stock
	case "v1/charges":
		c.op, base = Charge, g.cfg.Payment
	case "v1/charges/refund":
		c.op, base = Refund, g.cfg.Payment
	case "v1/shipments":
		c.op, base = Ship, g.cfg.Carrier
	case "v1/shipments/cancel":
		c.op, base = Cancel, g.cfg.Carrier
	default:
		return nil, fmt.Errorf("no saga asks for %s", r.URL.Path)
	}
	c.url = base + r.URL.Path
	if len(parts) > 2 {
		c.order = Order{parts[2], parts[3]}
		return c, nil
	}
	var of struct {
		Shop string `json:"shop"`
		ID   string `json:"order_id"`
	}
	if err := json.Unmarshal(body, &of); err != nil {
		return nil, err
	}
	c.order = Order{of.Shop, of.ID}
	return c, nil
}

// pass lets one request through, or kills who made it.
func (g *Gate) pass(ctx context.Context, w http.ResponseWriter, r *http.Request, member string) {
	c, err := g.read(r, member)
	if err != nil {
		if r.Context().Err() == nil {
			g.cfg.Failed(fmt.Errorf("gate of %s: %w", member, err))
		}
		cut(w)
		return
	}
	g.mu.Lock()
	armed := g.armed
	g.owner[c.order] = member
	g.asked[c.key] = append(g.asked[c.key], time.Now())
	g.mu.Unlock()
	at, kill := Boundary(""), false
	if armed {
		at, kill = g.plan.take(c.op, boundaries(c.op)...)
	}
	if kill && at == Asked {
		g.strike(c, at)
		g.afterwards(ctx, c)
		cut(w)
		return
	}
	answer, err := g.send(r.Context(), c) //nolint:contextcheck // a request ends with who made it
	switch {
	case err != nil || !final(answer.status):
		// What failed will be asked again by itself: it would say nothing about a commit.
		if kill {
			g.plan.settle(c.op, at, false)
		}
	case kill && at == Done:
		g.strike(c, at)
		err = errors.New("the member is dead")
	}
	if err != nil {
		cut(w)
		return
	}
	w.Header().Set("Content-Type", answer.contentType)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // to whom it may concern
	if kill && final(answer.status) {
		_ = http.NewResponseController(w).Flush()
		g.soon(c, at)
	}
}

// soon kills a moment after an answer was passed on, or when what came of it is written, or committed.
func (g *Gate) soon(c *call, at Boundary) {
	most, seen := hearMost, (<-chan struct{})(nil)
	if at != Heard {
		seen = g.expect(c, at)
	}
	if at == Written {
		most = commitMost
	}
	g.late.Go(func() {
		if seen != nil {
			select {
			case <-seen:
			case <-time.After(seenWithin): // another member has it by now, or a cancellation came first
				g.plan.settle(c.op, at, false)
				return
			}
		}
		time.Sleep(time.Duration(g.plan.chance() * float64(most)))
		g.strike(c, at)
	})
}

const (
	// hearMost is so short that the next commit, of which there are ten a second, mostly is still to come.
	hearMost = 5 * time.Millisecond
	// commitMost is about how long it takes from what is written to the end of its commit.
	commitMost = 250 * time.Millisecond
	seenWithin = 5 * time.Second
)

// expect returns what is closed when the outcome of a call is seen.
func (g *Gate) expect(c *call, at Boundary) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected = &expectation{c.order, c.op, at, make(chan struct{})}
	return g.expected.seen
}

// strike kills the member of a call.
func (g *Gate) strike(c *call, at Boundary) {
	k := Kill{Op: c.op, At: at, Order: c.order, Key: c.key, Member: c.member, Time: time.Now()}
	err := g.cfg.Kill(c.member)
	if err != nil {
		g.cfg.Failed(fmt.Errorf("kill %s: %w", c.member, err))
	} else {
		g.mu.Lock()
		g.kills = append(g.kills, k)
		g.mu.Unlock()
	}
	g.plan.settle(c.op, at, err == nil)
}

// lateMost is the longest time that a request is on its way: longer than its member's successor needs to ask again.
const lateMost = 6 * time.Second

// afterwards loses the request of a dead member, or lets it arrive when nobody waits for it any more.
func (g *Gate) afterwards(ctx context.Context, c *call) {
	if g.plan.chance() < 0.3 {
		return
	}
	delay := time.Duration(g.plan.chance() * float64(lateMost))
	g.late.Go(func() {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
			_, _ = g.send(ctx, c) // nobody hears of it
		}
	})
}

type answer struct {
	status      int
	contentType string
	body        []byte
}

// final tells answers that a saga goes on from: done, or refused for good.
func final(status int) bool {
	return status < 300 || status >= 400 && status < 500 && status != http.StatusTooManyRequests
}

func (g *Gate) send(ctx context.Context, c *call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body)) //nolint:gosec // to a partner of the run
	if err != nil {
		return answer{}, err
	}
	req.Header = c.header
	resp, err := g.client.Do(req) //nolint:gosec // likewise
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), body}, err
}

// cut ends a connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close()
}
