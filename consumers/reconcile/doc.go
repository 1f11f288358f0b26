// Package reconcile finds what the webhooks did not bring. Shopify promises no delivery; it asks its apps to look things up from time
// to time. So: what changed in a store in a span of time is listed over its Admin API (package shopify), compared with the events that
// are here, and what is missing or stale is written to Kafka as an event, by the same routes and keys as a webhook.
//
// What is looked up is the events and not the state that they made, since services act on events. An order's body has its
// refunds in it, so the state of an order may be right although refunds/create never came, and nobody has released the goods.
//
//	an order                      orders/create is missing
//	  that is cancelled           orders/cancelled is missing
//	  that is or was paid         orders/paid is missing
//	  that is shipped             orders/fulfilled, or partially_fulfilled, is missing
//	  that is newer than all      orders/updated is missing, unless one of the above, which have the same body, is sent
//	a fulfilment of it            fulfillments/create is missing, or fulfillments/update where the newest is older
//	a refund of it                refunds/create is missing
//	an inventory level            inventory_levels/update is missing, or an older one tells another quantity
//
// Guarantees:
//
//   - A made event says what it is: the header ce_origin, and an id of reconcile:<topic>:<gid>:<time of the version>. So the same finding
//     has the same id in every run and process, and is one event for whoever deduplicates by it; a run never sends what one
//     before has sent.
//   - It does no harm beside the webhook, whichever comes first. Its updated_at is the store's, so by version it is neither newer nor
//     older than the webhook of that change; its triggered-at is when the store was asked, since it shows what was true then.
//   - What changed within Config.Grace is left alone: its webhook is still on its way, and within a second two versions look the same.
//   - A run that breaks off says up to which time it is complete, and can go on from there.
//
// What it is not: it finds no deletions (a store does not list what is gone), and nothing of carts, checkouts, customers and
// products. Events that came and went through a service wrongly are for dead letters and replay.
package reconcile
