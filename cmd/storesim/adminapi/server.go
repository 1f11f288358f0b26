package adminapi

import (
	_ "embed" // the schema
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"millrace/schemas/secret"
)

//go:embed schema.graphql
var schemaText string

// Config is what a user may set.
type Config struct {
	Token   secret.Secret // that X-Shopify-Access-Token must have; empty: any will do, but there must be one
	Bucket  float64       // points of each shop
	Restore float64       // points per second
	Version string        // the newest API version
}

// maxCost is what one query may cost.
const maxCost = 1000

const maxRequest = 1 << 20

// Server answers for the shops of a catalogue.
type Server struct {
	cfg    Config
	shops  *Catalogue
	now    func() time.Time
	schema *ast.Schema

	mu      sync.Mutex
	buckets map[string]*bucket
}

// New builds it. An error is a mistake in the schema.
func New(cfg Config, shops *Catalogue, now func() time.Time) (*Server, error) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText})
	if err != nil {
		return nil, fmt.Errorf("admin api: %w", err)
	}
	return &Server{cfg: cfg, shops: shops, now: now, schema: schema, buckets: map[string]*bucket{}}, nil
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/api/{version}/graphql.json", func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		s.serve(w, r, host)
	})
	mux.HandleFunc("POST /shops/{shop}/admin/api/{version}/graphql.json", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, r.PathValue("shop")) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "Not Found") })
	return mux
}

// refuse answers what is no GraphQL answer.
func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"errors": text}) // to a client that may have gone
}

type request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

type answer struct {
	Data       any            `json:"data,omitempty"`
	Errors     gqlerror.List  `json:"errors,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

type cost struct {
	Requested int    `json:"requestedQueryCost"`
	Actual    *int   `json:"actualQueryCost"`
	Throttle  status `json:"throttleStatus"`
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, shop string) {
	version, ok := s.version(r.PathValue("version"))
	root := s.shops.root(strings.ToLower(shop))
	token := r.Header.Get("X-Shopify-Access-Token")
	switch {
	case root == nil || !ok:
		refuse(w, http.StatusNotFound, "Not Found")
		return
	case token == "" || (s.cfg.Token != "" && token != s.cfg.Token.Reveal()):
		refuse(w, http.StatusUnauthorized, "[API] Invalid API key or access token (unrecognized login or wrong password)")
		return
	}
	var q request
	d := json.NewDecoder(io.LimitReader(r.Body, maxRequest))
	d.UseNumber()
	if err := d.Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, "Bad Request")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Shopify-API-Version", version)
	_ = json.NewEncoder(w).Encode(s.answer(strings.ToLower(shop), root, q)) // to a client that may have gone
}

// supported is how many quarterly versions there are.
const supported = 4

// version returns the version that answers for the one asked for: an old one falls forward to the oldest that is supported. ok is
// false for one that never was, or is still to come.
func (s *Server) version(asked string) (used string, ok bool) {
	if asked == "unstable" {
		return asked, true
	}
	newest, err := time.Parse("2006-01", s.cfg.Version)
	then, err2 := time.Parse("2006-01", asked)
	if err != nil || err2 != nil || !regexp.MustCompile(`^\d{4}-(01|04|07|10)$`).MatchString(asked) || then.After(newest) || then.Year() < 2019 {
		return "", false
	}
	if oldest := newest.AddDate(0, -3*(supported-1), 0); then.Before(oldest) {
		return oldest.Format("2006-01"), true
	}
	return asked, true
}

// answer checks, charges and runs a query.
func (s *Server) answer(shop string, root Object, q request) answer {
	doc, errs := gqlparser.LoadQueryWithRules(s.schema, q.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return answer{Errors: errs}
	}
	op := doc.Operations.ForName(q.OperationName)
	if op == nil {
		return failed(errors.New("an operation must be named where there are several"))
	}
	vars, err := validator.VariableValues(s.schema, op, q.Variables)
	if err != nil {
		return failed(err)
	}
	x := &execution{schema: s.schema, vars: vars}
	c := cost{Requested: x.requested(op.SelectionSet)}
	if c.Requested > maxCost {
		return refusal("MAX_COST_EXCEEDED", fmt.Sprintf("Query cost is %d, which exceeds the single query max cost limit (%d).", c.Requested, maxCost), nil)
	}
	b := s.bucket(shop)
	var paid bool
	if paid, c.Throttle = b.take(c.Requested, s.now()); !paid {
		return refusal("THROTTLED", "Throttled", &c)
	}
	data, err := x.run(op, root)
	if err != nil {
		c.Throttle = b.giveBack(c.Requested, s.now())
		return failed(err)
	}
	c.Throttle = b.giveBack(max(0, c.Requested-x.cost), s.now())
	c.Actual = &x.cost
	return answer{Data: data, Extensions: map[string]any{"cost": c}}
}

func failed(err error) answer { return answer{Errors: gqlerror.List{gqlerror.WrapIfUnwrapped(err)}} }

func refusal(code, text string, c *cost) answer {
	a := answer{Errors: gqlerror.List{{Message: text, Extensions: map[string]any{"code": code, "documentation": "https://shopify.dev/api/usage/rate-limits"}}}}
	if c != nil {
		a.Extensions = map[string]any{"cost": c}
	}
	return a
}

func (s *Server) bucket(shop string) *bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[shop]
	if b == nil {
		b = &bucket{max: s.cfg.Bucket, restore: s.cfg.Restore, has: s.cfg.Bucket, at: s.now()}
		s.buckets[shop] = b
	}
	return b
}
