// Package carrier is the HTTP API of a simulated carrier or warehouse: it takes shipments, cancels and tracks them. What it has in
// common with other partners is in package partner.
//
//	POST /v1/shipments                        {"shop","order_id","name","lines","address"}
//	                                          201 {"shipment_id","status":"accepted","tracking_company","tracking_number","tracking_url"}
//	POST /v1/shipments/{shop}/{order}/cancel  {"reason","close"}  200 {"status":"cancelled"}
//	GET  /v1/shipments/{shop}/{order}         200 as of POST, with the status of now, or 404
//
// A shipment is accepted; some time later it is shipped, and then delivered, if the settings say so.
//
// Permanent: 422 undeliverable, by rule and where the address lacks street, city or country; 409 closed; 409 shipped for a
// cancellation of what has left. 404 unknown_shipment: nothing was to be shipped for the order yet. A cancellation with "close":
// true closes the order: of an unknown shipment it is answered 200, and a later shipment is refused.
//
// A second shipment of an order under another key is done, as it would be in the world, and is an anomaly. A cancellation is of all
// shipments of the order, a read of the last.
package carrier
