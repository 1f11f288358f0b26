// Package forward is the service that sends events of chosen Shopify topics to an HTTP endpoint of the user's, so that a service can
// be written in any language. The endpoint gets what a handler in Go gets, and its answer is the verdict.
//
// A request is a POST of the webhook's body, byte for byte, with the event's metadata as headers: CloudEvents 1.0, HTTP binary mode
// (ce-id, ce-type, ce-subject …; the names are those of schemas, with a dash for the underscore), Content-Type and traceparent, and
//
//	Idempotency-Key       the event's id, the same at every try
//	X-Millrace-Attempt    1 for the first try; a try that the endpoint was not to blame for is not counted
//	X-Millrace-Replay     the id of the replay for which the endpoint gets the event once more (`millrace replay`); else missing
//	X-Millrace-Signature  base64 of the HMAC-SHA256 of the body under Config.Secret, as Shopify signs; none without a secret
//	Authorization         Bearer Config.Token; none without a token
//
// The signature is the body's alone: whoever can read a request can send its body again with other headers. Only TLS prevents that.
//
// An answer means:
//
//	2xx                 done
//	409, 425            not ready: it needs an event that has not come. Later events of its entity go first, and it comes back after one
//	                    of them, or after Retry-After (without: by its age, from 1 s to 1 m); a dead letter when it has waited for
//	                    consumer.retry.not_ready_max in all
//	429                 later: after Retry-After, or a second; no attempt is burned
//	503 + Retry-After   the same, and a failure of the endpoint
//	408, other 5xx, no answer in call.timeout   tried again by consumer.retry.schedule; failures of the endpoint
//	1xx, 3xx            the same: no redirect is followed, since the signature is for the endpoint of the settings and no other
//	Config.EndpointErrors   by default 401, 403, 404, 405, 407: the same. They are about the endpoint, not the event: a wrong path or
//	                    token concerns all events, which must wait for the operator instead of becoming dead letters
//	other 4xx           a dead letter now
//
// Failures of the endpoint in a row open the breaker: nothing is sent until a trial succeeds, and no attempt is burned.
//
// What it keeps: the order of an entity's events, one at a time, across failures, restarts and rebalances. An event that is tried
// again holds back the later ones of its entity alone. Repeats that Shopify sends under one webhook id are sent once, by the memory
// of the last ids of each entity; after a crash an event may be sent again, under the same Idempotency-Key.
//
// Several of them run side by side, each under a Config.Name with a consumer group of its own: none waits for another's endpoint.
//
// What it is not: a queue that the endpoint reads at its own pace (429 slows it down, nothing else), and no reader of
// shopify.quarantine.
package forward
