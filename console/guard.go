package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets the page load nothing but its own files: no inline script or style, no frame, no other origin.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard is what every request passes first: methods, names, credentials.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			s.refuse(w, http.StatusMethodNotAllowed, codeBadRequest, "The console only reads: GET and HEAD.")
			return
		}
		if s.cfg.asks() {
			if !s.admitted(r) {
				h.Set("WWW-Authenticate", `Basic realm="millrace", charset="UTF-8"`)
				s.refuse(w, http.StatusUnauthorized, codeUnauthorized, "User and password are needed.")
				return
			}
		} else if !s.known(r.Host) {
			// A page elsewhere can make its own name point at this machine and read the answers as if they were its own; it
			// cannot choose the name that the browser then sends.
			s.refuse(w, http.StatusForbidden, codeForbidden, "The console does not know itself by the name "+cut(r.Host)+"; console.hosts adds names.")
			return
		}
		// Another site's page cannot read an answer, but it could make the browser ask for a great many.
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && strings.HasPrefix(r.URL.Path, "/api/") {
			s.refuse(w, http.StatusForbidden, codeForbidden, "The API is for the console's own page and for tools.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func cut(host string) string { return host[:min(len(host), 100)] }

// admitted compares credentials in a time that tells nothing of them.
func (s *Server) admitted(r *http.Request) bool {
	user, password, given := r.BasicAuth()
	if !given {
		return false
	}
	sameUser := same(user, s.cfg.User)
	samePassword := same(password, s.cfg.Password.Reveal())
	if sameUser&samePassword == 1 {
		return true
	}
	if s.logged.Allow() {
		s.log.WarnContext(r.Context(), "wrong user or password", "remote", r.RemoteAddr)
	}
	// Guessing costs time. The connection waits, the others do not.
	_ = s.guesses.Wait(r.Context())
	return false
}

// same compares by digests, which have one length.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// known tells whether host, as a browser sends it, is a name of this listener.
func (s *Server) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "localhost" || slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return true
	}
	// An address is never a name that somebody else could have pointed here.
	return net.ParseIP(name) != nil
}
