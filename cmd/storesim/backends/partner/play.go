package partner

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"millrace/cmd/storesim/backends/faults"
)

// maxHang bounds a timeout for clients that never give up.
const maxHang = 30 * time.Minute

// play lets the call meet its fate.
func (a *API) play(w http.ResponseWriter, r *http.Request, c *Call) {
	leave, fate := a.Faults.Enter(c.Shop)
	defer leave()
	if fate.Do == faults.Serve {
		fate = a.Faults.Gate(c.Shop, c.Operation)
	}
	if fate.Do == faults.Serve {
		fate = a.Faults.Draw(c.Shop, c.Operation, c.key)
		if !a.wait(fate.Delay) {
			cut(w)
			return
		}
	}
	if fate.Do == faults.Refuse && c.read {
		fate.Do = faults.Serve
	}
	if fate.Do != faults.Serve && fate.Do != faults.Refuse {
		a.fault(r.Context(), c, fate)
	}
	switch fate.Do {
	case faults.Down:
		write(w, fail(http.StatusServiceUnavailable, "unavailable"))
	case faults.Fail:
		codes := [...]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
		write(w, fail(codes[int(fate.Choice)%len(codes)], "fault"))
	case faults.Limit:
		w.Header().Set("Retry-After", strconv.Itoa(int((fate.RetryAfter+time.Second-1)/time.Second)))
		write(w, fail(http.StatusTooManyRequests, "rate_limited"))
	case faults.Refuse:
		a.refuse(w, c)
	case faults.Hang:
		a.hang(r.Context())
		cut(w)
	case faults.Reset:
		cut(w)
	case faults.LoseAnswer:
		a.book.do(c)
		cut(w)
	default:
		a.answer(w, c, a.book.do(c))
	}
}

// fail is an answer of a partner that is not well.
func fail(status int, reason string) Answer { return Tell(status, map[string]string{"error": reason}) }

// refuse plays a refusal by rule, which takes nothing back that is done.
func (a *API) refuse(w http.ResponseWriter, c *Call) {
	got, used := a.book.replay(c)
	switch {
	case used:
	case c.Refusal != nil:
		got = *c.Refusal
	default:
		got = Refuse(http.StatusUnprocessableEntity, ReasonRefused)
	}
	a.answer(w, c, got)
}

func (a *API) fault(ctx context.Context, c *Call, f faults.Fate) {
	name := f.Do
	if f.Outage {
		name = faults.Down
	}
	a.Ledger.Fault(a.Backend, string(name))
	a.Logger.DebugContext(ctx, "fault", "backend", a.Backend, "shop", c.Shop, "order", c.Order, "key", c.key, "fault", string(f.Do))
}

// wait tells whether the time passed before the program was told to stop.
func (a *API) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.Stop:
		return false
	}
}

// hang waits until the client gives up.
func (a *API) hang(ctx context.Context) {
	t := time.NewTimer(maxHang)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-a.Stop:
	case <-t.C:
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // not a connection of HTTP/1: net/http ends the request its own way
		panic(http.ErrAbortHandler)
	}
	faults.Cut(c)
}
