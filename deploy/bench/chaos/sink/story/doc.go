// Package story makes up what some shops sell, in the shape of Shopify's webhooks: checkouts that are abandoned or become orders,
// orders that are paid, edited, shipped in parts, refunded in parts, cancelled and deleted, stock, products and customers, in
// currencies of zero, two and three decimals.
//
// The bodies are small (some hundred bytes to some kilobytes), so that thousands per second leave room for what is tested. The
// same seed gives the same sequence; only Event.Time comes from the clock. Times in bodies run on a clock of the story's own, which
// spreads the orders over some weeks, and have Shopify's resolution of a second, so that versions of one entity often tie.
package story
