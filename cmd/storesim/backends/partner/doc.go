// Package partner is what the simulated HTTP APIs have in common: reading and authorising a request, the memory of idempotency
// keys, playing faults, refusing, and accounting for it all. An API of its own says what its operations are and what they do to
// its world.
//
// # Keys
//
// What changes something needs Idempotency-Key. The same key with the same content gets the answer of the first time and has no
// second effect; with other content it is refused: 422 key_reused. Refusals are not remembered under the key: the world may
// change and the key be tried again.
//
// # Closing
//
// An order may be closed for good by what takes an effect back, in the field close: what was asked for before and comes late is
// then refused, 409 closed, instead of standing alone. So a client may take back what it never heard an answer to. Closing is
// no part of the content of a key: a repeat may add it.
//
// # Answers
//
// A refusal is {"error": reason}, mostly with "detail". For all APIs: 401 unauthorized: the bearer token is missing or wrong; 422
// for what is malformed (invalid_request), for a reused key and for refusals by rule (refused). 429 with Retry-After, and 5xx,
// come from faults and from more than 10 000 calls under way. Only what no path or method fits is answered by net/http, in text.
//
// A delay stands before the effect, and the effect happens although the client has gone meanwhile, as it would in a real
// service; only the end of the process prevents it. Reads meet the same faults, except refusals.
package partner
