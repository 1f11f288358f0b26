// Package sqltoken reads just enough of ClickHouse's SQL to know what a statement asks of an HTTP server: whether it carries
// data to insert and where that data begins, which format it names, whether it changes the session, whether there is more
// than one. It does not parse expressions and accepts nonsense; the engine is the judge of that.
//
// What counts is that a keyword inside a string, a quoted name, a comment or brackets is never taken for one.
package sqltoken

import "bytes"

type kind uint8

const (
	kindEnd kind = iota
	kindWord
	kindQuoted // `name` or "name"
	kindValue  // string or number
	kindPunct
	kindCut // a string, quoted name or comment that the text ends in
)

type token struct {
	kind       kind
	start, end int
	depth      int // of round, square and curly brackets, before an opening and after a closing one
}

// scanner yields the tokens of text, without blanks and comments.
type scanner struct {
	text  []byte
	pos   int
	depth int
}

func (s *scanner) next() token {
	if !s.skipBlank() {
		return token{kind: kindCut, start: s.pos, end: len(s.text), depth: s.depth}
	}
	start := s.pos
	if start >= len(s.text) {
		return token{kind: kindEnd, start: start, end: start, depth: s.depth}
	}
	t := token{start: start, depth: s.depth}
	switch c := s.text[start]; {
	case c == '\'':
		t.kind = s.quoted(c, kindValue)
	case c == '`' || c == '"':
		t.kind = s.quoted(c, kindQuoted)
	case c == '$' && s.heredocTag() != nil:
		t.kind = s.heredoc(s.heredocTag())
	case isDigit(c):
		t.kind = kindValue
		s.pos = s.endOfWord(start)
	case isWord(c):
		t.kind = kindWord
		s.pos = s.endOfWord(start)
	default:
		t.kind = kindPunct
		s.pos++
		switch c {
		case '(', '[', '{':
			s.depth++
		case ')', ']', '}':
			s.depth = max(s.depth-1, 0)
			t.depth = s.depth
		}
	}
	t.end = s.pos
	return t
}

// skipBlank moves over white space and comments; false means that the text ends inside a comment.
func (s *scanner) skipBlank() bool {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case isBlank(rest[0]):
			s.pos++
		case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("#!")), bytes.HasPrefix(rest, []byte("# ")):
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				s.pos = len(s.text)
				return true
			}
			s.pos += i + 1
		case bytes.HasPrefix(rest, []byte("/*")):
			i := bytes.Index(rest[2:], []byte("*/"))
			if i < 0 {
				return false
			}
			s.pos += i + 4
		default:
			return true
		}
	}
	return true
}

// quoted moves past a quoted text; a backslash and a doubled quote keep it open.
func (s *scanner) quoted(quote byte, k kind) kind {
	for i := s.pos + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case quote:
			if i+1 < len(s.text) && s.text[i+1] == quote {
				i++
				continue
			}
			s.pos = i + 1
			return k
		}
	}
	s.pos = len(s.text)
	return kindCut
}

// heredocTag is the "$tag$" that the text at pos begins with, nil if it does not.
func (s *scanner) heredocTag() []byte {
	for i := s.pos + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '$':
			return s.text[s.pos : i+1]
		case !isWord(c) && !isDigit(c):
			return nil
		}
	}
	return nil
}

func (s *scanner) heredoc(tag []byte) kind {
	i := bytes.Index(s.text[s.pos+len(tag):], tag)
	if i < 0 {
		s.pos = len(s.text)
		return kindCut
	}
	s.pos += i + 2*len(tag)
	return kindValue
}

func (s *scanner) endOfWord(i int) int {
	for i < len(s.text) && (isWord(s.text[i]) || isDigit(s.text[i])) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') || c == 0 }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWord(c byte) bool {
	return c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z') || c >= 0x80
}
