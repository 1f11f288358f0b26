package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"millrace/deploy/embedded/engine/chdb"
)

// Codes of ClickHouse that this package itself answers with.
const (
	codeBadArguments        = 36
	codeNotImplemented      = 48
	codeSyntaxError         = 62
	codeNoData              = 108
	codeUnknownSetting      = 115
	codeIncorrectData       = 117
	codeTooBig              = 223 // QUERY_IS_TOO_LARGE
	codeIntoOutfile         = 173
	codeUnknownException    = 1002
	codeNetworkError        = 210
	codeAuthentication      = 516
	codeUnknownCompression  = 89
	codeTooManySimultaneous = 202
)

// exception is an error in ClickHouse's form.
type exception struct {
	code int
	text string // "Code: N. DB::Exception: …"
}

func (e *exception) Error() string { return e.text }

func newException(code int, name, message string) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", code, message, name)}
}

// asException gives every error the form that clients of ClickHouse parse.
func asException(err error) *exception {
	var ex *exception
	if errors.As(err, &ex) {
		return ex
	}
	var engineErr *chdb.Error
	if errors.As(err, &engineErr) {
		text := strings.TrimSpace(engineErr.Text)
		var code int
		if _, err := fmt.Sscanf(text, "Code: %d.", &code); err != nil {
			return newException(codeUnknownException, "UNKNOWN_EXCEPTION", text)
		}
		// Errors while reading the data of an INSERT come wrapped in a second copy of their own prefix.
		prefix := fmt.Sprintf("Code: %d. DB::Exception: ", code)
		for strings.HasPrefix(text, prefix+prefix) {
			text = strings.TrimPrefix(text, prefix)
		}
		return &exception{code: code, text: text}
	}
	return newException(codeUnknownException, "UNKNOWN_EXCEPTION", err.Error())
}

// status is the HTTP status of an exception, the same for each code as a ClickHouse server's.
func (e *exception) status() int {
	switch e.code {
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 192, 193, codeAuthentication, 512: // UNKNOWN_USER, WRONG_PASSWORD, …, SET_NON_GRANTED_ROLE
		return http.StatusForbidden
	case codeBadArguments, 427, 6, 25, 26, 38, 41, 72, 441, 675, 676, 27, 376, 15, 44, 10, 64, 65, 167, 168,
		codeSyntaxError, codeIncorrectData, 53, 321, codeUnknownCompression, codeNoData, codeIntoOutfile:
		return http.StatusBadRequest
	case 60, 46, 47, 50, 56, 81, codeUnknownSetting, 151, 63, 73, 336, 78, 511: // UNKNOWN_…
		return http.StatusNotFound
	case codeTooBig:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case 209, 76, 439, codeTooManySimultaneous: // SOCKET_TIMEOUT, CANNOT_OPEN_FILE, CANNOT_SCHEDULE_TASK
		return http.StatusServiceUnavailable
	case 381: // HTTP_LENGTH_REQUIRED
		return http.StatusLengthRequired
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	default:
		return http.StatusInternalServerError
	}
}

// body is the text that goes over the wire.
func (e *exception) body(version string) string {
	if strings.Contains(e.text, "(version ") {
		return e.text + "\n"
	}
	return e.text + " (version " + version + ")\n"
}
