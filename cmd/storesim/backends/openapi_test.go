package backends

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"millrace/cmd/storesim/backends/faults"
)

// contract is the OpenAPI file of a partner, and which of its answers were given.
type contract struct {
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // as answers() names them
}

// exchange is one request and its answer. malformed says that the file must not allow the request.
type exchange struct {
	step

	header http.Header
	answer string
	got    http.Header
}

// step is one request. Its shop is acme.
type step struct {
	method, path, key, body string
	status                  int
	malformed               bool
}

// readContract loads a file for an API at url. change, if there is one, is done to it first.
func readContract(t *testing.T, name, url string, change func(*openapi3.T)) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../../schemas/openapi/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: url}}
	// A partner may answer with more than the file says, but not the simulator: who writes a client against it would come to need it.
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, r := range op.Responses.Map() {
				closeSchema(r.Value.Content["application/json"].Schema.Value)
			}
		}
	}
	if change != nil {
		change(doc)
	}
	c := &contract{doc: doc, seen: map[string]bool{}}
	if c.router, err = legacy.NewRouter(doc); err != nil { // which validates it
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

func closeSchema(s *openapi3.Schema) {
	no := false
	if len(s.Properties) > 0 {
		s.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	}
	for _, p := range s.Properties {
		closeSchema(p.Value)
	}
	if s.Items != nil {
		closeSchema(s.Items.Value)
	}
}

// answers lists what the file says that there is: every status of every operation.
func (c *contract) answers() (all []string) {
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				all = append(all, method+" "+path+" "+status)
			}
		}
	}
	slices.Sort(all)
	return all
}

// check holds an exchange against the file.
func (c *contract) check(t *testing.T, e exchange) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), e.method, c.doc.Servers[0].URL+e.path, strings.NewReader(e.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = e.header
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return err
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	switch err := openapi3filter.ValidateRequest(t.Context(), in); {
	case err != nil && !e.malformed:
		return fmt.Errorf("the file does not allow the request: %w", err)
	case err == nil && e.malformed:
		return errors.New("the file allows the request")
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: e.status, Header: e.got, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out.SetBodyBytes([]byte(e.answer))); err != nil {
		return fmt.Errorf("the file does not have the answer: %w", err)
	}
	status := fmt.Sprint(e.status)
	if route.Operation.Responses.Value(status) == nil {
		status = status[:1] + "XX"
	}
	c.seen[e.method+" "+route.Path+" "+status] = true
	return nil
}

// exchange makes a request and returns it with its answer.
func (w *world) exchange(url, token string, s step) exchange {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), s.method, url+s.path, strings.NewReader(s.body))
	if err != nil {
		w.t.Fatal(err)
	}
	shop := acme
	if at := strings.Index(s.body, `.example"`); at > 0 { // of the hook, which has it in a header
		shop = s.body[strings.LastIndexByte(s.body[:at], '"')+1:at] + ".example"
	}
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write([]byte(s.body))
	for k, v := range map[string]string{
		"Authorization": "Bearer " + token, "Idempotency-Key": s.key, "Content-Type": "application/json",
		"Ce-Source": "/shopify/" + shop, "X-Millrace-Signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	} {
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	header := r.Header.Clone()
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	e := exchange{step: s, header: header, answer: string(answer), got: resp.Header}
	if e.status == 0 {
		e.status = resp.StatusCode
	}
	if e.status != resp.StatusCode {
		w.t.Errorf("%s %s %s: status %d %s, want %d", s.method, s.path, s.body, resp.StatusCode, answer, s.status)
		e.status = resp.StatusCode
	}
	return e
}

// partnerWorld runs the simulator with a shop for each kind of trouble.
func partnerWorld(t *testing.T) (w *world, urls map[string]string) {
	t.Helper()
	var rules []string
	for _, b := range []string{faults.Stock, faults.Payment, faults.Carrier, faults.ERP, faults.Hook} {
		rules = append(rules, b+"/limited.example:rate_limit=0.000001,burst=1", b+"/broken.example:error_rate=1", b+"/down.example:down", b+"/refusing.example:refuse")
	}
	w = start(t, func(c *Config) {
		c.StockToken, c.PaymentToken, c.CarrierToken, c.ERPToken, c.HookToken, c.HookSecret = "tok", "tok", "tok", "tok", "tok", "hush"
		c.Quantities, c.CarrierShipAfter = map[string]int64{"RARE": 0}, time.Nanosecond
	}, rules...)
	return w, map[string]string{
		faults.Stock: w.addr.Stock, faults.Payment: w.addr.Payment, faults.Carrier: w.addr.Carrier, faults.ERP: w.addr.ERP, faults.Hook: w.addr.Hook,
	}
}

