package forward

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
	"millrace/schemas/secret"
)

// Headers of a request, beside those of CloudEvents.
const (
	HeaderIdempotencyKey = "Idempotency-Key"
	HeaderSignature      = "X-Millrace-Signature"
	HeaderAttempt        = "X-Millrace-Attempt"
	HeaderReplay         = "X-Millrace-Replay"
)

// maxAnswer bounds what is read of a good answer; reading it to its end lets the connection be used again. CheckHTTP reads bad ones.
const maxAnswer = 64 << 10

// target is the endpoint.
type target struct {
	client    *http.Client
	url       string
	key       []byte // of the signature; empty: none is made
	token     secret.Secret
	agent     string
	endpoints map[int]bool // statuses that are about the endpoint
}

// send makes one request and returns its verdict, for outgoing.Client.Do.
func (t *target) send(ctx context.Context, e *group.Event) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(e.Body))
	if err != nil {
		return outgoing.Answered(group.Permanent(err))
	}
	t.describe(req.Header, e)
	resp, err := t.client.Do(req)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	defer resp.Body.Close()
	err = t.verdict(resp, e)
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err
}

// describe sets the headers of an event's request.
func (t *target) describe(h http.Header, e *group.Event) {
	h.Set("Content-Type", "application/json") // where the event does not say
	for _, a := range schemas.AppendHeaders([]group.Header(nil), &e.Event) {
		name, attribute := strings.CutPrefix(a.Key, "ce_")
		switch {
		case attribute:
			h.Set("ce-"+name, percent(a.Value))
		case plain(a.Value): // content-type, traceparent; both came as headers
			h.Set(a.Key, string(a.Value))
		}
	}
	h.Set("User-Agent", t.agent)
	h.Set(HeaderIdempotencyKey, percent([]byte(e.ID)))
	h.Set(HeaderAttempt, strconv.Itoa(e.Attempt))
	if e.Replay != "" {
		h.Set(HeaderReplay, e.Replay)
	}
	if len(t.key) > 0 {
		h.Set(HeaderSignature, sign(t.key, e.Body))
	}
	if t.token != "" {
		h.Set("Authorization", "Bearer "+t.token.Reveal())
	}
}

func sign(key, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// percent encodes an attribute's value as CloudEvents' HTTP binding wants it: what is no printable ASCII, space, quote and percent.
func percent(value []byte) string {
	var b strings.Builder
	b.Grow(len(value))
	for _, c := range value {
		if c > ' ' && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plain tells whether a value may stand in a header as it is.
func plain(value []byte) bool {
	return bytes.IndexFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) < 0
}

// verdict reads an answer; the package comment has the rules.
func (t *target) verdict(resp *http.Response, e *group.Event) error {
	err := outgoing.CheckHTTP(resp)
	var answer *outgoing.HTTPError
	if !errors.As(err, &answer) {
		return err
	}
	switch s := answer.Status; {
	case s == http.StatusConflict, s == http.StatusTooEarly:
		wait := answer.RetryAfter
		if wait == 0 {
			wait = pause.ByAge(e.Received)
		}
		// It is about this event: the others of its shop go on, which they would not with a time in the error.
		one := *answer
		one.RetryAfter = 0
		return outgoing.Answered(group.NotReady(wait, "not ready: %w", &one))
	case s >= 300 && s <= 399:
		return fmt.Errorf("redirects are not followed, forward.url must be the endpoint itself (Location: %s): %w", place(resp), answer)
	case t.endpoints[s]:
		return answer
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests:
		return err
	case s >= 400 && s <= 499:
		return outgoing.Answered(group.Permanent(answer))
	default:
		return err
	}
}

// place is where a redirect points, without what may be secret.
func place(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "none"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
