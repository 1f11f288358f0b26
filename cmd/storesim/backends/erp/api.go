package erp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
)

// maxBody has room for what Shopify sends at most.
const maxBody = 10 << 20

// reasonStale is the "error" of an older version than is known.
const reasonStale = "stale"

// document is the body of both operations.
type document struct {
	Version  string          `json:"version"`
	Document json.RawMessage `json:"document"`
}

func (d *document) check() error {
	if _, err := time.Parse(time.RFC3339, d.Version); err != nil {
		return fmt.Errorf("version must be a time of RFC 3339, is %q", d.Version)
	}
	if !bytes.HasPrefix(d.Document, []byte("{")) {
		return errors.New("document must be an object")
	}
	return nil
}

// New builds the HTTP handler. The backend in d is set here.
func New(d partner.Deps) *partner.API {
	d.Backend, d.MaxBody = faults.ERP, maxBody
	api, s := partner.New(d), &state{known: map[subject]*known{}}
	partner.Handle(api, "PUT /v1/orders/{shop}/{order}", func(r *http.Request, body document) (partner.Call, error) {
		c := s.put(r.PathValue("shop"), "order/"+r.PathValue("order"), body)
		c.Operation, c.Order = faults.Order, r.PathValue("order")
		return c, body.check()
	})
	partner.Handle(api, "PUT /v1/customers/{shop}/{customer}", func(r *http.Request, body document) (partner.Call, error) {
		c := s.put(r.PathValue("shop"), "customer/"+r.PathValue("customer"), body)
		c.Operation = faults.Customer
		return c, body.check()
	})
	return api
}

// state is the newest version of each document; what is in them nobody asks for. It is used by one call after another.
type state struct {
	known map[subject]*known
}

type subject struct{ shop, name string }

type known struct {
	id      string
	version time.Time
}

func (s *state) put(shop, name string, d document) partner.Call {
	return partner.Call{Shop: shop, Subject: name, Content: []any{d.Version, d.Document}, Do: func() partner.Answer { return s.write(subject{shop, name}, d.Version) }}
}

func (s *state) write(of subject, text string) partner.Answer {
	version, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return partner.Invalid(err)
	}
	status, e := http.StatusOK, effects.Entry{Kind: effects.Documented, Version: text}
	doc, there := s.known[of]
	switch {
	case !there:
		status, doc = http.StatusCreated, &known{id: fmt.Sprintf("doc-%d", len(s.known)+1)}
		s.known[of] = doc
	case version.Before(doc.version):
		return partner.Refuse(http.StatusConflict, reasonStale, "detail", "version "+doc.version.Format(time.RFC3339Nano)+" is known")
	case version.Equal(doc.version):
		e.Anomalies = []string{effects.RepeatedVersion}
	}
	doc.version, e.Document = version, doc.id
	return partner.Did(status, map[string]string{"document_id": doc.id}, e)
}
