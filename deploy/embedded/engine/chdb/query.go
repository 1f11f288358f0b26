package chdb

import (
	"errors"
	"io"
	"runtime"
	"unsafe"
)

// Param is the value of one {name:Type} placeholder, in ClickHouse's escaped (TSV) text form.
type Param struct{ Name, Value string }

// Error is what the engine said: "Code: 60. DB::Exception: … (UNKNOWN_TABLE)".
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

// Result is a piece of formatted output that lives in the engine's memory until Close.
type Result struct {
	lib    *Library
	handle unsafe.Pointer
}

// Bytes is the output. It is the engine's memory: valid until Close, not to be written to.
func (r *Result) Bytes() []byte {
	n := r.lib.resultLength(r.handle)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.resultBuffer(r.handle)), n) //nolint:gosec // the engine's memory and its length
}

// RowsRead is how many rows the statement read, or for a chunk of a Stream, how many rows the chunk has.
func (r *Result) RowsRead() uint64 { return r.lib.resultRowsRead(r.handle) }

// BytesRead is how many bytes of columns the statement read.
func (r *Result) BytesRead() uint64 { return r.lib.resultBytesRead(r.handle) }

// RowsWritten is how many rows the statement was asked to insert, those that deduplication dropped included.
func (r *Result) RowsWritten() uint64 { return r.lib.resultRowsWritten(r.handle) }

// Close frees the result.
func (r *Result) Close() { r.lib.resultDestroy(r.handle) }

func (l *Library) result(handle unsafe.Pointer) (*Result, error) {
	if handle == nil {
		return nil, errors.New("the engine returned no result")
	}
	if text := l.resultError(handle); text != "" {
		l.resultDestroy(handle)
		return nil, &Error{Text: text}
	}
	return &Result{lib: l, handle: handle}, nil
}

// Query runs sql, which must not be empty, and returns its whole output in format unless sql names another. What the engine
// refuses comes back as *Error.
func (c *Conn) Query(sql []byte, format string, params []Param) (*Result, error) {
	return c.lib.result(c.call(c.lib.query, sql, format, params))
}

// Stream runs a SELECT and returns its output in pieces. Each piece is formatted on its own, header and footer included, so
// only formats without those can be joined again. The engine refuses every other statement.
func (c *Conn) Stream(sql []byte, format string, params []Param) (*Stream, error) {
	handle := c.call(c.lib.streamQuery, sql, format, params)
	r, err := c.lib.result(handle)
	if err != nil {
		return nil, err
	}
	return &Stream{conn: c, head: r}, nil
}

type queryFunc func(conn, sql unsafe.Pointer, sqlLen uint64, format unsafe.Pointer, formatLen uint64, names, nameLens, values, valueLens unsafe.Pointer, n uint64) unsafe.Pointer

func (c *Conn) call(fn queryFunc, sql []byte, format string, params []Param) unsafe.Pointer {
	var pin runtime.Pinner
	defer pin.Unpin()
	text := newCStrings([]string{string(sql), format})
	defer text.free()
	var names, nameLens, values, valueLens unsafe.Pointer
	if len(params) > 0 {
		ns, vs := make([]string, len(params)), make([]string, len(params))
		nls, vls := make([]uint64, len(params)), make([]uint64, len(params))
		for i, p := range params {
			ns[i], vs[i], nls[i], vls[i] = p.Name, p.Value, uint64(len(p.Name)), uint64(len(p.Value))
		}
		cn, cv := newCStrings(ns), newCStrings(vs)
		defer cn.free()
		defer cv.free()
		pin.Pin(&nls[0])
		pin.Pin(&vls[0])
		names, values = cn.pointer(), cv.pointer()
		nameLens, valueLens = unsafe.Pointer(&nls[0]), unsafe.Pointer(&vls[0]) //nolint:gosec // pinned above, for C
	}
	return fn(c.conn, text.pointers[0], uint64(len(sql)), text.pointers[1], uint64(len(format)),
		names, nameLens, values, valueLens, uint64(len(params)))
}

// Stream is the output of a running SELECT. Close must be called, after which the connection is free again.
type Stream struct {
	conn *Conn
	head *Result
	done bool
}

// Next returns the next piece, which the caller closes, or io.EOF after the last one.
func (s *Stream) Next() (*Result, error) {
	if s.done {
		return nil, io.EOF
	}
	r, err := s.conn.lib.result(s.conn.lib.streamFetch(s.conn.conn, s.head.handle))
	if err != nil {
		s.done = true
		return nil, err
	}
	if r.RowsRead() == 0 && s.conn.lib.resultLength(r.handle) == 0 {
		s.done = true
		r.Close()
		return nil, io.EOF
	}
	// A piece without rows is the whole output of an empty set in a format with a frame; asking again is an error there.
	s.done = r.RowsRead() == 0
	return r, nil
}

// Close cancels what is still running and frees the stream.
func (s *Stream) Close() {
	if !s.done {
		s.conn.lib.streamCancel(s.conn.conn, s.head.handle)
	}
	s.head.Close()
}
