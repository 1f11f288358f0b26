package schedule

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The metadata of a commit is text, because Kafka's protocol and its tools take it for text:
//
//	m1:<base64 of: sequence number, retry offset, length and text of the writer, span, then per unsettled offset below watermark+span: distance from the one before << 4 | attempts>
//
// All numbers are unsigned varints. Attempts from 15 on are written as 15 and a varint of the rest. 1500 unsettled offsets in any
// span up to 200 000 take less than the 4096 bytes that a broker allows. The sequence number makes every commit of a partition
// distinct, so that a transaction whose end got lost can be recognised. The retry offset is the one in the retry partition below which
// nothing waits: a successor reads from there. The writer is what tells its transactional id: a successor can end its transaction.
const metadataPrefix = "m1:"

// MaxMetadata is what a broker takes by default (offset.metadata.max.bytes).
const MaxMetadata = 4096

var errMetadata = errors.New("commit metadata is damaged")

type encoder struct {
	raw  []byte
	last int64 // the offset before
	base int64 // watermark
	seq  uint64
	skip int64 // retry offset
	by   string
	hi   int64
	room int // bytes for raw
	none bool
}

func newEncoder(seq uint64, retry int64, writer string, watermark, hi int64, room int) *encoder {
	return &encoder{seq: seq, skip: retry, by: writer, base: watermark, last: watermark, hi: hi, none: hi <= watermark, room: base64.RawStdEncoding.DecodedLen(room-len(metadataPrefix)) - 4*binary.MaxVarintLen64 - len(writer)}
}

// add returns false when there is no more room; the text then covers what is below offset.
func (e *encoder) add(offset int64, attempts int) bool {
	if e.none || offset >= e.hi {
		return true
	}
	if len(e.raw)+2*binary.MaxVarintLen64 > e.room {
		e.hi = offset
		return false
	}
	small := min(attempts, 15)
	e.raw = binary.AppendUvarint(e.raw, uint64(offset-e.last)<<4|uint64(small)) //nolint:gosec // offsets ascend
	if small == 15 {
		e.raw = binary.AppendUvarint(e.raw, uint64(attempts-small)) //nolint:gosec // not negative
	}
	e.last = offset
	return true
}

func (e *encoder) text() string {
	head := binary.AppendUvarint(nil, e.seq)
	head = binary.AppendUvarint(head, uint64(e.skip)) //nolint:gosec // not negative
	head = append(binary.AppendUvarint(head, uint64(len(e.by))), e.by...)
	span := uint64(0)
	if !e.none {
		span = uint64(e.hi - e.base) //nolint:gosec // not negative
	}
	head = binary.AppendUvarint(head, span)
	return metadataPrefix + base64.RawStdEncoding.EncodeToString(append(head, e.raw...))
}

// metadata is what decode found.
type metadata struct {
	seq   uint64
	retry int64
	by    string // the writer
	hi    int64  // what is below and not in list is settled; 0: nothing is said
	list  []attempted
}

// decode is the inverse. Metadata without the prefix is another program's, e.g. of a tool that has reset the offset: it says nothing.
func decode(watermark int64, text string) (metadata, error) {
	text, ours := strings.CutPrefix(text, metadataPrefix)
	if !ours {
		return metadata{}, nil
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return metadata{}, fmt.Errorf("%w: %w", errMetadata, err)
	}
	ok := true
	next := func() uint64 {
		v, n := binary.Uvarint(raw)
		if n <= 0 || v > 1<<62 {
			ok, raw = false, nil
			return 0
		}
		raw = raw[n:]
		return v
	}
	m := metadata{seq: next(), retry: int64(next())} //nolint:gosec // next bounds it
	n := next()
	if n > uint64(len(raw)) {
		return metadata{}, errMetadata
	}
	m.by, raw = string(raw[:n]), raw[n:]
	span := int64(next()) //nolint:gosec // next bounds it
	if span > 1<<40 {
		return metadata{}, errMetadata
	}
	if span > 0 {
		m.hi = watermark + span
	}
	for last := watermark; ok && len(raw) > 0; {
		v := next()
		a := v & 15
		if a == 15 {
			a += next()
		}
		last += int64(v >> 4)
		if last >= m.hi {
			return metadata{}, errMetadata
		}
		m.list = append(m.list, attempted{offset: last, attempts: uint16(min(a, maxAttempts))})
	}
	if !ok {
		return metadata{}, errMetadata
	}
	return m, nil
}

// Sequence returns the sequence number in the metadata of a commit; 0 where there is none.
func Sequence(text string) uint64 {
	m, _ := decode(0, text) // damaged metadata has none
	return m.seq
}

// RetryOffset returns the offset in the retry partition below which nothing waits; 0 where metadata does not say.
func RetryOffset(text string) int64 {
	m, _ := decode(0, text) // damaged metadata has none
	return m.retry
}

// Writer returns what the member that wrote the metadata has given as Options.Writer; "" where metadata does not say.
func Writer(text string) string {
	m, _ := decode(0, text) // damaged metadata has none
	return m.by
}
