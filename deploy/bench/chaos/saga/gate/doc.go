// Package gate stands between the members of a saga and its partners, and kills a member at a chosen boundary of a call. Each member has
// a gate of its own to send through, so a request says whose it is; nothing in the product has to help.
//
// The boundaries of a call, and what a successor finds:
//
//	Asked      the request was sent, the member is dead before the partner sees it; it gets lost, or arrives later, when nobody waits
//	Done       the partner did it, and the answer found nobody
//	Heard      the member has the answer, and dies at once: hardly before its commit
//	Settled    the member has the answer, and dies about when its commit is through
//
// Whether a commit of the last two was lost or held shows later: a member asks again, with the same key, for what was lost.
package gate
