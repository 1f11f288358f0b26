package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/faults"
	"millrace/cmd/storesim/backends/partner"
	"millrace/schemas/secret"
)

// maxBody has room for what Shopify sends at most.
const maxBody = 10 << 20

// reasonSignature is the "error" of a body that nobody, or another, has signed.
const reasonSignature = "bad_signature"

// New builds the HTTP handler. The backend in d is set here. Without a secret, signatures are not looked at.
func New(d partner.Deps, key secret.Secret) *partner.API {
	d.Backend, d.MaxBody = faults.Hook, maxBody
	api := partner.New(d)
	api.HandleRaw("POST /", func(r *http.Request, body []byte) (partner.Call, *partner.Answer) {
		c := partner.Call{
			Operation: faults.Forward, Shop: strings.TrimPrefix(attribute(r, "source"), "/shopify/"), Subject: attribute(r, "subject"),
			Content: []any{r.URL.Path, body}, Do: func() partner.Answer {
				return partner.Did(http.StatusOK, map[string]bool{"received": true}, effects.Entry{Kind: effects.Forwarded, Path: r.URL.Path, Bytes: len(body)})
			},
		}
		if id, ok := strings.CutPrefix(c.Subject, "order/"); ok {
			c.Order = id
		}
		if key != "" && !signed(key, body, r.Header.Get("X-Millrace-Signature")) {
			refusal := partner.Refuse(http.StatusUnauthorized, reasonSignature)
			return c, &refusal
		}
		return c, nil
	})
	return api
}

// attribute is one of CloudEvents, whose HTTP binding percent-encodes what may not stand in a header.
func attribute(r *http.Request, name string) string {
	value := r.Header.Get("ce-" + name)
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

func signed(key secret.Secret, body []byte, signature string) bool {
	got, err := base64.StdEncoding.DecodeString(signature)
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(body) // never fails
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}
