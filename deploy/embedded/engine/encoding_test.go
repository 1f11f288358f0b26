package engine_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"millrace/deploy/embedded/enginetest"
)

// codec is one Content-Encoding, both ways, by the libraries themselves.
type codec struct {
	writer func(io.Writer) (io.WriteCloser, error)
	reader func(io.Reader) (io.Reader, error)
}

func codecs() map[string]codec {
	return map[string]codec{
		"gzip": {
			func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		},
		"deflate": {
			func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		},
		"br": {
			func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		},
		"zstd": {
			func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
			func(r io.Reader) (io.Reader, error) {
				d, err := zstd.NewReader(r)
				if err != nil {
					return nil, err
				}
				return d.IOReadCloser(), nil
			},
		},
		"lz4": {
			func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
		},
	}
}

func TestBodiesAreCompressedBothWays(t *testing.T) {
	e := enginetest.Start(t)
	sql(t, e, "CREATE TABLE z (a UInt32, how String) ENGINE = MergeTree ORDER BY a")
	for name, c := range codecs() {
		t.Run(name, func(t *testing.T) {
			var body bytes.Buffer
			w, err := c.writer(&body)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(w, strings.Repeat("1\t"+name+"\n", 10000))
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			insert := call{params: "query=" + url.QueryEscape("INSERT INTO z FORMAT TSV"), body: body.String(), header: map[string]string{"Content-Encoding": name}}
			if r := do(t, e, insert); r.status != http.StatusOK {
				t.Fatalf("insert: %d %s", r.status, r.body)
			}
			got := do(t, e, call{body: "SELECT a, how FROM z WHERE how = '" + name + "'", header: map[string]string{"Accept-Encoding": "snappy;q=1, " + name + ";q=0.5, *;q=0"}})
			if got.header.Get("Content-Encoding") != name {
				t.Fatalf("Content-Encoding %q, want %q", got.header.Get("Content-Encoding"), name)
			}
			r, err := c.reader(strings.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(r); err != nil || strings.Count(string(plain), "1\t"+name+"\n") != 10000 {
				t.Errorf("%d bytes, error %v", len(plain), err)
			}
			broken := insert
			broken.body = body.String()[:body.Len()/2]
			if r := do(t, e, broken); r.status < 400 {
				t.Errorf("half a body was taken: status %d", r.status)
			}
			if got := sql(t, e, "SELECT count() FROM z WHERE how = '"+name+"'"); got != "10000\n" {
				t.Errorf("%q rows, want 10000", got)
			}
		})
	}
	for accept, header := range map[string]string{"": "", "gzip;q=0": "", "identity": ""} {
		if r := do(t, e, call{body: "SELECT 1", header: map[string]string{"Accept-Encoding": accept}}); r.header.Get("Content-Encoding") != header || r.body != "1\n" {
			t.Errorf("Accept-Encoding %q: answer %q in %q", accept, r.body, r.header.Get("Content-Encoding"))
		}
	}
	if r := do(t, e, call{body: "SELECT 1", params: "enable_http_compression=0", header: map[string]string{"Accept-Encoding": "gzip"}}); r.body != "1\n" {
		t.Errorf("enable_http_compression=0: %q", r.body)
	}
}

func TestAnErrorInTheMiddleOfAnAnswerCannotBeTakenForItsEnd(t *testing.T) {
	e := enginetest.Start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL, strings.NewReader(
		"SELECT throwIf(number = 900000), toString(number) FROM numbers(1000000) SETTINGS max_block_size = 50000, max_threads = 1"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading the body: error %v, want %v", err, io.ErrUnexpectedEOF)
	}
	tag := resp.Header.Get("X-ClickHouse-Exception-Tag")
	if !strings.Contains(string(body), "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception: ") {
		t.Errorf("the body ends with %q", body[max(0, len(body)-300):])
	}
}

func TestAClientThatGoesAwayFreesItsConnection(t *testing.T) {
	e := enginetest.Start(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 12 { // twice as many as there are connections
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, strings.NewReader("SELECT number FROM numbers(1000000000000)"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = resp.Body.Close()
	}
	if got := sql(t, e, "SELECT 1"); got != "1\n" {
		t.Errorf("answer %q", got)
	}
}
