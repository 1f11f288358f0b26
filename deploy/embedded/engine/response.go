package engine

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"millrace/deploy/embedded/engine/chdb"
)

// compressedPiece is how much goes into one block of the native protocol's compression.
const compressedPiece = 1 << 20

// response writes the answer to one request: headers with the first byte, so that an error before it has a status of its own.
type response struct {
	w        http.ResponseWriter
	encoding string // Content-Encoding, "" for none
	native   string // method of the native protocol's compression, "" for none
	tag      string // marks an exception in the middle of the data, see fail
	version  string
	started  bool
	encoder  io.WriteCloser
	blocks   *compress.Writer
}

func newResponse(w http.ResponseWriter, r *http.Request, q *request, info serverInfo) *response {
	out := &response{w: w, encoding: q.acceptedEncoding(r), tag: newID()[:8] + newID()[:8], version: info.version}
	if q.compressed {
		out.native = firstOf(strings.ToUpper(q.compression), "LZ4")
	}
	h := w.Header()
	h.Set("X-ClickHouse-Query-Id", q.queryID)
	h.Set("X-ClickHouse-Server-Display-Name", info.name)
	h.Set("X-ClickHouse-Timezone", info.timezone)
	h.Set("X-ClickHouse-Exception-Tag", out.tag)
	return out
}

// describe sets the headers that only a finished statement knows.
func (o *response) describe(r *chdb.Result) {
	summary, err := json.Marshal(map[string]string{
		"read_rows": strconv.FormatUint(r.RowsRead(), 10), "read_bytes": strconv.FormatUint(r.BytesRead(), 10),
		"written_rows": strconv.FormatUint(r.RowsWritten(), 10), "written_bytes": "0", "total_rows_to_read": "0",
		"result_rows": "0", "result_bytes": strconv.Itoa(len(r.Bytes())),
	})
	if err == nil {
		o.w.Header().Set("X-ClickHouse-Summary", string(summary))
	}
}

func (o *response) format(name string) {
	o.w.Header().Set("X-ClickHouse-Format", name)
	o.w.Header().Set("Content-Type", contentType(name))
}

func (o *response) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := o.start(); err != nil {
		return err
	}
	if o.blocks == nil {
		if _, err := o.encoder.Write(p); err != nil {
			return fmt.Errorf("write response: %w", err)
		}
		return nil
	}
	for len(p) > 0 {
		n := min(len(p), compressedPiece)
		if err := o.blocks.Compress(p[:n]); err != nil {
			return fmt.Errorf("compress response: %w", err)
		}
		if _, err := o.encoder.Write(o.blocks.Data); err != nil {
			return fmt.Errorf("write response: %w", err)
		}
		p = p[n:]
	}
	return nil
}

func (o *response) start() error {
	if o.started {
		return nil
	}
	o.started = true
	var err error
	if o.encoder, err = encoder(o.w, o.encoding); err != nil {
		return err
	}
	if o.encoding != "" {
		o.w.Header().Set("Content-Encoding", o.encoding)
	}
	switch o.native {
	case "":
	case "ZSTD":
		o.blocks = compress.NewWriter(compress.LevelZero, compress.ZSTD)
	case "NONE":
		o.blocks = compress.NewWriter(compress.LevelZero, compress.None)
	default:
		o.blocks = compress.NewWriter(compress.LevelZero, compress.LZ4)
	}
	o.w.WriteHeader(http.StatusOK)
	return nil
}

// finish ends a good answer. Nothing written is an answer as well: 200 with an empty body.
func (o *response) finish() error {
	if !o.started {
		o.w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := o.encoder.Close(); err != nil {
		return fmt.Errorf("end response: %w", err)
	}
	return nil
}

// fail answers with an exception. If data went out before, the status is gone and the exception goes into the body between
// marks that carry the tag announced in a header; then the connection is cut so that nobody takes the body for whole.
func (o *response) fail(ex *exception) {
	text := ex.body(o.version)
	if !o.started {
		h := o.w.Header()
		h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(ex.code))
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		o.w.WriteHeader(ex.status())
		_, _ = io.WriteString(o.w, text) //nolint:gosec // text/plain, and the statement is the caller's own
		return
	}
	const mark = "__exception__"
	frame := fmt.Sprintf("\r\n%s\r\n%s\r\n%s%d %s\r\n%s\r\n", mark, o.tag, text, len(text), o.tag, mark)
	if o.encoding != "" {
		_, _ = io.WriteString(o.encoder, frame)
		_ = o.encoder.Close()
	} else {
		_, _ = io.WriteString(o.w, frame) //nolint:gosec // as above
	}
	_ = http.NewResponseController(o.w).Flush()
	panic(http.ErrAbortHandler)
}

func encoder(w io.Writer, encoding string) (io.WriteCloser, error) {
	switch encoding {
	case "gzip":
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case "deflate":
		return zlib.NewWriterLevel(w, zlib.BestSpeed)
	case "br":
		return brotli.NewWriterLevel(w, brotli.BestSpeed), nil
	case "lz4":
		return lz4.NewWriter(w), nil
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	default:
		return nopWriteCloser{w}, nil
	}
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

func contentType(format string) string {
	switch f := strings.ToLower(format); {
	case strings.HasPrefix(f, "jsoneachrow"), f == "jsonlines", f == "ndjson", strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "native", strings.HasPrefix(f, "rowbinary"), f == "parquet", f == "arrow", f == "orc":
		return "application/octet-stream"
	default:
		return "text/plain; charset=UTF-8"
	}
}
