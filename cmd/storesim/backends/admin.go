package backends

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/stock"
)

const (
	maxAdminBody = 4 << 20
	defaultLimit = 1000
)

// admin is the routes of the admin API.
func (s *Server) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]bool{"ok": true}) })
	mux.HandleFunc("GET /ledger", s.getLedger)
	mux.HandleFunc("GET /ledger/summary", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.ledger.Summary()) })
	mux.HandleFunc("GET /ledger/refused", s.getRefused)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.rules.get()) })
	mux.HandleFunc("PUT /faults", s.putFaults)
	for _, path := range []string{"/faults/{backend}", "/faults/{backend}/{name}"} {
		mux.HandleFunc("GET "+path, s.getRule)
		mux.HandleFunc("PUT "+path, s.putRule)
		mux.HandleFunc("DELETE "+path, s.deleteRule)
	}
	mux.HandleFunc("GET /stock", s.getStock)
	mux.HandleFunc("PUT /stock", s.putStock)
	return mux
}

func (s *Server) getLedger(w http.ResponseWriter, r *http.Request) {
	f, err := filter(r.URL.Query(), "kind", "anomaly")
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	found, total := s.ledger.Entries(f)
	reply(w, Entries{Total: total, Entries: found})
}

func (s *Server) getRefused(w http.ResponseWriter, r *http.Request) {
	f, err := filter(r.URL.Query(), "reason")
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	found, total := s.ledger.Refusals(f)
	reply(w, Refusals{Total: total, Refusals: found})
}

// Entries is the answer of GET /ledger; Total counts also what the limit left out.
type Entries struct {
	Total   int             `json:"total"`
	Entries []effects.Entry `json:"entries"`
}

// Refusals is the answer of GET /ledger/refused.
type Refusals struct {
	Total    int               `json:"total"`
	Refusals []effects.Refusal `json:"refusals"`
}

// filter reads a query. What it does not know is a mistake: a misspelt filter would choose everything.
func filter(q url.Values, more ...string) (effects.Filter, error) {
	known := append([]string{"backend", "shop", "order", "subject", "key", "limit"}, more...)
	for name := range q {
		if !slices.Contains(known, name) {
			return effects.Filter{}, fmt.Errorf("%q is not a filter; there are %s", name, strings.Join(known, ", "))
		}
	}
	f := effects.Filter{
		Backend: q.Get("backend"), Shop: q.Get("shop"), Order: q.Get("order"), Subject: q.Get("subject"), Key: q.Get("key"),
		Kind: q.Get("kind"), Anomaly: q.Get("anomaly"), Reason: q.Get("reason"), Limit: defaultLimit,
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return f, fmt.Errorf("limit must be a number from 0, is %q", text)
		}
		f.Limit = n
	}
	return f, nil
}

func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	var set faults.Set
	err := read(w, r, &set)
	if err == nil {
		err = s.rules.replace(set)
	}
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	s.deps.Logger.InfoContext(r.Context(), "all faults replaced")
	reply(w, s.rules.get())
}

func (s *Server) getRule(w http.ResponseWriter, r *http.Request) {
	set := s.rules.get()
	rule, found, known := set.Rule(r.PathValue("backend"), r.PathValue("name"))
	switch {
	case !known:
		complain(w, http.StatusNotFound, errBackend())
	case !found:
		complain(w, http.StatusNotFound, errors.New("it has no rule of its own"))
	default:
		reply(w, rule)
	}
}

func (s *Server) putRule(w http.ResponseWriter, r *http.Request) {
	var rule faults.Rule
	if err := read(w, r, &rule); err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	s.change(w, r, &rule)
}

func (s *Server) deleteRule(w http.ResponseWriter, r *http.Request) { s.change(w, r, nil) }

func (s *Server) change(w http.ResponseWriter, r *http.Request, rule *faults.Rule) {
	known, err := s.rules.change(r.PathValue("backend"), r.PathValue("name"), rule)
	switch {
	case !known:
		complain(w, http.StatusNotFound, errBackend())
	case err != nil:
		complain(w, http.StatusBadRequest, err)
	default:
		s.deps.Logger.InfoContext(r.Context(), "faults changed", "backend", r.PathValue("backend"), "name", r.PathValue("name"), "removed", rule == nil)
		reply(w, s.rules.get())
	}
}

// Stock is the answer of GET /stock; PUT takes its quantities.
type Stock struct {
	Quantities map[string]int64 `json:"quantities"`
	Levels     []stock.Level    `json:"levels"`
}

func (s *Server) getStock(w http.ResponseWriter, r *http.Request) {
	quantities, levels := s.state.Levels(r.URL.Query().Get("shop"))
	reply(w, Stock{quantities, levels})
}

func (s *Server) putStock(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Quantities map[string]int64 `json:"quantities"`
	}
	err := read(w, r, &body)
	if err == nil {
		err = checkQuantities(body.Quantities)
	}
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	s.state.SetQuantities(body.Quantities)
	s.getStock(w, r)
}

func errBackend() error {
	return fmt.Errorf("there is no such backend; there are %s", strings.Join(faults.Backends(), ", "))
}

// read takes a body of exactly one JSON value without unknown fields: a misspelt fault would do nothing.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read the body: there is more than one JSON value in it")
	}
	return nil
}

func reply(w http.ResponseWriter, v any) { send(w, http.StatusOK, v) }

func complain(w http.ResponseWriter, status int, err error) {
	send(w, status, map[string]string{"error": err.Error()})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Fails only if the client has gone: all of these types marshal.
	_ = json.NewEncoder(w).Encode(v)
}
