package outgoing

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"millrace/consumers/group/grouptest"
	"millrace/schemas/secret"
)

// partner is an API that gives one answer, with what it was asked and what was logged.
type partner struct {
	*API

	status   int
	answer   string
	location string
	requests []*http.Request
	bodies   []string
	log      lockedBuffer
}

func newPartner(t *testing.T) *partner {
	t.Helper()
	p := &partner{status: http.StatusOK}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		p.requests, p.bodies = append(p.requests, r), append(p.bodies, string(body))
		if p.location != "" {
			w.Header().Set("Location", p.location)
		}
		w.WriteHeader(p.status)
		_, _ = io.WriteString(w, p.answer)
	}))
	client := NewHTTPClient(1)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	p.API = NewAPI(HTTPConfig{URL: srv.URL + "/base/", Token: secret.Secret("hush")}, APIDeps{
		Service: "test", Setting: "test.api", HTTP: client, Logger: slog.New(slog.NewJSONHandler(&p.log, nil)),
	})
	return p
}

func TestACallIsMadeAsTheContractsSay(t *testing.T) {
	p := newPartner(t)
	p.answer = `{"id":"7"}`
	var got struct{ ID string }
	err := p.Send(t.Context(), Request{
		Method: http.MethodPut, Path: []string{"v1", "orders", "a/../b", "1?x"}, Key: "k", Body: map[string]string{"a": "b"}, Answer: &got,
	})
	if err != nil || got.ID != "7" {
		t.Fatalf("Send() = %v, answer %+v", err, got)
	}
	r, h := p.requests[0], p.requests[0].Header
	if r.Method != http.MethodPut || r.URL.EscapedPath() != "/base/v1/orders/a%2F..%2Fb/1%3Fx" || p.bodies[0] != `{"a":"b"}` {
		t.Errorf("request %s %s %s: an id must not leave its place", r.Method, r.URL.EscapedPath(), p.bodies[0])
	}
	if h.Get("Idempotency-Key") != "k" || h.Get("Authorization") != "Bearer hush" || h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "millrace-test" {
		t.Errorf("headers %v", h)
	}
	if err := p.Send(t.Context(), Request{Method: http.MethodGet, Path: []string{"v1"}}); err != nil {
		t.Errorf("Send() error: %v", err)
	}
	if h := p.requests[1].Header; p.bodies[1] != "" || h.Get("Content-Type") != "" || len(h.Values("Idempotency-Key")) != 0 {
		t.Errorf("a call without body and key has %q, %v", p.bodies[1], h)
	}
}

func TestAnAnswerThatCannotBeReadIsAFailure(t *testing.T) {
	p := newPartner(t)
	for _, answer := range []string{"<html>", "", `{"id":` + strings.Repeat(" ", maxAnswer) + `"7"}`} {
		p.answer = answer
		var got struct{ ID string }
		err := p.Send(t.Context(), Request{Method: http.MethodGet, Answer: &got})
		if grouptest.Verdict(err).Kind != grouptest.Retry || errors.As(err, new(*answered)) {
			t.Errorf("%.20q: %v, want a failure of the partner", answer, err)
		}
		if err := p.Send(t.Context(), Request{Method: http.MethodGet}); err != nil {
			t.Errorf("%.20q: %v, although nobody asks for it", answer, err)
		}
	}
}

func TestA404IsOurConfigurationUnlessItsCodeIsThatOfTheCall(t *testing.T) {
	for _, tc := range []struct {
		answer, unknown, code string
		healthy               bool
	}{
		{`{"error":"unknown_charge"}`, "unknown_charge", "unknown_charge", true},
		{`{"error":"unknown_charge"}`, "", "unknown_charge", false},
		{`{"error":"Not Found"}`, "unknown_charge", "Not Found", false},
		{`{"error":{"code":"unknown_charge"}}`, "unknown_charge", "", false},
		{`<html>unknown_charge`, "unknown_charge", "", false},
		{``, "", "", false},
	} {
		p := newPartner(t)
		p.status, p.answer = http.StatusNotFound, tc.answer
		err := p.Send(t.Context(), Request{Method: http.MethodGet, Unknown: tc.unknown})
		var he *HTTPError
		if !errors.As(err, &he) || he.Code != tc.code {
			t.Errorf("%s: %v, want the code %q", tc.answer, err, tc.code)
		}
		if healthy := errors.As(err, new(*answered)); healthy != tc.healthy {
			t.Errorf("%s, known as %q: the partner works: %v, want %v", tc.answer, tc.unknown, healthy, tc.healthy)
		}
	}
}

func TestARefusedTokenIsToldOnceAMinuteAndNotItself(t *testing.T) {
	p := newPartner(t)
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		p.status = status
		if err := p.Send(t.Context(), Request{Method: http.MethodGet}); grouptest.Verdict(err).Kind != grouptest.Retry || errors.As(err, new(*answered)) {
			t.Errorf("%d: %v, want a failure: it must open the breaker", status, err)
		}
	}
	if p.log.lines("test.api.token") != 1 || p.log.lines("hush") != 0 {
		t.Errorf("logged %s", p.log.b.String())
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	p := newPartner(t)
	p.status, p.location = http.StatusTemporaryRedirect, "/elsewhere"
	if err := p.Send(t.Context(), Request{Method: http.MethodPost, Body: 1}); grouptest.Verdict(err).Kind != grouptest.Retry || len(p.requests) != 1 {
		t.Errorf("%v after %d requests, want a failure after one", err, len(p.requests))
	}
}

func TestAnAddressIsCheckedWithoutBeingTold(t *testing.T) {
	for text, want := range map[string]string{
		"http://partner":                   "",
		"https://partner.example.com/a/b/": "",
		"":                                 "url must be http",
		"partner:hush":                     "url must be http",
		"ftp://hush":                       "url must be http",
		"http://me:hush@partner":           "url must have no user",
		"http://partner?token=hush":        "url must have no query",
		"http://partner#hush":              "url must have no query",
	} {
		switch err := (HTTPConfig{URL: text}).Validate(); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, want %q", text, err, want)
		case err != nil && strings.Contains(err.Error(), "hush"):
			t.Errorf("%q: the error repeats it: %v", text, err)
		}
	}
}
