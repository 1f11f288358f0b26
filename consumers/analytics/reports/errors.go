package reports

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Errors that a caller may want to tell apart; all others are those of the server.
var (
	// ErrAway is returned (wrapped) when ClickHouse does not answer, so that it is worth asking again.
	ErrAway = errors.New("clickhouse does not answer")
	// ErrTooMuch is returned (wrapped) when a query was ended by a limit of Config: a shorter range may pass.
	ErrTooMuch = errors.New("the question takes more than is allowed")
	// ErrNotReady is returned (wrapped) when the tables are not there, or not as this program knows them.
	ErrNotReady = errors.New("the tables are not there, or not up to date")
	// ErrNotFound is returned (wrapped) when the thing asked for is not stored.
	ErrNotFound = errors.New("not found")
)

// Codes of ClickHouse's ErrorCodes.cpp.
const (
	codeUnknownIdentifier  = 47
	codeUnknownTable       = 60
	codeUnknownDatabase    = 81
	codeTooManyRows        = 158
	codeTimeoutExceeded    = 159
	codeTooManyQueries     = 202
	codeNetworkError       = 210
	codeAborted            = 236 // the server is shutting down
	codeMemoryLimit        = 241
	codeTooManyBytes       = 307
	codeQueryCancelled     = 394
	codeTooManyRowsOrBytes = 396
)

// classified tells ClickHouse away, a limit that was passed and a missing table from other errors. What is no exception of the
// server is taken for "does not answer": a refused or reset connection, an unexpected end, a proxy's error page.
func classified(err error) error {
	var refused *clickhouse.Exception
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &refused):
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	switch refused.Code {
	case codeTooManyRows, codeTimeoutExceeded, codeMemoryLimit, codeTooManyBytes, codeTooManyRowsOrBytes:
		return fmt.Errorf("%w: %w", ErrTooMuch, err)
	case codeUnknownTable, codeUnknownDatabase, codeUnknownIdentifier:
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	case codeTooManyQueries, codeNetworkError, codeAborted, codeQueryCancelled:
		return fmt.Errorf("%w: %w", ErrAway, err)
	default:
		return err
	}
}
