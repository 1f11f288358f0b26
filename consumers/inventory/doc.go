// Package inventory is the service that keeps the stock system of a merchant in step with its orders: it reserves goods when an
// order is created and releases them when the order is cancelled or its lines are refunded. The stock system is behind an
// interface, Stock; the one built in speaks HTTP.
//
// What it does with the events of an order; anything else is skipped unread:
//
//	orders/create                 reserves the lines that have a variant
//	orders/cancelled              releases what is reserved and has not been shipped
//	refunds/create                releases the lines that go back into stock
//	fulfillments/create, update   notes what has left the house, so that a cancellation does not release it
//	orders/edited                 skipped and counted: its additions name no variant, so they cannot be reserved; Shopify tells of
//	                              its removals in a refund as well, and releasing both would release twice
//
// What it keeps:
//
//   - One effect per cause, whatever is repeated. Every call carries an idempotency key made of what causes it: the order, the
//     cancellation, the refund. The id of the webhook would not do: Shopify tells of one refund under as many ids as there are
//     subscriptions, and does not promise that a repeated delivery keeps its id. For the same reason the state of an order knows
//     what was done, beside the runtime's memory of webhook ids.
//   - The same end in whatever order events come. Within a line of an order it never releases more than it reserved.
//   - No event is dropped for its age. An updated_at says nothing here: creation and cancellation are not two versions of one
//     thing, a late creation is older than the cancellation and is needed all the same, and refunds have no updated_at.
//   - An event that comes before the order itself is remembered in the order's state until the order comes, or waits for it
//     (group.NotReady), by setting. An order that the stock system does not know is waited for in both cases.
//
// What it has done for an order it tells the event store (InventoryReserved, InventoryReleased), with its idempotency key as the effect's
// name, in the commit that settles the event.
//
// What it is not: a ledger of stock. It does not count what is there, and says nothing to the shop. An order that was created
// before the service first ran is not known to it: the later events of such an order are remembered and do nothing, or, when they
// wait, end as dead letters.
package inventory
