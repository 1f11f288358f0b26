package erp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"millrace/consumers/group/outgoing"
)

// ERP is what the service needs of an ERP: it keeps the newest version of each document. A call with a key that was used before must
// have no second effect. The errors are verdicts for the runtime, marked with outgoing.Answered where the ERP itself is well.
type ERP interface {
	// Put replaces a document, and returns what the ERP calls it. It fails with ErrStale when the ERP has a newer version, and with
	// ErrKeyReused when the key was used for another content; in both cases nothing has changed.
	Put(ctx context.Context, key string, d Document) (id string, err error)
}

// Answers of an ERP that the service knows what to do with.
var (
	ErrStale     = errors.New("the ERP has a newer version")
	ErrKeyReused = errors.New("the key was used for another content")
)

// Kind is a kind of document.
type Kind string

// The kinds.
const (
	Order    Kind = "order"
	Customer Kind = "customer"
)

// Document is one version of an order or a customer.
type Document struct {
	Kind    Kind
	Shop    string
	ID      string
	Version string // RFC 3339, UTC
	Content json.RawMessage
}

// key is the one by which a version of it is sent.
func (d *Document) key(version time.Time) string {
	return fmt.Sprintf("erp:%s:%s/%s:%s", d.Shop, d.Kind, d.ID, versionText(version))
}

func versionText(version time.Time) string { return version.Format(time.RFC3339Nano) }

// httpERP is ERP over HTTP.
type httpERP struct{ api *outgoing.API }

// Codes by which the API refuses.
const (
	codeStale     = "stale"
	codeKeyReused = "key_reused"
)

func (e *httpERP) Put(ctx context.Context, key string, d Document) (string, error) {
	body := struct {
		Version  string          `json:"version"`
		Document json.RawMessage `json:"document"`
	}{d.Version, d.Content}
	var got struct {
		DocumentID string `json:"document_id"`
	}
	err := e.api.Send(ctx, outgoing.Request{
		Method: http.MethodPut, Path: []string{"v1", string(d.Kind) + "s", d.Shop, d.ID}, Key: key, Body: body, Answer: &got,
	})
	if err == nil {
		return got.DocumentID, nil
	}
	var answer *outgoing.HTTPError
	if errors.As(err, &answer) {
		switch {
		case answer.Status == http.StatusConflict && answer.Code == codeStale:
			err = outgoing.Answered(fmt.Errorf("%w: %w", ErrStale, answer))
		case answer.Status == http.StatusUnprocessableEntity && answer.Code == codeKeyReused:
			err = outgoing.Answered(fmt.Errorf("%w: %w", ErrKeyReused, answer))
		}
	}
	return "", fmt.Errorf("send %s to the ERP: %w", d.Kind, err)
}
