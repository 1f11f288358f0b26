// Package adminapi serves what the simulated stores know over Shopify's Admin API: orders with their fulfilments and refunds, and
// inventory levels. It is how a receiver finds out what it was never told.
//
// # As Shopify does
//
//   - GraphQL at POST /admin/api/<version>/graphql.json, the shop being the host asked for, or /shops/<shop>/admin/api/… where many
//     shops share one address. A query is checked against a part of Shopify's schema (schema.graphql): names, types and arguments that
//     are not in it are errors.
//   - X-Shopify-Access-Token, else 401. A version that never was is 404; one that is no longer supported is answered as the oldest that
//     is, and the header X-Shopify-API-Version says so.
//   - Connections want first, at most 250, and are paged by opaque cursors that stay good while orders change; beyond 25 000 objects
//     a connection cannot be paged.
//   - Cost: an object is 1, a connection 2 and first times its node, a scalar nothing. A query above 1000 is refused. Each shop
//     has a leaky bucket; what the bucket cannot pay is THROTTLED, with status 200, and what a query asked for but did not
//     find is given back. extensions.cost tells.
//   - Times are UTC, amounts have no more zeros than they need (90.0), ids are gids: not the shape of a webhook.
//
// # What it is not
//
// A filter may ask for updated_at, created_at and id; for anything else it is an error, where Shopify gives everything and a warning:
// a filter that is not applied is a mistake that a test should find. There are no mutations, no bulk operations, and deletions
// leave nothing behind.
package adminapi
