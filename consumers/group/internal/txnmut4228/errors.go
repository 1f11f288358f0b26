package txn

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Outcomes of Do other than nil and *RecordError; both come wrapped, with what went wrong.
var (
	// ErrAborted says that nothing is committed and that nothing of it can be. The caller may repeat.
	ErrAborted = errors.New("transaction aborted")
	// ErrUnknown says that the transaction is committed or aborted, and that it is not known which. See Producer.Renew.
	ErrUnknown = errors.New("outcome of the transaction is unknown")
)

// RecordError is returned by Do when the brokers refuse a record for what it is: too large, or invalid for its topic. Nothing is
// committed; the same records would be refused again. It does not match ErrAborted.
type RecordError struct {
	Index int // of the record in Do's argument
	Err   error
}

func (e *RecordError) Error() string { return fmt.Sprintf("record %d is refused: %v", e.Index, e.Err) }

// Unwrap returns what the broker said.
func (e *RecordError) Unwrap() error { return e.Err }

func aborted(doing string, err error) error { return fmt.Errorf("%w: %s: %w", ErrAborted, doing, err) }

// refused tells whether a broker's answer is about the records of the batch, and not about its own or the producer's state.
func refused(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// commitNotSent tells whether EndTransaction failed before it sent anything, so that the transaction cannot be committed.
//
// All other errors leave that open, also those that look final, like PRODUCER_FENCED: the client repeats a request whose answer
// was lost, and what it reports is the answer to the last of them. The first may have committed.
func commitNotSent(err error) bool {
	recreated := errors.Is(err, kerr.TransactionAbortable) && errors.Is(err, kerr.UnknownTopicID)
	return recreated || errors.Is(err, kerr.OperationNotAttempted)
}
