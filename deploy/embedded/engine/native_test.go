package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"

	"millrace/deploy/embedded/engine/chdb"
)

// revision is one at which block info and the serialisation byte are part of a block.
const revision = 54460

func block(t *testing.T, rows int) *proto.Block {
	t.Helper()
	b := &proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
	for _, c := range []struct{ name, typ string }{
		{"id", "UInt64"}, {"s", "LowCardinality(String)"}, {"m", "Map(String, Array(Nullable(Int32)))"}, {"at", "DateTime64(3)"}, {"d", "Decimal(18, 4)"}, {"big", "String"},
	} {
		if err := b.AddColumn(c.name, column.Type(c.typ)); err != nil {
			t.Fatal(err)
		}
	}
	n := int32(7)
	for i := range rows {
		err := b.Append(uint64(i), "low", map[string][]*int32{"k": {&n, nil}}, time.UnixMilli(int64(i)), "1.5", strings.Repeat("x", 3000))
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestReframeCopiesEveryByte holds reframe against the driver's own encoder: the blocks at revision 0 must become, byte for
// byte, the same blocks at a later revision. A decoder that read ahead past a column's end would show here. The blocks are
// larger than any buffer on the way.
func TestReframeCopiesEveryByte(t *testing.T) {
	var old, want chproto.Buffer
	for _, rows := range []int{1, 300, 2} {
		for buf, rev := range map[*chproto.Buffer]uint64{&old: 0, &want: revision} {
			if err := block(t, rows).Encode(buf, rev); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := newReframer()
	for range 2 { // it is used again for each piece of a result
		got, err := f.reframe(old.Buf)
		if err != nil {
			t.Fatalf("reframe() error: %v", err)
		}
		if !bytes.Equal(got, want.Buf) {
			t.Fatalf("reframe() differs after %d bytes of %d", commonPrefix(got, want.Buf), len(want.Buf))
		}
	}
}

func TestReframeRefusesWhatItCannotUnderstand(t *testing.T) {
	var whole chproto.Buffer
	if err := block(t, 3).Encode(&whole, 0); err != nil {
		t.Fatal(err)
	}
	var strange chproto.Buffer
	strange.PutUVarInt(1)
	strange.PutUVarInt(1)
	strange.PutString("c")
	strange.PutString("NoSuchType(3)")
	for name, in := range map[string][]byte{"cut": whole.Buf[:len(whole.Buf)-1], "unknown type": strange.Buf} {
		if out, err := newReframer().reframe(in); asException(err) == nil || err == nil || asException(err).code != codeNotImplemented {
			t.Errorf("%s: reframe() = %d bytes, %v; want exception %d", name, len(out), err, codeNotImplemented)
		}
	}
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func TestSpoolMovesOnToTheDiskAndRefusesTooMuch(t *testing.T) {
	sp, err := newSpool(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.close()
	path, size, err := sp.put(strings.NewReader("abc"))
	if err != nil || size != 3 || path == "" {
		t.Fatalf("put() = %q, %d, %v", path, size, err)
	}
	if _, _, err := sp.put(strings.NewReader(strings.Repeat("x", 1<<20+1))); err == nil || asException(err).code != codeTooBig {
		t.Errorf("put() of too much: error %v, want exception %d", err, codeTooBig)
	}
}

func TestWrappedExceptionsLoseTheirSecondPrefix(t *testing.T) {
	const once = "Code: 26. DB::Exception: Cannot parse. (CANNOT_PARSE_QUOTED_STRING)"
	if diff := cmp.Diff(once, asException(&chdb.Error{Text: "Code: 26. DB::Exception: " + once}).text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
