package analytics

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/proto"
	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// reserver gives columns of texts the room that their values take, before they are filled. The driver fills a column value by
// value, so that it grows by a quarter at a time: five times its size in garbage, half of all that the sink would allocate. The
// driver has no call for it, but a column keeps its room when it is reset, and gets all of it at once when it is decoded: from
// one text of the whole length and empty ones after it.
type reserver struct {
	source blank
	reader *proto.Reader
}

func newReserver() *reserver {
	r := &reserver{}
	r.reader = proto.NewReader(&r.source)
	return r
}

func (r *reserver) reserve(to chcolumn.Interface, values any) error {
	texts, ok := values.([]string)
	plain, isText := to.(*chcolumn.String) // the native protocol has dictionaries, too
	if !ok || !isText || len(texts) == 0 {
		return nil
	}
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	if size < leastReserved {
		size = 0
	}
	r.source.prefix = binary.AppendUvarint(r.source.prefix[:0], uint64(size))
	r.source.zeros = size + len(texts) - 1
	if err := plain.Decode(r.reader, len(texts)); err != nil {
		return fmt.Errorf("make room for %d bytes: %w", size, err)
	}
	plain.Reset()
	return nil
}

// leastReserved is the size below which a column is left to grow: of a text shorter than 128 bytes the decoder thinks that the others
// have the same length.
const leastReserved = 128

// blank reads as a prefix and so many zeros.
type blank struct {
	prefix []byte
	zeros  int
}

func (b *blank) Read(p []byte) (int, error) {
	n := copy(p, b.prefix)
	b.prefix = b.prefix[n:]
	more := min(b.zeros, len(p)-n)
	clear(p[n : n+more])
	b.zeros -= more
	if n+more == 0 {
		return 0, io.EOF
	}
	return n + more, nil
}
