// Package stock is the HTTP API of a simulated merchant's stock: it reserves and releases, remembers what it did under which
// idempotency key, and misbehaves as package faults says. What it has in common with other partners is in package partner.
//
//	POST /v1/reservations                            201 {"reservation_id"}
//	POST /v1/reservations/{shop}/{order_id}/release  200 {"released":[lines]}
//
// Permanent: 409 insufficient_stock, and closed. 404 unknown_reservation: nothing was reserved for the order yet. A release with
// "close": true closes the order: of an unknown reservation it releases nothing and is answered 200, and a later reservation is
// refused.
package stock
