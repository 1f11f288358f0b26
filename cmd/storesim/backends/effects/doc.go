// Package effects is the account of what the simulated backends did: every effect that really happened, once; how often it
// was asked for again under the same key; what was refused and what was bent by a fault. A test holds a service against it.
//
// # The file
//
// JSON lines, written before the effect's answer is sent and in the order of the effects. Lines with a seq of their own, 1, 2,
// 3 …, are effects, of kind reserved, released, charged, refunded, shipment, shipment_cancelled, document, forwarded or mail;
// those of kind nothing were answered as done though there was nothing to do. A line of kind repeat says that the effect of that
// seq was asked for again; a line of kind refused is a permanent refusal. Repeats change nothing in the world.
//
// # Memory
//
// The account is kept whole, to be asked at run time: below a kilobyte per effect.
package effects
