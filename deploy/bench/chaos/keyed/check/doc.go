// Package check compares what a run of the keyed runtime left behind with what it must be. It reads plain data and knows neither
// Kafka nor processes, so that every check can be shown a run that it must refuse.
//
// What may never happen counts as a violation. What a crash may cost by contract, a repeated effect or a frozen zombie's overlap, is
// counted by its cause; without a cause it is a violation too.
package check
