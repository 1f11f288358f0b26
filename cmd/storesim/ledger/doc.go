// Package ledger is the simulator's account of what it sent: a file of JSON lines, one per distinct event (webhook id),
// written once the fate of the event is known. `storesim verify` holds a store against it.
//
// # Guarantees
//
// Lines reach the file whole and in the order in which outcomes became known, which is not the order of sending; Seq and
// the deliveries' numbers tell that. A kill loses at most the lines of the last flush interval, never half a line unless the
// kernel itself is cut off in a write, and Read passes over such a torn last line. An event that was sent but has no line is
// legal in a store: the account is a lower bound of what was sent and an exact list of what was acknowledged up to the
// last flush.
//
// # What it is not
//
// It does not hold bodies, only their SHA-256 and length, so a ledger of a million events stays below a gigabyte.
package ledger
