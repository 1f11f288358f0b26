package partner

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/schemas/secret"
)

const (
	defaultMaxBody = 1 << 20
	// maxCalls bounds what is under way, delays and hanging requests included, so that a client without bounds cannot take the
	// machine with it.
	maxCalls = 10_000
)

// Deps is what the program hands over; all but Token and MaxBody is required.
type Deps struct {
	Backend string // its name in rules and in the ledger
	Faults  *faults.Injector
	Ledger  *effects.Ledger
	Logger  *slog.Logger
	Token   secret.Secret // empty: none is asked for
	MaxBody int64         // in bytes; 0: 1 MiB
	// Stop ends all waiting: requests that are delayed or hang then are cut without an effect.
	Stop <-chan struct{}
}

// API is the HTTP handler of one partner.
type API struct {
	Deps
	mux   *http.ServeMux
	book  *book
	slots chan struct{}
}

// New builds an API without operations.
func New(d Deps) *API {
	d.MaxBody = cmp.Or(d.MaxBody, defaultMaxBody)
	return &API{Deps: d, mux: http.NewServeMux(), book: newBook(d.Backend, d.Ledger), slots: make(chan struct{}, maxCalls)}
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Handle serves an operation with a body of JSON: understand makes a call of it.
func Handle[T any](a *API, pattern string, understand func(r *http.Request, body T) (Call, error)) {
	a.HandleRaw(pattern, func(r *http.Request, text []byte) (Call, *Answer) {
		var body T
		if err := json.Unmarshal(text, &body); err != nil {
			return refused(Call{}, err)
		}
		c, err := understand(r, body)
		if err != nil {
			return refused(c, err)
		}
		return c, nil
	})
}

func refused(c Call, err error) (Call, *Answer) {
	a := Invalid(err)
	return c, &a
}

// HandleRaw serves an operation with a body of any kind; what understand does not take gets its answer.
func (a *API) HandleRaw(pattern string, understand func(r *http.Request, text []byte) (Call, *Answer)) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		a.serve(w, r, func(text []byte) (Call, *Answer) {
			c, refusal := understand(r, text)
			c.key = r.Header.Get("Idempotency-Key")
			if refusal == nil && c.key == "" {
				return refused(c, errors.New("the header Idempotency-Key is missing"))
			}
			return c, refusal
		})
	})
}

// HandleRead serves an operation that changes nothing and needs no key. Its path names shop and order.
func (a *API) HandleRead(pattern string, read func(of Order) Answer) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		a.serve(w, r, func([]byte) (Call, *Answer) {
			c := Call{Operation: faults.Read, Shop: r.PathValue("shop"), Order: r.PathValue("order"), read: true, key: "read " + r.URL.Path}
			c.Do = func() Answer { return read(c.of()) }
			return c, nil
		})
	})
}

// serve reads the body, lets understand make a call of it, and plays that.
func (a *API) serve(w http.ResponseWriter, r *http.Request, understand func(text []byte) (Call, *Answer)) {
	ended := a.Ledger.Request(a.Backend)
	defer ended()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		write(w, Tell(http.StatusServiceUnavailable, map[string]string{"error": "busy"}))
		return
	}
	// The body is read whole even if it is not wanted: net/http notices that a client has gone only when nothing is left to read.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.MaxBody))
	if !a.authorised(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.answer(w, &Call{}, Refuse(http.StatusUnauthorized, ReasonUnauthorized))
		return
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		a.answer(w, &Call{key: r.Header.Get("Idempotency-Key")}, Invalid(err))
		return
	}
	if err != nil {
		cut(w) // the client left while it was sending, which is no refusal
		return
	}
	c, refusal := understand(text)
	if refusal != nil {
		a.answer(w, &c, *refusal)
		return
	}
	a.play(w, r, &c)
}

func (a *API) authorised(r *http.Request) bool {
	want := "Bearer " + a.Token.Reveal()
	return a.Token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}

// answer writes an answer, and accounts for it when it is a refusal.
func (a *API) answer(w http.ResponseWriter, c *Call, got Answer) {
	switch {
	case got.reason != "":
		a.Ledger.Refuse(effects.Refusal{Backend: a.Backend, Key: c.key, Shop: c.Shop, Order: c.Order, Subject: c.Subject, Reason: got.reason, Status: got.Status})
	case got.early && !c.read:
		a.Ledger.Unknown(a.Backend)
	}
	write(w, got)
}

func write(w http.ResponseWriter, a Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.body) // fails only if the client has gone
}
