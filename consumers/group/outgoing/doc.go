// Package outgoing stands between a service and what it calls: it limits how many calls are under way (bulkhead), how many are
// started per second, in all and per shop (rate limits), how long one may take (timeout), and stops calling what does not answer
// (breakers). Rate and number can be limited for all processes of the consumer group together as well, see Client.Share.
//
// Guarantees:
//
//   - What it refuses costs no attempt: Do returns group.Unavailable with the time after which a call has a chance.
//   - An outage costs few attempts. A breaker opens at failures in a row, so that it does not matter how little what fails is still
//     called; one failure less than that is returned as a failure. The one that opens it, those of the calls that were under way, and
//     those of trials are group.Unavailable until the next trial. So the events of a shop that is away burn in all two attempts by the
//     defaults, in each process that finds out, however long it lasts.
//   - Two levels of breaker. The one of the whole dependency is the service's gate: while it is open nothing is dispatched. The one
//     of a shop lets the events of that shop alone wait. A shop that fails while others succeed does not open the former.
//   - Only what says something about the dependency counts: an error marked with Answered is a good answer to a bad request, and a
//     call cut short because the service stops or gives the partition away is neither good nor bad. A timeout is bad.
//   - While a breaker is half open, no more than the configured number of calls are under way through it.
//
// What follows from that: an event that fails by itself with an error that is neither marked with Answered nor a verdict looks like an
// outage while nothing else is called. It waits, seen in the breaker's metrics and log, until other calls succeed: these are tried
// before it, their successes add up until the breaker closes, and then its own failures burn its attempts. Without any other call for
// its shop, it waits on. To make a dead letter of an event in an outage would be the greater harm.
//
// It does not repeat calls: that is the runtime's schedule, which keeps the order of an entity's events. It does not interrupt a
// call that ignores its context.
//
// API is how the services speak to partners over HTTP, inside Do: the contracts with partners have the same form for all of them.
//
// The policies are failsafe-go's and x/time/rate's, in their standalone form; those whose limits change while calls wait are ours.
// Measured in one run, an executor of failsafe-go with four policies costs 2.3 to 3.3 µs and 32 allocations per call, Do with both
// breakers and both rates 1.1 to 1.6 µs and 6; and an executor has no way to say that an outcome counts neither as a success nor as a
// failure. failsafe-go is before its version 1, so it is used in this package and nowhere else.
package outgoing
