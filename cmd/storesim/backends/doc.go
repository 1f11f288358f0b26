// Package backends is the world outside of millrace's services: the HTTP APIs of a stock system, a payment gateway, a carrier and an
// ERP, an endpoint that events are forwarded to, an SMTP server, the faults of all of them, a ledger of the effects that really
// happened, and an HTTP API to ask for the ledger and to change the faults at run time. See its subpackages for what each of them
// does, and schemas/openapi for the HTTP APIs as a partner's developers read them.
//
// # The admin API
//
//	GET  /ledger            effects in their order; ?backend= &shop= &order= &subject= &key= &kind= &anomaly= &limit= (1000; 0: all)
//	GET  /ledger/summary    the account in numbers
//	GET  /ledger/refused    permanent refusals, once per key and reason; ?backend= &shop= &order= &subject= &key= &reason= &limit=
//	GET  /faults            the rules of all backends
//	PUT  /faults            replaces them all; rules that stay the same go on, with the times of their outages
//	GET, PUT, DELETE /faults/<backend>    the rule of one backend; PUT sets it anew, DELETE makes it healthy
//	GET, PUT, DELETE /faults/<backend>/<shop>, /faults/smtp/<recipient domain>    the rule of one of them
//	GET, PUT /stock         quantities per SKU, and what is reserved; ?shop=
//	GET  /healthz
//
// It has no password and is meant for loopback.
package backends
