package ingest

import "net/http"

// outcome is how a request ended; it is the closed set of values of the metrics' and the log's "outcome".
type outcome string

const (
	accepted        outcome = "accepted"         // in its domain topic, answered 200
	quarantined     outcome = "quarantined"      // authentic but unparsable or unroutable; in the quarantine topic, answered 200
	badSignature    outcome = "bad_signature"    // the HMAC is missing, malformed or another's
	badShop         outcome = "bad_shop"         // no well-formed shop domain
	tooLarge        outcome = "too_large"        // the body passes max_body_bytes
	bodyTimeout     outcome = "body_timeout"     // the body did not come in time
	bodyBroken      outcome = "body_broken"      // the connection or the encoding of the body broke off
	overloaded      outcome = "overloaded"       // max_in_flight or max_in_flight_bytes reached
	bufferFull      outcome = "buffer_full"      // the producer's buffer is full: Kafka takes less than comes in
	ackTimeout      outcome = "ack_timeout"      // no acknowledgement within ack_timeout
	produceFailed   outcome = "produce_failed"   // Kafka refused the record
	methodRefused   outcome = "method_refused"   // not a POST
	pathUnknown     outcome = "path_unknown"     // not a webhook path
	handlerPanicked outcome = "handler_panicked" // a bug; answered 500
)

// answer is what a client sees of an outcome.
type answer struct {
	status int
	text   string
	// retry is set where the same request may well succeed a moment later.
	retry bool
}

// answers has an entry for every outcome that is not a success; the texts tell an integrator what to mend.
func answers() map[outcome]answer {
	return map[outcome]answer{
		badSignature:    {status: http.StatusUnauthorized, text: "the X-Shopify-Hmac-Sha256 header is not the base64 HMAC-SHA256 of this body with a secret known here"},
		badShop:         {status: http.StatusBadRequest, text: "the X-Shopify-Shop-Domain header must be <name>.myshopify.com"},
		tooLarge:        {status: http.StatusRequestEntityTooLarge, text: "the body is larger than max_body_bytes"},
		bodyTimeout:     {status: http.StatusRequestTimeout, text: "the body did not arrive in time"},
		bodyBroken:      {status: http.StatusBadRequest, text: "the body broke off"},
		overloaded:      {status: http.StatusServiceUnavailable, text: "too many deliveries at once", retry: true},
		bufferFull:      {status: http.StatusServiceUnavailable, text: "Kafka takes less than comes in", retry: true},
		ackTimeout:      {status: http.StatusServiceUnavailable, text: "Kafka did not acknowledge in time", retry: true},
		produceFailed:   {status: http.StatusServiceUnavailable, text: "Kafka did not take the event", retry: true},
		methodRefused:   {status: http.StatusMethodNotAllowed, text: "webhooks are posted"},
		pathUnknown:     {status: http.StatusNotFound, text: "webhooks are posted to /webhooks or /webhooks/<topic>"},
		handlerPanicked: {status: http.StatusInternalServerError, text: "internal error"},
	}
}
