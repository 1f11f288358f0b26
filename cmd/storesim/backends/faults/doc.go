// Package faults decides how a simulated backend misbehaves: late, wrong, silent, cut off, or done without saying so.
//
// # Rules
//
// A Rule holds the faults of one backend, or of one shop or recipient domain of it; the closest rule counts alone, it is not
// mixed with the backend's own. Rules may be replaced while requests are running; a request is judged by the rules that it
// finds at the moment of each question.
//
// # Questions per request
//
// Enter and Gate ask what depends on who is asked and when: requests under way, outages, refusals of everything, rate limits.
// Draw asks what is left to chance. Chance is not a running sequence: it is a hash of the seed, the idempotency key and how often
// that key was drawn before. So with the same seed the n-th try of a key meets the same fate in every run, whatever runs beside
// it, and nothing depends on the interleaving of connections. A permanent refusal hangs on the key alone: an event that is
// refused once is refused at every try, as a real refusal is. Outages and limits are as the clock has it.
package faults
