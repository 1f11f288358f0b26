package console

import (
	"context"
	"errors"
	"net/http"

	"millrace/consumers/analytics/reports"
	"millrace/consumers/orderstate"
)

// Codes of the API's errors: for machines, and stable.
const (
	codeBadRequest   = "bad_request"
	codeUnauthorized = "unauthorized"
	codeForbidden    = "forbidden"
	codeNotFound     = "not_found"
	codeTooMuch      = "too_much"
	codeAway         = "clickhouse_away"
	codeNotReady     = "not_ready"
	codeKafkaAway    = "kafka_away"
	codeInternal     = "internal"
)

// problem is the body of every answer that is no success.
type problem struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func newProblem(code, message string) problem {
	var p problem
	p.Error.Code, p.Error.Message = code, message
	return p
}

// errKafka marks what the brokers did not answer.
var errKafka = errors.New("kafka does not answer")

// classify maps an error to status, code and what may be said to whoever asked. Texts of the server stay in the log: they may
// hold addresses and statements.
func classify(err error) (status int, code, message string) {
	switch {
	case errors.Is(err, reports.ErrBadRequest), errors.Is(err, errBadParameter):
		return http.StatusBadRequest, codeBadRequest, err.Error()
	case errors.Is(err, reports.ErrNotFound), errors.Is(err, orderstate.ErrUnknownOrder):
		return http.StatusNotFound, codeNotFound, err.Error()
	case errors.Is(err, reports.ErrTooMuch):
		return http.StatusUnprocessableEntity, codeTooMuch, "This takes more of ClickHouse than is allowed. Choose a shorter time range or one shop."
	case errors.Is(err, reports.ErrAway), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, codeAway, "ClickHouse does not answer."
	case errors.Is(err, reports.ErrNotReady):
		return http.StatusServiceUnavailable, codeNotReady, "The tables in ClickHouse are not there or not up to date; run `millrace clickhouse migrate`."
	case errors.Is(err, errKafka):
		return http.StatusServiceUnavailable, codeKafkaAway, "Kafka does not answer."
	default:
		return http.StatusInternalServerError, codeInternal, "Something went wrong; the log of the console has the reason."
	}
}
