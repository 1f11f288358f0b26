package outgoing

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/group"
)

const (
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
	// maxErrorText is how much of an answer's body goes into an error.
	maxErrorText = 500
	// throttledWait is the wait after a 429 that does not say how long.
	throttledWait = time.Second
	// maxRetryAfter bounds what the other side may ask for: a slip there must not stop a shop for days.
	maxRetryAfter = 15 * time.Minute
)

// HTTPError is an answer with a status outside of 200 to 299.
type HTTPError struct {
	Method, URL string // without query and user
	Status      int
	Body        string        // its beginning
	Code        string        // of a refusal as our contracts have it, {"error":"<code>"}; empty in another answer
	RetryAfter  time.Duration // as asked for, at most 15 minutes; 0 when it was not
}

// Error implements error.
func (e *HTTPError) Error() string {
	text := fmt.Sprintf("%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// CheckHTTP turns an answer into a verdict, to be returned from within Do; it reads the body of a bad one, up to 64 KiB, and
// leaves it to be closed by the caller. Errors wrap *HTTPError:
//
//	2xx                       nil
//	429                       group.Unavailable for Retry-After or a second; the dependency works
//	503 with Retry-After      group.Unavailable; a failure of the dependency
//	408, 5xx                  plain (tried again by the schedule); a failure
//	401, 403, 407, 1xx, 3xx   plain; a failure: these are mistakes of our configuration, which concern every event. They open the
//	                          breaker, so that events wait for the operator instead of becoming dead letters
//	425                       plain; the dependency works
//	other 4xx                 group.Permanent; the dependency works: it is the request
//
// After a Retry-After, Do refuses further calls for the same shop until then. Errors of the transport are not seen here; returned
// as they are, they are failures that the schedule tries again.
func CheckHTTP(resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	e := newHTTPError(resp)
	switch s := e.Status; {
	case s == http.StatusTooManyRequests:
		wait := e.RetryAfter
		if wait == 0 {
			wait = throttledWait
		}
		return Answered(group.Unavailable(wait, e))
	case s == http.StatusServiceUnavailable && e.RetryAfter > 0:
		return group.Unavailable(e.RetryAfter, e)
	case s == http.StatusTooEarly:
		return Answered(e)
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusProxyAuthRequired, s == http.StatusRequestTimeout:
		return e
	case s >= 400 && s <= 499:
		return Answered(group.Permanent(e))
	default:
		return e
	}
}

func newHTTPError(resp *http.Response) *HTTPError {
	e := &HTTPError{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	if r := resp.Request; r != nil && r.URL != nil {
		u := *r.URL
		u.RawQuery, u.Fragment, u.User = "", "", nil
		e.Method, e.URL = r.Method, u.String()
	}
	// What could not be read of an error's text is not worth another error.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &refusal) == nil {
		e.Code = refusal.Error
	}
	e.Body = strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), maxErrorText)])), "")
	return e
}

// retryAfter reads seconds or a date; 0 for nothing, nonsense and the past.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		d = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}
