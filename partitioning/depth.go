package partitioning

import "bytes"

// tooDeep reports whether body is nested deeper than MaxDepth. It is exact for JSON; for anything else the answer is about
// what a JSON parser would see before it stops at the error, which is what matters: it bounds the parser's recursion.
func tooDeep(body []byte) bool {
	// Depth cannot exceed the number of opening brackets. Counting them is vectorised and settles nearly every body.
	if bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = endOfString(body, i+1)
		}
	}
	return false
}

// endOfString returns the index of the quote that ends the string whose text begins at i, or len(body).
func endOfString(body []byte, i int) int {
	for ; i < len(body); i++ {
		switch body[i] {
		case '"':
			return i
		case '\\':
			i++ // whatever is escaped, it does not end the string
		}
	}
	return len(body)
}
