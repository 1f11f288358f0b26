// Package fulfillment is the service that has orders shipped: it creates a shipment at a carrier or warehouse, cancels it when the shop
// cancels the order, and follows it until it is delivered. The carrier is behind an interface, Carrier; the one built in speaks HTTP.
//
// What it does with the events of an order; anything else is skipped unread:
//
//	orders/paid                        creates the shipment: of the lines that require shipping, without gift cards
//	orders/create                      does so too with ship_on: created; else it only makes the order known
//	orders/cancelled, orders/delete    cancels it; what has left already is noted and skipped (already_shipped)
//	refunds/create                     before the shipment was made: what was refunded is not shipped. After: skipped (shipment_made), and
//	                                   noted; the shipment goes out as it was made
//	orders/edited                      skipped and counted. The body of orders/paid has what the edits before it have left; what is added
//	                                   after the shipment was made is not sent
//
// A line is shipped in the quantity that its body calls fulfillable and current, so what the shop itself has sent, refunded or edited out by
// then is not in it. An order without a shipping address (picked up, say) is skipped.
//
// What it keeps:
//
//   - One shipment per order, whatever is repeated: the state of the order knows what was done, and every call carries an idempotency
//     key, ship:<shop>:<order> or cancel:<shop>:<order>.
//   - A cancelled order is not shipped, in whatever order the events come. A cancellation closes the order at the carrier: a shipment
//     whose request was lost on the way, or is repeated by somebody else, is refused from then on.
//   - What became of it is told to the event store in the same commit (outcome.go).
//
// A refund that comes before its order waits for it (group.NotReady), or is remembered in the order's state, by setting. A cancellation
// never waits.
//
// # While the carrier is away
//
// Fallback hold: nothing is dispatched while the breaker is open, and the events wait. Fallback provisional: the order goes on. The
// request is put into the service's own topic, TasksTopic, the order's event is done, and its state says that it is provisional
// (ServiceProvisional) until the carrier has taken it. Tasks of one order are done in their order, as often and as long as it takes.
//
// # Following shipments
//
// A shipment that was made puts a task into TasksTopic. It is done when the carrier has another status than it says: the change is told
// (TrackingUpdated), and unless the status is final another task with that status follows. Until then it waits, put off for track_every
// again and again (group.Unavailable), in the retry topic: durable, about 130 bytes of memory each, and nothing is written per
// question. After a restart all are asked for at once, within call.rate. A question that fails is asked again at its next turn. After
// track_for it is given up, skipped with track_given_up. Tasks of following have a key of their own, <shop>|shipment/<order>, so that
// no other task waits for them.
//
// The records of TasksTopic have the headers of an event, since the runtime reads no others; their topics are the kinds of tasks.
//
// What it is not: it makes no fulfilments at Shopify, chooses no carrier, and splits no orders over several shipments.
package fulfillment
