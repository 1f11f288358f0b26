// Command receive measures the receiver beside the least that any receiver must do: a bare gin handler that reads the body,
// checks the HMAC and finds the id. Server and broker are processes of their own; the load generator, the server and the
// broker share the machine, so only ratios within one run mean anything.
//
// It reports; it has no opinion on what is fast enough.
package main
