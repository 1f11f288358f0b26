// Package shopify asks a store, over Shopify's Admin API (GraphQL), for what its webhooks tell: orders with their fulfilments and
// refunds, and inventory levels. And it writes the answers in the shape of those webhooks, which is another one: ids as numbers,
// names with underscores, amounts with their currency's decimals.
//
// Guarantees:
//
//   - A listing goes through everything that changed in a span of time, however much: it is paged by cursor, and begun anew, or
//     divided, before Shopify's limit of 25 000 objects per listing.
//   - The rate limit is kept, not run into: a store's answers say how many points it has left, and a request waits until there are
//     as many as it asked for the last time. What is throttled all the same (other programs share the bucket) waits as long as the
//     bucket needs.
//   - Answers that may be better the next time (5xx, 429, throttled, no answer) are asked for again, with growing pauses, up to
//     Config.MaxWait; others (a token that is refused, a query that Shopify does not understand) are errors at once.
//   - A token goes to no other address than the configured one: redirects are not followed.
//
// No library: go-shopify (bold-commerce, v4) cannot be had from the module proxy in use here; by its documentation it pauses with
// time.Sleep, which no context ends, and keeps the state of the rate limit in fields of the client that calls share.
//
// It is no general client: queries are constants, made so that none can cost more than the 1000 points that Shopify allows.
package shopify
