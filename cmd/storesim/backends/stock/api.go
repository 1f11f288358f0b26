package stock

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/schemas/secret"
)

const (
	maxBody = 1 << 20
	// maxHang bounds a timeout for clients that never give up.
	maxHang = 30 * time.Minute
)

// Deps is what the program hands over; all but Token is required.
type Deps struct {
	State  *State
	Faults *faults.Injector
	Ledger *effects.Ledger
	Logger *slog.Logger
	Token  secret.Secret // empty: none is asked for
	// Stop ends all waiting: requests that are delayed or hang then are cut without an effect.
	Stop <-chan struct{}
}

// API is the HTTP handler.
type API struct {
	Deps
	mux *http.ServeMux
}

// New builds the handler.
func New(d Deps) *API {
	a := &API{Deps: d, mux: http.NewServeMux()}
	a.mux.HandleFunc("POST /v1/reservations", func(w http.ResponseWriter, r *http.Request) { serve(a, w, r, a.reserve) })
	a.mux.HandleFunc("POST /v1/reservations/{shop}/{order}/release", func(w http.ResponseWriter, r *http.Request) { serve(a, w, r, a.release) })
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// call is one request that was understood.
type call struct {
	key, shop, order string
	content          string
	do               func() answer // has the effect
}

// serve reads the body, lets understand make a call of it, and plays that.
func serve[T any](a *API, w http.ResponseWriter, r *http.Request, understand func(r *http.Request, body T) (call, error)) {
	a.Ledger.Request(faults.Stock)
	// The body is read whole even if it is not wanted: net/http notices that a client has gone only when nothing is left to read.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if !a.authorised(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.refuse(w, call{}, refusal(http.StatusUnauthorized, reasonUnauthorized, ""), reasonUnauthorized)
		return
	}
	c, body := call{}, *new(T)
	if tooLarge := new(http.MaxBytesError); err != nil && !errors.As(err, &tooLarge) {
		cut(w) // the client left while it was sending, which is no refusal
		return
	}
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err == nil {
		c, err = understand(r, body)
	}
	c.key = r.Header.Get("Idempotency-Key")
	if err == nil && c.key == "" {
		err = errors.New("the header Idempotency-Key is missing")
	}
	if err != nil {
		a.refuse(w, c, refusal(http.StatusUnprocessableEntity, reasonInvalid, err.Error()), reasonInvalid)
		return
	}
	a.play(w, r, c)
}

func (a *API) authorised(r *http.Request) bool {
	want := "Bearer " + a.Token.Reveal()
	return a.Token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}

func (a *API) reserve(r *http.Request, body reservation) (call, error) {
	key := r.Header.Get("Idempotency-Key")
	c := call{shop: body.Shop, order: body.OrderID, content: content("reserve", body.Shop, body.OrderID, body.Lines)}
	c.do = func() answer {
		return a.State.Reserve(key, c.content, body, func(sku string) bool { return a.Faults.Insufficient(body.Shop, sku) })
	}
	return c, body.check()
}

func (a *API) release(r *http.Request, body release) (call, error) {
	key := r.Header.Get("Idempotency-Key")
	c := call{shop: r.PathValue("shop"), order: r.PathValue("order")}
	c.content = content("release", c.shop, c.order, body)
	c.do = func() answer { return a.State.Release(key, c.content, c.shop, c.order, body) }
	return c, body.check()
}

// play lets the call meet its fate.
func (a *API) play(w http.ResponseWriter, r *http.Request, c call) {
	fate := a.Faults.Gate(c.shop)
	if fate.Do == faults.Serve {
		fate = a.Faults.Draw(c.shop, c.key)
		if !a.wait(fate.Delay) {
			cut(w)
			return
		}
	}
	if fate.Do != faults.Serve && fate.Do != faults.Refuse {
		a.fault(r.Context(), c, fate)
	}
	switch fate.Do {
	case faults.Down:
		write(w, refusal(http.StatusServiceUnavailable, "unavailable", ""))
	case faults.Fail:
		codes := [...]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
		write(w, refusal(codes[int(fate.Choice)%len(codes)], "fault", ""))
	case faults.Limit:
		w.Header().Set("Retry-After", strconv.Itoa(int((fate.RetryAfter+time.Second-1)/time.Second)))
		write(w, refusal(http.StatusTooManyRequests, "rate_limited", ""))
	case faults.Refuse:
		if again, used := a.State.Replay(c.key, c.content); used {
			a.answer(w, c, again)
			return
		}
		a.refuse(w, c, refusal(http.StatusUnprocessableEntity, reasonRefused, ""), reasonRefused)
	case faults.Hang:
		a.hang(r.Context())
		cut(w)
	case faults.Reset:
		cut(w)
	case faults.LoseAnswer:
		c.do()
		cut(w)
	default:
		a.answer(w, c, c.do())
	}
}

// answer writes an answer of the State, and accounts for it when it is a permanent refusal.
func (a *API) answer(w http.ResponseWriter, c call, got answer) {
	switch got.status {
	case http.StatusConflict:
		a.refuse(w, c, got, reasonInsufficient)
	case http.StatusUnprocessableEntity:
		a.refuse(w, c, got, reasonKeyReused)
	case http.StatusNotFound:
		a.Ledger.Unknown()
		write(w, got)
	default:
		write(w, got)
	}
}

func (a *API) refuse(w http.ResponseWriter, c call, got answer, reason string) {
	a.Ledger.Refuse(effects.Refusal{Backend: faults.Stock, Key: c.key, Shop: c.shop, Order: c.order, Reason: reason, Status: got.status})
	write(w, got)
}

func (a *API) fault(ctx context.Context, c call, f faults.Fate) {
	name := f.Do
	if f.Outage {
		name = faults.Down
	}
	a.Ledger.Fault(faults.Stock, string(name))
	a.Logger.DebugContext(ctx, "fault", "backend", faults.Stock, "shop", c.shop, "order", c.order, "key", c.key, "fault", string(f.Do))
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

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
