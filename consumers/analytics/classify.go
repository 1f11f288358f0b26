package analytics

import (
	"context"
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// failure is the class of a failed insert: what an operator has to look at. Every class is retried for ever with the same
// token, since to skip would be to lose; the class decides whether all fetching stops (unavailable) or only the partition.
type failure string

const (
	failTimeout     failure = "timeout"     // no answer within the insert's deadline: it may have landed
	failUnavailable failure = "unavailable" // not reached, or the server is shutting down or starting
	failOverloaded  failure = "overloaded"  // too many parts or queries, out of memory or disk
	failDenied      failure = "denied"      // credentials, grants, read-only
	failSchema      failure = "schema"      // table or column is missing, or has another type
	failOther       failure = "other"       // any other answer of the server
)

func failures() []failure {
	return []failure{failTimeout, failUnavailable, failOverloaded, failDenied, failSchema, failOther}
}

// everywhere reports whether the failure concerns the server and not one batch.
func (f failure) everywhere() bool { return f != failOther }

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
)

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
	switch exception.Code {
	case codeTimeoutExceeded, codeSocketTimeout:
		return failTimeout
	case codeNetworkError, codeQueryCancelled, codeAborted:
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
