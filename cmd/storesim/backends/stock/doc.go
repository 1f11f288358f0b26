// Package stock is the HTTP API of a simulated merchant's stock: it reserves and releases, remembers what it did under which
// idempotency key, and misbehaves as package faults says.
//
//	POST /v1/reservations                            201 {"reservation_id"}
//	POST /v1/reservations/{shop}/{order_id}/release  200 {"released":[lines]}
//
// Both need Idempotency-Key. The same key with the same content gets the answer of the first time and has no second effect;
// with other content it is refused. Refusals are not remembered under the key: the world may change and the key be tried again.
//
// Permanent: 409 insufficient_stock; 422 for what is malformed, for a reused key and for refusals by rule. 404
// unknown_reservation: nothing was reserved for the order yet. 401: the bearer token is missing or wrong. 429 with
// Retry-After, and 5xx, come from faults only.
//
// A delay stands before the effect, and the effect happens although the client has gone meanwhile, as it would in a real
// service; only the end of the process prevents it.
package stock
