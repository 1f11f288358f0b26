package partitioning

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tidwall/gjson"
)

// MaxIDBytes bounds the id in a key. A longer one is replaced by hashPrefix and the SHA-256 of it in hex.
const MaxIDBytes = 128

const hashPrefix = "sha256-"

// idOf returns the id that a JSON value holds, in the form that it has in keys; ok is false when it holds none.
//
// Of numbers only whole positive ones count, taken as the digits that were sent: an id is 1 or more, and 1e3 or 1.5 is no
// id even if it could be read as one.
func idOf(v gjson.Result) (id string, ok bool) {
	switch v.Type {
	case gjson.Number:
		if !isDigits(v.Raw) {
			return "", false
		}
		return cleanID(v.Raw)
	case gjson.String:
		return cleanID(v.Str)
	case gjson.Null, gjson.False, gjson.True, gjson.JSON:
		return "", false
	default:
		return "", false
	}
}

// cleanID reduces an id that came as text to its form in keys: "gid://shopify/Order/123?x=y" and "123" both give "123".
// Tokens (of carts, checkouts) pass as they are, save for bytes that would make a key unreadable or ambiguous, which are
// percent-encoded; too long ones are hashed. ok is false when there is no id in it.
func cleanID(text string) (id string, ok bool) {
	if rest, isGID := strings.CutPrefix(text, "gid://"); isGID {
		// gid://<app>/<type>/<id>
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) < 3 {
			return "", false
		}
		text = parts[2]
	}
	// What follows "?" qualifies the id (the item of an inventory level, the key of a cart) and is not part of it.
	text, _, _ = strings.Cut(text, "?")
	if text == "" || isZeroOrNegative(text) {
		return "", false
	}
	encoded := text
	if len(text) <= MaxIDBytes {
		encoded = percentEncode(text)
	}
	if len(encoded) > MaxIDBytes {
		sum := sha256.Sum256([]byte(text))
		return hashPrefix + hex.EncodeToString(sum[:]), true
	}
	return encoded, true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isZeroOrNegative reports whether text is a whole number below 1, so that the text forms of what is no id as a number are
// no ids either.
func isZeroOrNegative(text string) bool {
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		return isDigits(rest)
	}
	return strings.Trim(text, "0") == ""
}

// plain reports whether a byte stands for itself in a key: printable ASCII without "|", which ends the shop, "/", which ends
// the kind, and "%", which begins an encoded byte.
func plain(c byte) bool {
	return c > ' ' && c < 0x7f && c != '|' && c != '/' && c != '%'
}

// percentEncode replaces every byte that is not plain by %XX. It returns s itself when there is none.
func percentEncode(s string) string {
	first := 0
	for first < len(s) && plain(s[first]) {
		first++
	}
	if first == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	out := append(make([]byte, 0, 3*len(s)), s[:first]...)
	for i := first; i < len(s); i++ {
		if c := s[i]; plain(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return string(out)
}
