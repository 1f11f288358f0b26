package engine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// reframer turns the Native blocks that the engine writes (protocol revision 0) into what a client expects that announced a
// client_protocol_version: block info before each block and, for each column, a byte which says that its serialisation is
// the plain one. The columns' data is the same in both and is copied as it is, so no type can be changed on its way; the
// columns are decoded only because nothing else tells where one ends.
type reframer struct {
	source  bytes.Reader
	buffer  *bufio.Reader
	decoder *chproto.Reader
	context column.ServerContext
	out     chproto.Buffer
}

func newReframer() *reframer {
	f := &reframer{context: column.ServerContext{Timezone: time.UTC}}
	// chproto.NewReader takes a bufio.Reader of this size as its own buffer instead of putting another one in front. That is
	// what makes position exact; TestReframeCopiesEveryByte notices if it ever stops being so.
	f.buffer = bufio.NewReaderSize(&f.source, 1<<18)
	f.decoder = chproto.NewReader(f.buffer)
	return f
}

// reframe converts whole blocks. The result is valid until the next call.
func (f *reframer) reframe(blocks []byte) ([]byte, error) {
	f.source.Reset(blocks)
	f.buffer.Reset(&f.source)
	f.out.Reset()
	for f.position(blocks) < len(blocks) {
		if err := f.block(blocks); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, newException(codeNotImplemented, "NOT_IMPLEMENTED",
				fmt.Sprintf("The embedded engine cannot send this result in format Native to this client: %v.", err))
		}
	}
	return f.out.Buf, nil
}

// position is how much of blocks the decoder has consumed.
func (f *reframer) position(blocks []byte) int {
	return len(blocks) - f.source.Len() - f.buffer.Buffered()
}

func (f *reframer) block(blocks []byte) error {
	columns, err := f.decoder.UVarInt()
	if err != nil {
		return fmt.Errorf("read number of columns: %w", err)
	}
	rows, err := f.decoder.UVarInt()
	if err != nil {
		return fmt.Errorf("read number of rows: %w", err)
	}
	// Block info: field 1 is_overflows, field 2 bucket_num, end of fields.
	f.out.PutUVarInt(1)
	f.out.PutBool(false)
	f.out.PutUVarInt(2)
	f.out.PutInt32(-1)
	f.out.PutUVarInt(0)
	f.out.PutUVarInt(columns)
	f.out.PutUVarInt(rows)
	for range columns {
		if err := f.column(blocks, int(rows)); err != nil { //nolint:gosec // rows of a block that is in memory
			return err
		}
	}
	return nil
}

func (f *reframer) column(blocks []byte, rows int) error {
	name, err := f.decoder.Str()
	if err != nil {
		return fmt.Errorf("read name of column: %w", err)
	}
	typ, err := f.decoder.Str()
	if err != nil {
		return fmt.Errorf("read type of column %s: %w", name, err)
	}
	f.out.PutString(name)
	f.out.PutString(typ)
	f.out.PutBool(false)
	if rows == 0 {
		return nil
	}
	start := f.position(blocks)
	col, err := column.Type(typ).Column(name, &f.context)
	if err != nil {
		return fmt.Errorf("column %s: %w", name, err)
	}
	if c, ok := col.(column.CustomSerialization); ok {
		if err := c.ReadStatePrefix(f.decoder); err != nil {
			return fmt.Errorf("column %s of type %s: %w", name, typ, err)
		}
	}
	if err := col.Decode(f.decoder, rows); err != nil {
		return fmt.Errorf("column %s of type %s: %w", name, typ, err)
	}
	f.out.PutRaw(blocks[start:f.position(blocks)])
	return nil
}
