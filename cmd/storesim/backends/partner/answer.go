package partner

import (
	"encoding/json"
	"net/http"

	"millrace/cmd/storesim/backends/effects"
)

// Reasons of refusals that all APIs have, as the "error" of answers and in the ledger.
const (
	ReasonClosed       = "closed"
	ReasonInvalid      = "invalid_request"
	ReasonKeyReused    = "key_reused"
	ReasonRefused      = "refused"
	ReasonUnauthorized = "unauthorized"
)

// Answer is what a client gets, and what of it goes into the account.
type Answer struct {
	Status int
	body   []byte
	entry  *effects.Entry // the effect that it reports
	reason string         // of a permanent refusal
	early  bool           // what it is about is not known yet
}

// Tell is an answer without an effect.
func Tell(status int, body any) Answer {
	text, err := json.Marshal(body)
	if err != nil { // of maps and structs of text and numbers: cannot be
		text = []byte(`{"error":"internal"}`)
	}
	return Answer{Status: status, body: append(text, '\n')}
}

// Did reports an effect. The entry needs no more than its kind and what is its own: whose it is, the core knows.
func Did(status int, body any, e effects.Entry) Answer {
	a := Tell(status, body)
	a.entry = &e
	return a
}

// Nothing reports that all is as the client wants it already. It is remembered under the key as an effect is.
func Nothing(status int, body any) Answer {
	return Did(status, body, effects.Entry{Kind: effects.Nothing})
}

// Refuse is a permanent refusal. Of more, pairs of field and text, those without text are left out.
func Refuse(status int, reason string, more ...string) Answer {
	body := map[string]string{"error": reason}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			body[more[i]] = more[i+1]
		}
	}
	a := Tell(status, body)
	a.reason = reason
	return a
}

// Early says that what the request is about is not known: its client is to come again.
func Early(reason string) Answer {
	a := Refuse(http.StatusNotFound, reason)
	a.reason, a.early = "", true
	return a
}

// Body is the text of the answer.
func (a Answer) Body() []byte { return a.body }

// Entry is the effect that the answer reports; nil if there was none.
func (a Answer) Entry() *effects.Entry { return a.entry }

// Invalid is the refusal of what is malformed.
func Invalid(err error) Answer {
	return Refuse(http.StatusUnprocessableEntity, ReasonInvalid, "detail", err.Error())
}
