package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/schemas/secret"
)

// Stock is what the service needs of a stock system. A call with a key that was used before must have no second effect. The errors
// are verdicts for the runtime, marked with outgoing.Answered where the system itself is well.
type Stock interface {
	Reserve(ctx context.Context, key string, r Reservation) error
	// Release fails with ErrUnknownReservation when nothing was ever reserved for the order.
	Release(ctx context.Context, key string, r Release) error
}

// ErrUnknownReservation says that the stock system does not know the order.
var ErrUnknownReservation = errors.New("unknown reservation")

// Reservation asks for goods to be kept for an order.
type Reservation struct {
	Shop    string `json:"shop"`
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Release gives goods of an order back. No lines means all that is still reserved.
type Release struct {
	Shop    string `json:"-"`
	OrderID string `json:"-"`
	Reason  string `json:"reason"`
	Lines   []Line `json:"lines,omitempty"`
}

// Reasons of a Release.
const (
	ReasonCancelled = "cancelled"
	ReasonRefunded  = "refunded"
)

// Line is a quantity of one variant.
type Line struct {
	VariantID string `json:"variant_id"`
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
}

// maxAnswer bounds what is read of an answer; reading it to its end lets the connection be used again.
const maxAnswer = 64 << 10

// httpStock is Stock over HTTP.
type httpStock struct {
	client *http.Client
	base   string // without a slash at its end
	token  secret.Secret
}

// newHTTPClient returns a client that keeps as many connections as there are calls at once, and follows no redirects: a POST would
// become a GET.
func newHTTPClient(connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConns:        connections,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     30 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *httpStock) Reserve(ctx context.Context, key string, r Reservation) error {
	if err := s.post(ctx, "/v1/reservations", key, r); err != nil {
		return fmt.Errorf("reserve stock: %w", err)
	}
	return nil
}

func (s *httpStock) Release(ctx context.Context, key string, r Release) error {
	path := "/v1/reservations/" + url.PathEscape(r.Shop) + "/" + url.PathEscape(r.OrderID) + "/release"
	if err := s.post(ctx, path, key, r); err != nil {
		return fmt.Errorf("release stock: %w", err)
	}
	return nil
}

func (s *httpStock) post(ctx context.Context, path, key string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return outgoing.Answered(group.Permanent(err)) // of structs of text and numbers: cannot be
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(text))
	if err != nil {
		return outgoing.Answered(group.Permanent(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "millrace-inventory")
	req.Header.Set("Idempotency-Key", key)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token.Reveal())
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = outgoing.CheckHTTP(resp)
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	var answer *outgoing.HTTPError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		if strings.Contains(answer.Body, "unknown_reservation") {
			return outgoing.Answered(fmt.Errorf("%w: %w", ErrUnknownReservation, answer))
		}
		// Not this API, or not this path: our configuration, which concerns every order. It must open the breaker instead of
		// making dead letters.
		return answer
	}
	return err
}
