// Package flood measures how many webhooks per second a receiver takes and how long each waits, with a fixed number of
// kept-alive connections.
//
// # Why not net/http
//
// The generator shares its cores with what it measures, so every microsecond it spends is taken from the server. Requests are
// written once, before the clock starts, and sent as one write; an answer is read up to its length and otherwise
// ignored. That costs a part of net/http's client, which for each request builds headers, runs two goroutines per
// connection and passes the answer between them (BenchmarkRequest compares the two on one connection). The price is a
// client that knows only what a load test needs: HTTP/1.1, an answer with Content-Length or none at all, no redirects.
//
// # What is measured
//
// Closed loop (Rate 0): each connection sends the next request when the answer to the last is in; latency is from the
// write to the last byte of the answer. Such a loop slows down with the server and so hides waiting that real senders
// would suffer: use it for the ceiling, not for latency goals.
//
// Open loop (Rate > 0): requests have fixed times, spread over the connections, and latency counts from the time a
// request was due, whether or not its connection was still busy with an answer that came late (no coordinated omission).
// The generator's own lateness in waking up is in it too. Service time, from the actual write, is reported beside it.
//
// # Bodies
//
// A few thousand distinct, correctly signed order bodies of the asked size, each of another order, spread over shops; each
// request has a webhook id of its own, so nothing is a duplicate to the receiver.
package flood
