package engine

import (
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"millrace/deploy/embedded/engine/chdb"
)

// request is what the URL and the headers of one call say.
type request struct {
	query         string
	database      string
	format        string // used where the statement names none
	queryID       string
	settings      map[string]string
	params        []chdb.Param
	framed        bool // a client_protocol_version was given: Native output carries block info
	compressed    bool // compress=1: the answer goes in blocks of the native protocol
	readonly      bool
	decompress    bool
	compression   string // network_compression_method, for compressed
	plainResponse bool   // enable_http_compression=0
}

// parseRequest sorts the URL's parameters. What is not a parameter of the interface itself is a setting.
func parseRequest(r *http.Request) (*request, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newException(codeBadArguments, "BAD_ARGUMENTS", "Cannot parse the URL: "+err.Error())
	}
	q := &request{
		database: firstOf(values.Get("database"), r.Header.Get("X-ClickHouse-Database"), "default"),
		format:   firstOf(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		queryID:  firstOf(values.Get("query_id"), r.Header.Get("X-ClickHouse-Query-Id"), newID()),
		query:    values.Get("query"),
		settings: map[string]string{},
		readonly: r.Method != http.MethodPost,
	}
	for name, vs := range values {
		if err := q.parameter(name, vs[len(vs)-1]); err != nil {
			return nil, err
		}
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.HasPrefix(media, "multipart/") {
		return nil, newException(codeNotImplemented, "NOT_IMPLEMENTED",
			"External tables (a multipart body) are not supported by the embedded engine.")
	}
	return q, nil
}

func (q *request) parameter(name, value string) error {
	switch name {
	case "query", "database", "default_format", "query_id", "user", "password", "quota_key", "stacktrace", "role",
		// Buffering and headers of the answer are this front's own affair.
		"buffer_size", "wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
		"add_http_cors_header", "http_zlib_compression_level", "network_zstd_compression_level", "http_make_head_request",
		// Every insert is synchronous: more than what an asynchronous one promises, and the engine has no queue for them.
		"async_insert", "wait_for_async_insert", "wait_for_async_insert_timeout":
	case "session_id", "session_check", "session_timeout":
		return newException(codeNotImplemented, "NOT_IMPLEMENTED", "Sessions ("+name+") are not supported by the embedded engine.")
	case "client_protocol_version":
		q.framed = value != "" && value != "0"
	case "compress":
		q.compressed = value == "1"
	case "decompress":
		q.decompress = value == "1"
	case "network_compression_method":
		q.compression = value
	case "enable_http_compression":
		q.plainResponse = value == "0"
	case "readonly":
		q.readonly = q.readonly || value != "0"
	default:
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params = append(q.params, chdb.Param{Name: param, Value: value})
			return nil
		}
		q.settings[name] = value
	}
	return nil
}

// body is the request's data, decompressed. What is not POST has none.
func (q *request) body(r *http.Request) (io.ReadCloser, error) {
	if r.Method != http.MethodPost {
		return io.NopCloser(strings.NewReader("")), nil
	}
	body, err := decoded(r.Body, r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, newException(codeIncorrectData, "INCORRECT_DATA", "Cannot decompress the body: "+err.Error())
	}
	if q.decompress {
		body = readCloser{&stickyReader{r: compress.NewReader(body)}, body.Close}
	}
	return body, nil
}

func decoded(body io.ReadCloser, encoding string) (io.ReadCloser, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	case "br":
		return io.NopCloser(brotli.NewReader(body)), nil
	case "lz4":
		return io.NopCloser(lz4.NewReader(body)), nil
	case "zstd":
		d, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("start zstd: %w", err)
		}
		return d.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("unknown Content-Encoding %q (known are gzip, deflate, br, lz4, zstd)", encoding)
	}
}

// acceptedEncoding is the best Content-Encoding that the client takes, "" for none.
func (q *request) acceptedEncoding(r *http.Request) string {
	if q.plainResponse || q.compressed {
		return ""
	}
	var accepted []string
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.ReplaceAll(weight, " ", "") != "q=0" {
			accepted = append(accepted, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	for _, known := range []string{"zstd", "lz4", "br", "gzip", "deflate"} {
		if slices.Contains(accepted, known) {
			return known
		}
	}
	return ""
}

// stickyReader stops at the first error. compress.Reader reports the end as a wrapped io.EOF and, asked again, begins its last
// block anew: rows would be there twice.
type stickyReader struct {
	r   io.Reader
	err error
}

func (s *stickyReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	s.err = err
	return n, err
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
