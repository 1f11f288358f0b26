// Package txn is a transactional producer for one process: a batch of records and a group's offsets become visible together, or
// not at all, and the caller always knows which.
//
// The rule of Producer.Do: when it has returned, it is certain that
//
//   - nil: everything is committed;
//   - ErrAborted or a *RecordError: nothing is, and nothing can be later;
//   - ErrUnknown: one of the two, whole. After Renew has returned nil nothing is in flight any more, and the group's offsets
//     tell which.
//
// How it is kept: any failure, whatever it is, throws the client away. A new one asks the transaction coordinator for the same
// transactional id, which bumps the epoch: an open transaction is aborted, a transaction that was being committed is completed,
// and requests of the old client that still travel are refused for their epoch. There is no path that repairs a client: what kgo
// recovers from in place, and in which state it is then, depends on the error, on the version of transactions in the cluster and
// on its own hidden repeats; failures are rare, and a new client costs some tens of milliseconds. Only a failed EndTxn(commit)
// leaves the outcome open; before it has been sent, abort is the only possible end.
package txn