// TestTheSimulatorIsWhatItsOpenAPIFilesSay makes requests of every operation for every answer that the files have.
func TestTheSimulatorIsWhatItsOpenAPIFilesSay(t *testing.T) {
	w, urls := partnerWorld(t)
	for name, steps := range stepsOfPartners() {
		t.Run(name, func(t *testing.T) {
			c := readContract(t, name, urls[name], nil)
			do := func(token string, s step) {
				t.Helper()
				if err := c.check(t, w.exchange(urls[name], token, s)); err != nil {
					t.Errorf("%s %s %s: %v", s.method, s.path, s.body, err)
				}
			}
			for _, s := range steps {
				do("tok", s)
			}
			// The rest is the same for all operations, with any good request.
			for _, s := range steps {
				if s.malformed || s.status >= 400 && s.method != http.MethodGet {
					continue
				}
				s.status = http.StatusUnauthorized
				do("another", s)
				for _, shop := range []string{"limited.example", "limited.example", "broken.example", "down.example", "refusing.example"} {
					other := step{method: s.method, path: strings.ReplaceAll(s.path, acme, shop), key: s.key + shop, body: strings.ReplaceAll(s.body, acme, shop)}
					do("tok", other)
				}
			}
			for _, answer := range c.answers() {
				if !c.seen[answer] {
					t.Errorf("%s: there was no such answer", answer)
				}
			}
		})
	}
}

// TestAnAnswerThatAFileDoesNotHaveIsFound proves the check above: each of the changed files must reject a good exchange.
func TestAnAnswerThatAFileDoesNotHaveIsFound(t *testing.T) {
	w, urls := partnerWorld(t)
	charge := stepsOfPartners()[faults.Payment][0]
	limited := charge
	limited.body, limited.key, limited.status = strings.ReplaceAll(charge.body, acme, "limited.example"), "another", 0
	w.exchange(urls[faults.Payment], "tok", limited)
	charged, refused := w.exchange(urls[faults.Payment], "tok", charge), w.exchange(urls[faults.Payment], "tok", limited)
	operation := func(doc *openapi3.T) *openapi3.Operation { return doc.Paths.Value("/v1/charges").Post }
	schema := func(doc *openapi3.T, status string) *openapi3.Schema {
		return operation(doc).Responses.Value(status).Value.Content["application/json"].Schema.Value
	}
	for name, c := range map[string]struct {
		e      exchange
		change func(*openapi3.T)
		good   bool
	}{
		"nothing":             {charged, func(*openapi3.T) {}, true},
		"no limit either":     {refused, func(*openapi3.T) {}, true},
		"a status":            {charged, func(doc *openapi3.T) { operation(doc).Responses.Delete("201") }, false},
		"a field":             {charged, func(doc *openapi3.T) { delete(schema(doc, "201").Properties, "charge_id") }, false},
		"a value":             {charged, func(doc *openapi3.T) { schema(doc, "201").Properties["status"].Value.Enum = []any{"done"} }, false},
		"a field that is due": {charged, func(doc *openapi3.T) { schema(doc, "201").Required = []string{"receipt"} }, false},
		"a reason":            {refused, func(doc *openapi3.T) { schema(doc, "429").Properties["error"].Value.Enum = []any{"slow_down"} }, false},
		"a header that is due": {charged, func(doc *openapi3.T) {
			operation(doc).Responses.Value("201").Value.Headers = operation(doc).Responses.Value("429").Value.Headers
		}, false},
		"a path": {charged, func(doc *openapi3.T) { doc.Paths.Delete("/v1/charges") }, false},
		"a field of the request": {charged, func(doc *openapi3.T) {
			operation(doc).RequestBody.Value.Content["application/json"].Schema.Value.Required = []string{"customer"}
		}, false},
	} {
		if err := readContract(t, faults.Payment, urls[faults.Payment], c.change).check(t, c.e); (err == nil) != c.good {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestTheFilesHaveTheSameInCommon: each is whole for itself, for whoever builds that one partner.
func TestTheFilesHaveTheSameInCommon(t *testing.T) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	stock := readContract(t, faults.Stock, "http://127.0.0.1", nil).doc.Components
	for _, name := range slices.Sorted(maps.Keys(stepsOfPartners())) {
		c := readContract(t, name, "http://127.0.0.1", nil).doc.Components
		for _, r := range []string{"Throttled", "Ill", "Invalid"} {
			if text(c.Responses[r]) != text(stock.Responses[r]) {
				t.Errorf("%s: the response %s is not that of stock", name, r)
			}
		}
		for _, p := range []string{"shop", "order"} {
			if own, ok := c.Parameters[p]; ok && text(own) != text(stock.Parameters[p]) {
				t.Errorf("%s: the parameter %s is not that of stock", name, p)
			}
		}
		if text(c.SecuritySchemes) != text(stock.SecuritySchemes) {
			t.Errorf("%s: the security schemes are not those of stock", name)
		}
	}
}
