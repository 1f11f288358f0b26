package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// sender makes single HTTP attempts.
type sender struct {
	url    string
	secret []byte
	client *http.Client
}

func newSender(cfg Config, transport http.RoundTripper) *sender {
	if transport == nil {
		dialer := &net.Dialer{Timeout: ConnectTimeout}
		transport = &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: RequestTimeout,
			MaxIdleConns: cfg.Concurrency, MaxIdleConnsPerHost: cfg.Concurrency, IdleConnTimeout: time.Minute,
		}
	}
	return &sender{url: cfg.URL, secret: []byte(cfg.Secret.Reveal()), client: &http.Client{
		Transport: transport,
		Timeout:   RequestTimeout,
		// A redirect is a failed delivery, not a new address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// result is what came of one attempt.
type result struct {
	code     int // 0: no answer
	err      error
	storable bool // the receiver may hold the event now
}

func (r result) acked() bool { return r.code >= 200 && r.code <= 299 }

// attempt posts the event once. It lasts at most RequestTimeout.
func (s *sender) attempt(ctx context.Context, e *Event) result {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(e.Body))
	if err != nil {
		return result{err: fmt.Errorf("build request of webhook %s: %w", e.WebhookID, err)}
	}
	req.Header = header(e, Sign(s.secret, e.Body))
	resp, err := s.client.Do(req)
	if err != nil {
		var op *net.OpError
		refused := errors.As(err, &op) && op.Op == "dial"
		return result{err: err, storable: !refused}
	}
	// The answer is read so that the connection can serve the next delivery. A body that does not end is cut, and with it
	// the connection; the status has already decided.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	return result{code: resp.StatusCode, storable: resp.StatusCode < 300 || resp.StatusCode >= 500}
}
