// Package cli is the command line of storesim: send (a simulated Shopify with a ledger), flood (a load test), verify
// (ClickHouse against the ledger) and backends (the services that a shop's own services call). It turns flags into the
// Configs of packages sim, flood, verify and backends and shows what they report: results on standard output, as text or
// with --json, progress and complaints on standard error.
//
// Exit codes are the same for all commands: 0 the run was good; 1 it was made and the result is bad (an event was given up,
// a request failed, a check was violated); 2 it could not be made (wrong flags, nothing listening, a file that cannot be
// read or written).
package cli
