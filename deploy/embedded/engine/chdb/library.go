// Package chdb calls libchdb, the ClickHouse engine as a C library, without cgo.
//
// It is a thin binding: connections, whole results, streamed results, named parameters. The library allows one storage path
// per process, with any number of connections to it; each connection has settings and a current database of its own and runs
// one statement at a time, so a Conn must not be used by two goroutines at once.
//
// The library starts threads, keeps global state that nothing tears down and crashes the process when it crashes, which is
// why only package engine imports this one and does so in a process of its own.
package chdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is an opened libchdb.
type Library struct {
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(conn unsafe.Pointer)
	query             func(conn, sql unsafe.Pointer, sqlLen uint64, format unsafe.Pointer, formatLen uint64, names, nameLens, values, valueLens unsafe.Pointer, n uint64) unsafe.Pointer
	streamQuery       func(conn, sql unsafe.Pointer, sqlLen uint64, format unsafe.Pointer, formatLen uint64, names, nameLens, values, valueLens unsafe.Pointer, n uint64) unsafe.Pointer
	streamFetch       func(conn, stream unsafe.Pointer) unsafe.Pointer
	streamCancel      func(conn, stream unsafe.Pointer)
	resultBuffer      func(result unsafe.Pointer) unsafe.Pointer
	resultLength      func(result unsafe.Pointer) uint64
	resultError       func(result unsafe.Pointer) string
	resultRowsRead    func(result unsafe.Pointer) uint64
	resultBytesRead   func(result unsafe.Pointer) uint64
	resultRowsWritten func(result unsafe.Pointer) uint64
	resultDestroy     func(result unsafe.Pointer)
	setSignalHandlers func(enabled int32)
}

// Open loads the library at path. Its signal handlers are switched off: this process's signals belong to the Go runtime.
func Open(path string) (*Library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load engine library %s: %w", path, err)
	}
	l := &Library{}
	for name, fn := range map[string]any{
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.streamQuery,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamCancel,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_read":            &l.resultRowsRead,
		"chdb_result_bytes_read":           &l.resultBytesRead,
		"chdb_result_rows_written":         &l.resultRowsWritten,
		"chdb_destroy_query_result":        &l.resultDestroy,
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
	} {
		// RegisterLibFunc panics on a missing symbol; a library of another version must be an error instead.
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("engine library %s lacks %s: %w", path, name, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	l.setSignalHandlers(0)
	return l, nil
}

// Conn is one connection to the engine. It runs one statement at a time.
type Conn struct {
	lib    *Library
	handle unsafe.Pointer // chdb_connection*, what closing wants
	conn   unsafe.Pointer // chdb_connection, what queries want
}

// Connect opens a connection. The first one of the process starts the engine with args ("--path=DIR", "--config-file=FILE");
// later ones must name the same path. The library gives no reason on failure, but writes one to standard error.
func (l *Library) Connect(args ...string) (*Conn, error) {
	argv := newCStrings(append([]string{"clickhouse"}, args...))
	defer argv.free()
	handle := l.connect(int32(len(args)+1), argv.pointer()) //nolint:gosec // a handful of arguments
	if handle == nil {
		return nil, errors.New("start engine: it refused to open its data directory; its own message is on standard error")
	}
	return &Conn{lib: l, handle: handle, conn: *(*unsafe.Pointer)(handle)}, nil
}

// Close ends the connection. The one that is closed last shuts the engine down.
func (c *Conn) Close() { c.lib.closeConn(c.handle) }

// cStrings is a C array of NUL-terminated strings, pinned for the length of a call.
type cStrings struct {
	pin      runtime.Pinner
	pointers []unsafe.Pointer
}

func newCStrings(ss []string) *cStrings {
	c := &cStrings{pointers: make([]unsafe.Pointer, 0, len(ss)+1)}
	for _, s := range ss {
		b := append([]byte(s), 0)
		c.pin.Pin(&b[0])
		c.pointers = append(c.pointers, unsafe.Pointer(&b[0])) //nolint:gosec // pinned above, for C
	}
	c.pointers = append(c.pointers, nil)
	return c
}

func (c *cStrings) pointer() unsafe.Pointer {
	c.pin.Pin(&c.pointers[0])
	return unsafe.Pointer(&c.pointers[0]) //nolint:gosec // pinned above, for C
}

func (c *cStrings) free() { c.pin.Unpin() }
