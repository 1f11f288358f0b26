// Package notifications is the service that mails customers: a confirmation of their order (orders/create, orders/paid, or the
// event with which a saga asks for it, by setting) and one of each shipment (fulfillments/create and update, once there is a tracking number, or at once, by setting).
//
// What it keeps:
//
//   - One mail per thing, whatever is repeated. What has been mailed about an order is kept in the order's state and written in the
//     transaction in which the event is done, so that a repeated delivery, a later version of the same fulfilment and a restart send
//     nothing again. It does not rest on the webhook id: Shopify may tell of one thing under several.
//   - A mail that cannot be sent now is sent later; one that the server refuses for its recipient or content (5xx) is a dead letter
//     at once, and so is an event whose body cannot be read. A server that is away, or that refuses the login or the sender, stops
//     no other order.
//   - Nothing personal is kept: the state has the ids of what was mailed, and errors do not have the address.
//
// A mail about an order is told to the event store as well (ConfirmationSent), without its address.
//
// What it cannot promise: that a mail is sent exactly once. SMTP has no way to ask what became of a mail whose acknowledgement was
// lost, and after a crash between the acknowledgement and the commit the mail is sent again. Such a repeat has the same Message-ID
// and the same header X-Millrace-Event (<shop>/<order_confirmation|shipping_confirmation>/<id of the order or fulfilment>), by
// which a receiving system may recognise it; many drop a second message with a known Message-ID on their own.
//
// A fulfilment never waits for its order. The bodies of fulfillments/* carry the customer's address and the goods; where the address
// is missing the customer has none, or the app may not see it, and then the order does not have it either.
//
// Money is shown in the currency that the customer paid in, with decimal arithmetic and the currency's own decimal places.
package notifications
