// Package ledger is what a run against the keyed runtime writes down, and what it can know before it begins: which events there
// are, what their handler is to say of each of them, every attempt at one as the member process saw it, and every harm that was done.
//
// An attempt is one line, written by one write(2) to a file opened for appending, at the moment of its effect: kill -9 loses none
// that has happened, and there is no effect without a line.
package ledger
