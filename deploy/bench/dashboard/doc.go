// Command dashboard measures the queries of the console (consumers/analytics/reports) over a large set of events, 100 million unless
// told otherwise, on the embedded engine.
//
// The events are made in the engine by SQL (orders.sql, others.sql), slot by slot in the order of their arrival, and go through the same
// tables, projections and views as those of the sink: 10 000 shops of which shop n has the weight 1/n, 90 days with nights and
// one sale, orders with two to five versions, refunds, fulfilments, stock, products, customers, checkouts, one in a hundred
// delivered twice. Bodies hold what the views read and little else. The set stays in --data, and a second run measures without
// making it again.
//
// It reports; nothing about it is a test.
package main
