// Package saga leads orders through steps at several partners, so that in the end either all of them are done or none: reserve stock,
// charge the payment, create the fulfilment, have the confirmation sent. Steps and what undoes them are data, see Definition; the
// one built in is order.yaml.
//
// It reads and writes the event store alone (schemas.OrderEventsTopic). Handling StepRequested calls one partner once; what came of it, the
// state of the run and the StepRequested that comes next are one commit. So a crash loses nothing, and repeats one call at most, which
// its idempotency key makes harmless.
//
// What it keeps:
//
//   - A step that fails for good, runs out of attempts or out of time is undone, and with it every step before it, last first. What was
//     asked for counts, not what was answered: a call without an answer may have had its effect, or may have it yet. Undoing
//     therefore says "close": the partner takes nothing more for that order, however late a call arrives.
//   - A repeat has the content of the first try. What a step sends is fixed when the step is requested; versions of the order that come
//     meanwhile count from the next step on.
//   - A cancellation does not wait. A step that is repeated steps aside until it is due (group.NotReady), and events of its order pass it.
//     A partner that is away, or limits us, costs a step time, and no attempt.
//   - Undoing is repeated until it holds, for Definition.CompensateFor. What cannot be undone, because the parcel has left for instance,
//     is parked, before anything further back is undone: a SagaParked event, a dead letter, and a row of `millrace saga list
//     --parked`. No order is both refunded and shipped.
//   - An order has one run, for good. One that was cancelled before it came, is of a test, or was sent or closed by then, has none.
//
// Time that nobody was there to use does not count: the deadline of a step is looked at after a try, so a service that was down for an hour
// tries its steps once before it gives them up.
//
// A cancellation by the shop undoes a run, also one that is complete. An edit or a refund changes the steps to come and undoes nothing: what
// is to be given back of a part of an order is for a person, or a service of its own, to say.
//
// What it is not: a transaction. Between two steps the world sees one without the other. And it does not mail: the action mail.confirm
// writes ConfirmationRequested to the event store, in the commit of its step, and that is done with it; whoever mails acts on
// it, as notifications does with notifications.order_on: saga. What cannot be taken back should not be able to fail either.
package saga
