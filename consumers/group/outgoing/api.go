package outgoing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"millrace/consumers/group"
	"millrace/schemas/secret"
)

// HTTPConfig is how a service reaches the API of a partner.
type HTTPConfig struct {
	URL   string        `mapstructure:"url" help:"Address of the API, e.g. https://partner.example.com/api; its paths, /v1/…, come after it."`
	Token secret.Secret `mapstructure:"token" help:"Bearer token for the API; empty for none."`
}

// Validate returns what is wrong with it, with its key.
func (c HTTPConfig) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		// The text may hold credentials: it is not repeated.
		return errors.New("url must be http://host or https://host, with or without a path")
	case u.User != nil:
		return errors.New("url must have no user in it; use the token")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("url must have no query and no fragment")
	}
	return nil
}

// NewHTTPClient returns a client that keeps as many connections as there are calls at once, and follows no redirects: a POST would
// become a GET.
func NewHTTPClient(connections int) *http.Client {
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

// API speaks to the API of a partner as the contracts with partners say: JSON, a bearer token, idempotency keys, and refusals that bear
// a code. Its calls are to be made from within Client.Do, which limits them and their time.
type API struct {
	client  *http.Client
	base    string // without a slash at its end
	token   secret.Secret
	service string
	setting string
	log     *slog.Logger
	denied  rate.Sometimes // a refused token concerns every event: once a minute is enough
}

// APIDeps is what an API is made of beside its configuration.
type APIDeps struct {
	Service string // which speaks: it becomes the User-Agent millrace-<service>
	Setting string // key of the HTTPConfig, e.g. inventory.stock: for logs
	HTTP    *http.Client
	Logger  *slog.Logger
}

// NewAPI connects to nothing. cfg must be valid, and all of d is needed.
func NewAPI(cfg HTTPConfig, d APIDeps) *API {
	return &API{
		client: d.HTTP, base: strings.TrimRight(cfg.URL, "/"), token: cfg.Token,
		service: d.Service, setting: d.Setting, log: d.Logger, denied: rate.Sometimes{Interval: time.Minute},
	}
}

// Request is one call.
type Request struct {
	Method string
	Path   []string // its segments, not escaped: an id cannot leave its place
	Key    string   // Idempotency-Key; empty for none
	Body   any      // sent as JSON; nil for none
	// Unknown is the code by which this call is told that a thing is not known, with a 404. Any other 404 is not this API, or not
	// this path: a mistake of our configuration, which concerns every event and must open the breaker instead of making dead letters.
	Unknown string
	Answer  any // where the body of a good answer goes; nil: it is not looked at
}

// Send makes the call. Its errors are verdicts, those of CheckHTTP; an answer that cannot be read is a failure of the partner.
func (a *API) Send(ctx context.Context, r Request) error {
	req, err := a.request(ctx, r)
	if err != nil {
		return Answered(group.Permanent(err)) // of structs of text and numbers, and a valid address: cannot be
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := CheckHTTP(resp); err != nil {
		return a.refused(ctx, r, err)
	}
	// Read to its end: only then is the connection used again.
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil && r.Answer != nil {
		err = json.Unmarshal(text, r.Answer)
	}
	if err != nil && r.Answer != nil {
		return fmt.Errorf("%s %s: read the answer: %w", req.Method, req.URL.Redacted(), err)
	}
	return nil
}

func (a *API) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if r.Body != nil {
		text, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	var path strings.Builder
	for _, segment := range r.Path {
		path.WriteString("/" + url.PathEscape(segment))
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, a.base+path.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "millrace-"+a.service)
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	}
	return req, nil
}

// refused looks closer at an answer that CheckHTTP has found bad.
func (a *API) refused(ctx context.Context, r Request, err error) error {
	var answer *HTTPError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		a.denied.Do(func() {
			a.log.ErrorContext(ctx, "an API refuses the token", "setting", a.setting+".token", "err", err)
		})
	case http.StatusNotFound:
		if r.Unknown == "" || answer.Code != r.Unknown {
			return answer
		}
	}
	return err
}
