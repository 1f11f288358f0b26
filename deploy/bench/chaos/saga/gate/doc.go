// Package gate stands between the members of a saga and its partners, and kills a member at a chosen boundary of a call. Each member has
// a gate of its own to send through, so a request says whose it is; nothing in the product has to help.
//
// The boundaries of a call, and what a successor finds:
//
//	Asked      the request was sent, the member is dead before the partner sees it; it gets lost, or arrives later, when nobody waits
//	Done       the partner did it, and the answer found nobody
//	Heard      the member has the answer, and dies at once: hardly before its commit
//	Written    the member has written what came of the answer, and dies before or in the commit of it
//	Committed  that is committed, and the member dies right after
//
// Whether a commit was lost or held shows later: a member asks again, with the same key, for what was lost.
package gate
