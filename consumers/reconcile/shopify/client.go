package shopify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/schemas/secret"
)

// What a store may answer, beside answers. All are final: to ask again does not help.
var (
	// ErrDenied is wrapped where the token is refused or lacks a scope.
	ErrDenied = errors.New("the store refuses the access token")
	// ErrNotFound is wrapped where there is no such store, or the API version is none.
	ErrNotFound = errors.New("no such store or API version")
	// ErrRefused is wrapped where the store does not answer the question.
	ErrRefused = errors.New("the store refuses the query")
)

// errPassing is wrapped by what may be better the next time.
var errPassing = errors.New("the store does not answer for now")

// Client reaches stores. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
	log  *slog.Logger
	old  sync.Once // to warn once of an API version that is no longer supported
}

// Deps is what the program hands over.
type Deps struct {
	Logger    *slog.Logger      // required
	Transport http.RoundTripper // nil: Go's default
}

// New builds it; nothing is asked yet.
func New(cfg Config, d Deps) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("shopify: %w", err)
	}
	if d.Logger == nil {
		return nil, errors.New("shopify: Deps.Logger must be set")
	}
	return &Client{cfg: cfg, log: d.Logger, http: &http.Client{
		Transport: d.Transport, Timeout: cfg.Timeout,
		// The header with the token would go along, to whatever host the answer names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Store is one store. It is safe for concurrent use.
type Store struct {
	client *Client
	shop   string
	token  secret.Secret
	pace   pace
}

// Store returns the store of a domain. Each has a rate limit of its own, so there should be one Store for it.
func (c *Client) Store(shop string, token secret.Secret) *Store {
	return &Store{client: c, shop: shop, token: token, pace: pace{asked: map[string]int{}}}
}

// APIVersion is the version that answers are asked in.
func (c *Client) APIVersion() string { return c.cfg.APIVersion }

const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
	// maxAnswer is far above what a query of 1000 points can bring.
	maxAnswer = 16 << 20
)

// ask sends a query until it is answered, and reads the data into into. name tells queries apart: what one costs is known from the
// last time.
func (s *Store) ask(ctx context.Context, name, query string, vars map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, s.shop, err)
	}
	until := time.Now().Add(s.client.cfg.MaxWait)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if err := sleep(ctx, s.pace.wait(name)); err != nil {
			return fmt.Errorf("%s of %s: %w", name, s.shop, err)
		}
		wait, err := s.once(ctx, name, body, into)
		if err == nil {
			return nil
		}
		wait = max(wait, pause/2+rand.N(pause)) //nolint:gosec // so that processes do not come back together
		if !errors.Is(err, errPassing) || ctx.Err() != nil || time.Now().Add(wait).After(until) {
			return fmt.Errorf("%s of %s: %w", name, s.shop, err)
		}
		s.client.log.DebugContext(ctx, "store asked again", "shop", s.shop, "query", name, "wait", wait, "err", err)
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("%s of %s: %w", name, s.shop, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// answer is a GraphQL answer.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Cost *cost `json:"cost"`
	} `json:"extensions"`
}

// once sends the query once. wait is how long the store asks to be left alone, where it does.
func (s *Store) once(ctx context.Context, name string, body []byte, into any) (wait time.Duration, err error) {
	address := strings.ReplaceAll(s.client.cfg.URL, shopPlace, s.shop) + "/admin/api/" + s.client.cfg.APIVersion + "/graphql.json"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Shopify-Access-Token", s.token.Reveal())
	resp, err := s.client.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPassing, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPassing, err)
	}
	if resp.StatusCode != http.StatusOK {
		return status(resp, text)
	}
	if used := resp.Header.Get("X-Shopify-API-Version"); used != "" && used != s.client.cfg.APIVersion {
		s.client.old.Do(func() {
			s.client.log.WarnContext(ctx, "store answers in another API version", "setting", "reconcile.shopify.api_version", "asked", s.client.cfg.APIVersion, "answered", used)
		})
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return 0, fmt.Errorf("%w: an answer that is not JSON: %w", errPassing, err)
	}
	wait = s.pace.learn(name, a.Extensions.Cost)
	if err := a.verdict(); err != nil {
		return wait, err
	}
	if err := json.Unmarshal(a.Data, into); err != nil {
		return 0, fmt.Errorf("%w: read the answer: %w", ErrRefused, err)
	}
	return 0, nil
}

// verdict sorts a GraphQL answer's errors. Half an answer, with data and errors, counts as none: what is missing in it would look as if
// it were not there.
func (a *answer) verdict() error {
	if len(a.Errors) == 0 {
		if len(a.Data) == 0 {
			return fmt.Errorf("%w: an answer without data", errPassing)
		}
		return nil
	}
	said := make([]string, len(a.Errors))
	kind := ErrRefused
	for i, e := range a.Errors {
		said[i] = e.Message
		switch e.Extensions.Code {
		case "THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT":
			kind = errPassing
		case "ACCESS_DENIED":
			kind = ErrDenied
		}
	}
	return fmt.Errorf("%w: %s", kind, short(strings.Join(said, "; ")))
}

// status sorts an answer that is not GraphQL.
func status(resp *http.Response, text []byte) (wait time.Duration, err error) {
	what := fmt.Sprintf("%s: %s", resp.Status, short(strings.TrimSpace(string(text))))
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return 0, fmt.Errorf("%w: %s", ErrDenied, what)
	case code == http.StatusNotFound:
		return 0, fmt.Errorf("%w: %s", ErrNotFound, what)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= http.StatusInternalServerError:
		// Shopify writes a fraction: Retry-After: 2.0.
		if seconds, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64); err == nil && seconds > 0 {
			wait = min(time.Duration(seconds*float64(time.Second)), maxPause)
		}
		return wait, fmt.Errorf("%w: %s", errPassing, what)
	default: // 402 and 423 are frozen and locked stores; a redirect is a store that has moved
		return 0, fmt.Errorf("%w: %s", ErrRefused, what)
	}
}

// short cuts a text for an error.
func short(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
