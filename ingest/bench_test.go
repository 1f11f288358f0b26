package ingest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"millrace/ingest"
)

// BenchmarkReceive is one delivery of 2 KB from the router to Kafka's acknowledgement, without the network's side; the
// broker in the same process is part of the figures. `make bench-ingest` measures whole processes.
func BenchmarkReceive(b *testing.B) {
	h := start(b, func(c *ingest.Config) { c.LogEvery = 0 })
	eventually(b, "ready", func() bool { return h.server.Ready(b.Context()) == nil })
	handler := ingest.Handler(h.server)
	body := `{"id":820982911946154508,"line_items":[` + strings.Repeat(`{"id":866550311766439020,"sku":"IPOD2008PINK","price":"199.00"},`, 30) + `{}]}`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		r := webhook{body: body}.request(b.Context(), "http://bench")
		reader := strings.NewReader(body)
		w := &discardWriter{header: http.Header{}}
		for pb.Next() {
			reader.Reset(body)
			r.Body = io.NopCloser(reader)
			handler.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Errorf("status %d", w.status)
				return
			}
		}
	})
}

// discardWriter is a ResponseWriter that keeps the status alone.
type discardWriter struct {
	header http.Header
	status int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteHeader(status int)      { w.status = status }
