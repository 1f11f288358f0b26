// Package sim is a simulated Shopify: it makes up stores, lets customers fill carts, check out, pay, be shipped to, cancel
// and be refunded, and delivers the webhooks of all that, signed, to one URL. `storesim send` and `millrace dev --simulate`
// run it.
//
// # What is sent
//
// Bodies are built by code in the shape of Shopify's: full orders of 2-20 KB, ids as JSON numbers (every tenth order's are
// above 2^53), money as decimal strings with presentment money beside shop money, currencies without decimals, times
// with the shop's UTC offset. One merchant action gives several webhooks that share an event id. The same seed gives the
// same sequence of events, whatever the concurrency; a simulator that is run twice with one seed therefore sends the same
// webhook ids twice. Only times differ: they come from the clock.
//
// # Order
//
// The deliveries of one entity (an order with its payments, fulfilments and refunds; an inventory item; a customer …) are
// sent one after another: the first attempt of one is made only after the one before was answered 2xx or given up.
// Different entities are sent concurrently. So for acknowledged deliveries of one entity the order of acknowledgement is the
// order of sending, and a receiver that keeps the order of its writes must show them in that order. Shopify itself
// does not promise this; the simulator does, in order to be able to check it.
//
// Duplicates (the same webhook id and body once more, at once or after some later events of the entity) and disorder (an event
// held back behind later ones of its entity) are made on purpose; both change what is sent and in which order, and the
// ledger says so. The rule above then holds for the changed order.
//
// # Forgetting
//
// A share of the events is never sent (Config.Forget): the store has changed, the ledger says so, and a receiver finds out from the
// stores' Admin API alone, which package adminapi serves. The seed decides which events these are.
//
// # Delivery
//
// As Shopify does: 1 s to connect, 5 s for the answer, anything but 2xx is a failure (redirects too), eight retries over four
// hours with the same webhook id and body. Shopify does not publish the eight intervals; here they double. TimeScale
// shortens them.
//
// # What it is not
//
// It is not a load generator: that is package flood. Rate 0 here means as fast as the receiver answers and one core can
// invent orders.
package sim
