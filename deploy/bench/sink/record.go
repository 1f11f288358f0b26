package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// recorded is one INSERT of the sink, as it came over HTTP.
type recorded struct {
	Statement string            // with the columns, without the database: see table
	Settings  map[string]string // the sink's own
	File      string            // its block in format Native
}

// recorder is a proxy before the engine that keeps the blocks of the sink's inserts.
type recorder struct {
	dir  string
	next http.Handler

	mu    sync.Mutex
	count int
	err   error
}

// record serves a recorder on a free port until the returned function is called, which ends the list of what was recorded.
func record(ctx context.Context, engineURL, dir string) (proxyURL string, end func() error, err error) {
	target, err := url.Parse(engineURL)
	if err != nil {
		return "", nil, fmt.Errorf("read the engine's address: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	r := &recorder{dir: dir, next: httputil.NewSingleHostReverseProxy(target)}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	return "http://" + ln.Addr().String(), func() error {
		err := server.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.count == 0 && r.err == nil {
			r.err = errors.New("the sink's inserts were not seen by the proxy")
		}
		return errors.Join(err, r.err)
	}, nil
}

// ServeHTTP keeps the body of an insert into events and passes everything on.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	statement := req.URL.Query().Get("query")
	if !strings.HasPrefix(statement, "INSERT INTO") || !strings.Contains(statement, ".events ") {
		r.next.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = r.keep(statement, req.URL.Query(), body)
	}
	if err != nil {
		r.mu.Lock()
		r.err = errors.Join(r.err, err)
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.next.ServeHTTP(w, req)
}

func (r *recorder) keep(statement string, query url.Values, body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	base := filepath.Join(r.dir, fmt.Sprintf("%06d", r.count))
	r.count++
	text, err := json.Marshal(recorded{Statement: statement, Settings: settingsOf(query), File: base + ".native"})
	if err != nil {
		return fmt.Errorf("encode an insert: %w", err)
	}
	if err := errors.Join(os.WriteFile(base+".native", body, 0o600), os.WriteFile(base+".json", text, 0o600)); err != nil {
		return fmt.Errorf("keep an insert: %w", err)
	}
	return nil
}

// settingsOf are the settings that the sink has put on its insert; the rest of the parameters is the client library's own.
func settingsOf(query url.Values) map[string]string {
	own := []string{"query", "database", "default_format", "client_protocol_version", "compress", "decompress", "network_compression_method", "query_id", "insert_deduplication_token"}
	settings := map[string]string{}
	for name := range query {
		settings[name] = query.Get(name)
	}
	for _, name := range own {
		delete(settings, name)
	}
	return settings
}

// table returns the statement for the same table in another database: INSERT INTO `other`.events (…).
func table(statement, database string) string {
	_, rest, _ := strings.Cut(statement, ".events ")
	return "INSERT INTO " + database + ".events " + rest
}

// readRecorded returns the inserts that a recorder has kept, in their order.
func readRecorded(dir string) ([]recorded, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json")) // sorted
	if err != nil {
		return nil, fmt.Errorf("list inserts: %w", err)
	}
	all := make([]recorded, 0, len(names))
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // a file of the bench
		if err != nil {
			return nil, fmt.Errorf("read insert: %w", err)
		}
		var r recorded
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("read insert %s: %w", name, err)
		}
		all = append(all, r)
	}
	return all, nil
}
