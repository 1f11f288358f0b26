// Package payment is the HTTP API of a simulated payment gateway: it charges and refunds whole orders. What it has in common with
// other partners is in package partner.
//
//	POST /v1/charges                         {"shop","order_id","amount","currency"}  201 {"charge_id","status":"succeeded"}
//	POST /v1/charges/{shop}/{order}/refund   {"reason","amount","close"}              200 {"refunded"}
//	GET  /v1/charges/{shop}/{order}          200 {"status","charged","refunded","currency"}, or 404
//
// Money is text with a point, "12.50", and its currency. A refund without an amount is of all that is left.
//
// Permanent: 402 declined, which comes from rules alone; 409 closed. 404 unknown_charge: nothing was charged for the order yet. A
// refund with "close": true closes the order: of an unknown charge it refunds "0" and is answered 200, and a later charge is refused.
//
// A second charge of an order under another key is done, as it would be in the world, and is an anomaly; so is a refund of more
// than is left, which refunds what is left.
package payment
