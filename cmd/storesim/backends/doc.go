// Package backends is the world outside of millrace's services: a stock API over HTTP, an SMTP server, the faults of both, a
// ledger of the effects that really happened, and an HTTP API to ask for the ledger and to change the faults at run time.
// See its subpackages for what each of them does.
//
// # The admin API
//
//	GET  /ledger            effects in their order; ?backend= &shop= &order= &key= &kind= &anomaly= &limit= (1000; 0: all)
//	GET  /ledger/summary    the account in numbers
//	GET  /ledger/refused    permanent refusals, once per key and reason; ?backend= &shop= &order= &key= &reason= &limit=
//	GET  /faults            the rules of all backends
//	PUT  /faults            replaces them all; rules that stay the same go on, with the times of their outages
//	GET, PUT, DELETE /faults/stock, /faults/smtp    the rule of one backend; PUT sets it anew, DELETE makes it healthy
//	GET, PUT, DELETE /faults/stock/<shop>, /faults/smtp/<recipient domain>    the rule of one of them
//	GET, PUT /stock         quantities per SKU, and what is reserved; ?shop=
//	GET  /healthz
//
// It has no password and is meant for loopback.
package backends
