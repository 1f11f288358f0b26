// Package console serves the web page that shows what goes through millrace: throughput, orders and revenue, delays, the state of
// the services, single events and the story of one order, which other programs get as /api/orders/{shop}/{id}. It reads; nothing can be
// changed through it.
package console
