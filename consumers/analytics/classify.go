package analytics

import (
	"context"
	"errors"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// failure is the class of a failed insert: what an operator has to look at. Every class but value is retried for ever with the
// same token, since to skip would be to lose; the class decides whether all fetching stops (unavailable) or only the partition.
type failure string

const (
	failTimeout     failure = "timeout"     // no answer within the insert's deadline: it may have landed
	failUnavailable failure = "unavailable" // not reached, or the server is shutting down or starting
	failOverloaded  failure = "overloaded"  // too many parts or queries, out of memory or disk
	failDenied      failure = "denied"      // credentials, grants, read-only
	failSchema      failure = "schema"      // table or column is missing, or has another type
	failValue       failure = "value"       // a value of a row does not fit: the rows are sought, and become dead letters
	failOther       failure = "other"       // any other answer of the server
)

func failures() []failure {
	return []failure{failTimeout, failUnavailable, failOverloaded, failDenied, failSchema, failValue, failOther}
}

// everywhere reports whether the failure concerns the server and not one batch.
func (f failure) everywhere() bool { return f != failOther && f != failValue }

// Codes of ClickHouse's ErrorCodes.cpp.
const (
	codeNoSuchColumn     = 16
	codeTypeMismatch     = 53
	codeUnknownTable     = 60
	codeUnknownDatabase  = 81
	codeTimeoutExceeded  = 159
	codeTableReadOnly    = 242
	codeReadonly         = 164
	codeUnknownUser      = 192
	codeWrongPassword    = 193
	codeRequiredPassword = 194
	codeTooManyQueries   = 202
	codeSocketTimeout    = 209
	codeNetworkError     = 210
	codeMemoryLimit      = 241
	codeNotEnoughSpace   = 243
	codeTooManyParts     = 252
	codeQueryCancelled   = 394
	codeAccessDenied     = 497
	codeAuthentication   = 516
	codeAborted          = 236 // the server is shutting down
	codeNoKeeper         = 225
	codeTooFewReplicas   = 285
	codeQuorumBefore     = 286 // an insert before this one waits for its quorum
	codeInsertUnknown    = 319 // the quorum did not answer in time: it may have landed
	codeKeeper           = 999
)

// aboutValues reports whether a code says that one value of the rows does not fit its column, or breaks a constraint of the table: the
// same insert can never succeed. The list is closed, so that an answer that nobody has thought of stops a partition, and never
// empties it into the dead letters.
func aboutValues(e *clickhouse.Exception) bool {
	switch e.Code {
	case 32: // ATTEMPT_TO_READ_AFTER_EOF, which else means a broken stream
		return strings.Contains(e.Message, "while converting column")
	case 6, 26, 27, 38, 41, 72: // CANNOT_PARSE_TEXT, _QUOTED_STRING, _INPUT_ASSERTION_FAILED, _DATE, _DATETIME, _NUMBER
		return true
	case 69, 70, 131, 321, 407: // ARGUMENT_OUT_OF_BOUND, CANNOT_CONVERT_TYPE, TOO_LARGE_STRING_SIZE, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, DECIMAL_OVERFLOW
		return true
	case 467, 469, 675, 676, 691: // CANNOT_PARSE_BOOL, VIOLATED_CONSTRAINT, CANNOT_PARSE_IPV4, _IPV6, UNKNOWN_ELEMENT_OF_ENUM
		return true
	}
	return false
}

// inView begins what ClickHouse adds to an exception that a materialized view has thrown.
const inView = "while pushing to view"

// classify sorts an insert's error. What does not come from the server as an exception is taken for "not reached": a
// refused or reset connection, an unexpected end, a proxy's error page.
func classify(err error) failure {
	var exception *clickhouse.Exception
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return failTimeout
	case !errors.As(err, &exception):
		return failUnavailable
	}
	switch {
	case aboutValues(exception) && strings.Contains(exception.Message, inView):
		// The view is what is wrong, and the rows may be in their own table already.
		return failOther
	case aboutValues(exception):
		return failValue
	}
	switch exception.Code {
	case codeTimeoutExceeded, codeSocketTimeout:
		return failTimeout
	case codeNetworkError, codeQueryCancelled, codeAborted, codeNoKeeper, codeTooFewReplicas, codeQuorumBefore, codeInsertUnknown, codeKeeper:
		return failUnavailable
	case codeTooManyQueries, codeMemoryLimit, codeNotEnoughSpace, codeTooManyParts:
		return failOverloaded
	case codeReadonly, codeTableReadOnly, codeUnknownUser, codeWrongPassword, codeRequiredPassword, codeAccessDenied, codeAuthentication:
		return failDenied
	case codeNoSuchColumn, codeTypeMismatch, codeUnknownTable, codeUnknownDatabase:
		return failSchema
	default:
		return failOther
	}
}
