package flood

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
)

// errProtocol is returned (wrapped) when an answer is not one this client can read.
var errProtocol = errors.New("cannot read the answer")

// readResponse reads one answer and throws its body away. closing tells that the server will close the connection.
func readResponse(r *bufio.Reader) (code int, closing bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, true, err
	}
	if len(line) < 13 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, true, fmt.Errorf("%w: status line %.40q", errProtocol, line)
	}
	closing = line[7] == '0'
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, true, fmt.Errorf("%w: status line %.40q", errProtocol, line)
		}
		code = code*10 + int(c-'0')
	}
	length := 0
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return 0, true, err
		}
		if len(line) <= 2 {
			break
		}
		if length, closing, err = field(line, length, closing); err != nil {
			return 0, true, err
		}
	}
	if _, err = r.Discard(length); err != nil {
		return 0, true, err
	}
	return code, closing, nil
}

// field takes from a header line what matters for reading on.
func field(line []byte, length int, closing bool) (int, bool, error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch value = bytes.TrimSpace(value); len(name) {
	case len("Content-Length"):
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			break
		}
		length = 0
		for _, c := range value {
			if c < '0' || c > '9' || length > 1<<30 {
				return 0, true, fmt.Errorf("%w: length %.40q", errProtocol, value)
			}
			length = length*10 + int(c-'0')
		}
	case len("Connection"):
		closing = closing || bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close"))
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			return 0, true, fmt.Errorf("%w: %s: a load test reads answers with a length only", errProtocol, bytes.TrimSpace(line))
		}
	}
	return length, closing, nil
}
