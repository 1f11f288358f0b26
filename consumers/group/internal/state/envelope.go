package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Envelope is a value of the changelog: the service's own value and what the runtime keeps beside it.
type Envelope struct {
	IDs        [][16]byte // of the last webhooks, newest last; see IDOf
	Version    int64      // newest version that was handled, if HasVersion
	HasVersion bool
	Value      []byte // the service's, if HasValue
	HasValue   bool
}

// The encoding: one byte for the version of the encoding, one of flags, the number of ids as a varint and the ids, the version as
// a zigzag varint if there is one, and the value, which is all that is left.
const (
	envelopeVersion byte = 1

	flagVersion byte = 1 << 0
	flagValue   byte = 1 << 1
)

// Append appends the encoding to dst.
func (e *Envelope) Append(dst []byte) []byte {
	var flags byte
	if e.HasVersion {
		flags |= flagVersion
	}
	if e.HasValue {
		flags |= flagValue
	}
	dst = append(dst, envelopeVersion, flags)
	dst = binary.AppendUvarint(dst, uint64(len(e.IDs)))
	for i := range e.IDs {
		dst = append(dst, e.IDs[i][:]...)
	}
	if e.HasVersion {
		dst = binary.AppendVarint(dst, e.Version)
	}
	if e.HasValue {
		dst = append(dst, e.Value...)
	}
	return dst
}

// Decode reads what Append wrote. Its Value is a part of b. Another version of the encoding is an error: what a newer program has
// written must not be taken for nothing.
func Decode(b []byte) (Envelope, error) {
	if len(b) < 2 {
		return Envelope{}, errTruncated
	}
	if b[0] != envelopeVersion {
		return Envelope{}, fmt.Errorf("state envelope has version %d, known is %d", b[0], envelopeVersion)
	}
	flags := b[1]
	if flags&^(flagVersion|flagValue) != 0 {
		return Envelope{}, fmt.Errorf("state envelope has unknown flags %#x", flags)
	}
	e := Envelope{HasVersion: flags&flagVersion != 0, HasValue: flags&flagValue != 0}
	b = b[2:]
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)-n)/16 { //nolint:gosec // n is not more than len(b)
		return Envelope{}, errTruncated
	}
	b = b[n:]
	if count > 0 {
		e.IDs = make([][16]byte, count)
		for i := range e.IDs {
			b = b[copy(e.IDs[i][:], b):]
		}
	}
	if e.HasVersion {
		if e.Version, n = binary.Varint(b); n <= 0 {
			return Envelope{}, errTruncated
		}
		b = b[n:]
	}
	switch {
	case e.HasValue:
		e.Value = b[:len(b):len(b)]
	case len(b) > 0:
		return Envelope{}, fmt.Errorf("state envelope has %d bytes too many", len(b))
	}
	return e, nil
}

var errTruncated = errors.New("state envelope is cut off")

// IDOf returns what an Envelope remembers of a webhook's id: the 16 bytes of a UUID, as Shopify's are, or else the first 16 of the SHA-256
// of the text.
func IDOf(webhookID string) [16]byte {
	if len(webhookID) == 36 {
		if id, err := uuid.Parse(webhookID); err == nil {
			return id
		}
	}
	sum := sha256.Sum256([]byte(webhookID))
	return [16]byte(sum[:16])
}
