package engine

import (
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// serverInfo is what the engine says about itself, asked for once.
type serverInfo struct{ version, name, timezone string }

// handler is ClickHouse's HTTP interface.
type handler struct {
	pool     *pool
	spool    *spool
	user     string
	password string
	info     serverInfo
	log      *slog.Logger
}

// routes refuses what a web page from elsewhere might send to a loopback port: without that, any page in the user's browser
// could write here. Programs do not send the headers that the check looks at.
func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", ok)
	mux.HandleFunc("/replicas_status", ok)
	mux.HandleFunc("/{$}", h.root)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks, POST / with a query for everything else.", http.StatusNotFound)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_, _ = io.WriteString(w, "Ok.\n")
}

func (h *handler) root(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if r.URL.RawQuery == "" || r.Method == http.MethodHead {
			ok(w, r)
			return
		}
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Only GET, HEAD and POST are served.", http.StatusMethodNotAllowed)
		return
	}
	q, err := parseRequest(r)
	if err != nil {
		(&response{w: w, version: h.info.version}).fail(asException(err))
		return
	}
	out := newResponse(w, r, q, h.info)
	if err := h.authenticate(r); err != nil {
		out.fail(asException(err))
		return
	}
	if err := h.answer(r, q, out); err != nil {
		ex := asException(err)
		if !errors.Is(r.Context().Err(), err) {
			h.log.DebugContext(r.Context(), "statement failed", "query_id", q.queryID, "code", ex.code, "err", ex.text)
		}
		out.fail(ex)
	}
}

// authenticate takes credentials from where ClickHouse takes them: its own headers, Basic authentication or the URL.
func (h *handler) authenticate(r *http.Request) error {
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if user == "" && password == "" {
		var basic bool
		if user, password, basic = r.BasicAuth(); !basic {
			user, password = r.URL.Query().Get("user"), r.URL.Query().Get("password")
		}
	}
	user = firstOf(user, "default")
	sameUser := subtle.ConstantTimeCompare([]byte(user), []byte(h.user))
	samePassword := subtle.ConstantTimeCompare([]byte(password), []byte(h.password))
	if sameUser&samePassword == 1 {
		return nil
	}
	return newException(codeAuthentication, "AUTHENTICATION_FAILED",
		user+": Authentication failed: password is incorrect, or there is no user with such name.")
}
