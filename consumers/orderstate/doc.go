// Package orderstate is what is known of orders: every webhook about one becomes an event of the event store (schemas.OrderEventsTopic),
// and the events of one order, whoever told them, are folded into its state. Two services, each a consumer group of its own:
//
//	translate     reads the webhooks about orders and writes each as an event, whatever order they come in, once per webhook id
//	orderstate    reads the event store and keeps the state of each order in its state topic, one snapshot per order
//
// What the fold keeps:
//
//   - The same state for the same events, in whatever order and however often they come (a property test arranges them at random). No
//     memory of ids is needed for that: each part of the state is what is newest, or what came of one cause. So the state can be made
//     again from the event store alone at any time, and must come out the same; `millrace order check` does so.
//   - Older than what is known: recorded, not applied. Of two versions of an order the one with the newer updated_at counts, then the one
//     that happened later. The event stays in the store and shows in the timeline.
//   - Deleted stays deleted, cancelled stays cancelled, whatever comes later.
//   - What comes before its order, be it a refund, a fulfilment or a payment, is kept in the state at once and takes effect as soon as
//     the order comes. The first such event makes the fold write one of its own, OrderAwaited, which waits with the runtime
//     (group.NotReady) until some version of the order has come. When consumer.retry.not_ready_max has passed it becomes a dead letter,
//     so a person learns which order is missing and can have it fetched. No fact is lost by that: the event itself is in the store
//     and in the state, and the order may still come.
//
// What it is not: a copy of the order. It has what a flow needs, and of the customer no more than an id: addresses are in the events
// (TranslateConfig.Contact) and never in the state. It decides nothing and calls nobody.
package orderstate
