package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"millrace/deploy/embedded/engine/chdb"
	"millrace/deploy/embedded/engine/sqltoken"
)

const (
	// headBytes is how much is read to find out what a statement is; the head of an INSERT must end within it.
	headBytes = 1 << 20
	// maxStatement is the largest statement without data. The engine's own max_query_size is usually met first.
	maxStatement = 64 << 20
)

// answer runs the one statement of a request. The text is the query parameter, a line end and the body.
func (h *handler) answer(r *http.Request, q *request, out *response) error {
	body, err := q.body(r)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	var text io.Reader = body
	if q.query != "" {
		text = io.MultiReader(strings.NewReader(q.query+"\n"), body)
	}
	in := bufio.NewReaderSize(text, headBytes)
	sql, st, err := statement(in)
	if err != nil {
		return err
	}
	switch {
	case st.Verb == "":
		return newException(codeSyntaxError, "SYNTAX_ERROR", "Empty query.")
	case st.Multi:
		return newException(codeSyntaxError, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")
	case st.ClientFile != "":
		return newException(codeIntoOutfile, "INTO_OUTFILE_NOT_ALLOWED", st.ClientFile+" is not allowed over HTTP.")
	case st.Data && st.Format != "":
		if _, err := in.Discard(st.DataStart); err != nil {
			return fmt.Errorf("read data: %w", err)
		}
		return h.insert(r, q, out, sql, st, in)
	}
	return h.run(r, q, out, sql, st)
}

// statement reads as much as it takes: for an INSERT with data the head, which stays in the reader, else everything.
func statement(in *bufio.Reader) ([]byte, sqltoken.Statement, error) {
	head, err := in.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, sqltoken.Statement{}, newException(codeIncorrectData, "INCORRECT_DATA", "Cannot read the body: "+err.Error())
	}
	if err != nil {
		st, err := sqltoken.Parse(head, true)
		return head[:max(st.End, st.DataStart)], st, err
	}
	st, err := sqltoken.Parse(head, false)
	if err == nil {
		return head[:st.DataStart], st, nil
	}
	all, err := io.ReadAll(io.LimitReader(in, maxStatement+1))
	if err != nil {
		return nil, st, newException(codeIncorrectData, "INCORRECT_DATA", "Cannot read the body: "+err.Error())
	}
	if len(all) > maxStatement {
		return nil, st, newException(codeTooBig, "QUERY_IS_TOO_LARGE", fmt.Sprintf("The statement is larger than %d bytes.", maxStatement))
	}
	st, err = sqltoken.Parse(all, true)
	if err == nil && st.Data {
		err = newException(codeTooBig, "QUERY_IS_TOO_LARGE", fmt.Sprintf("The head of the INSERT is larger than %d bytes.", headBytes))
	}
	return all[:max(st.End, st.DataStart)], st, err
}

// insert spools the data and has the engine read the file.
func (h *handler) insert(r *http.Request, q *request, out *response, sql []byte, st sqltoken.Statement, data io.Reader) error {
	head := string(sql[:st.HeadEnd])
	file, size, err := h.spool.put(data)
	if err != nil {
		var ex *exception
		if errors.As(err, &ex) {
			return ex
		}
		return newException(codeNetworkError, "NETWORK_ERROR", "Cannot receive the data: "+err.Error())
	}
	defer func() { _ = os.Remove(file) }() //nolint:gosec // a path that spool made
	if size == 0 && st.Format == "Values" {
		return newException(codeNoData, "NO_DATA_TO_INSERT", "No data to insert.")
	}
	whole := head + "\nFROM INFILE " + quoteString(file) + " COMPRESSION 'none' " + st.Settings + " FORMAT " + st.Format
	return h.run(r, q, out, []byte(whole), st)
}

// run executes one statement on a session of its own for that time.
func (h *handler) run(r *http.Request, q *request, out *response, sql []byte, st sqltoken.Statement) (err error) {
	s, err := h.pool.acquire(r.Context(), q.readonly)
	if err != nil {
		return newException(codeTooManySimultaneous, "TOO_MANY_SIMULTANEOUS_QUERIES", err.Error())
	}
	clean := false // a panic in the middle of an answer must not hand on a session that is in an unknown state
	defer func() { h.pool.release(s, clean) }()
	if err := s.prepare(q.database, q.settings); err != nil {
		return err
	}
	// The reset runs before the session is handed on. A failed statement leaves what it had formatted by then in its connection,
	// where the engine would put it before the next statement's output: such a connection is not used again.
	defer func() { clean = err == nil && !st.Session && s.reset(h.pool.base, q.settings) == nil }()

	format := q.format
	if st.Format != "" && !st.Data {
		format = st.Format
	}
	out.format(format)
	frames := (*reframer)(nil)
	if q.framed && strings.EqualFold(format, "Native") {
		frames = newReframer()
	}
	if st.Select && joinable(format) && q.settings["extremes"] == "" {
		return stream(s.conn, r, sql, format, q.params, frames, out)
	}
	result, err := s.conn.Query(sql, format, q.params)
	if err != nil {
		return err
	}
	defer result.Close()
	out.describe(result)
	if err := send(result, frames, out); err != nil {
		return err
	}
	return out.finish()
}

// stream sends a result piece by piece, so that its size does not count against memory. The first piece is there before any
// header goes out, so a statement that fails at once has its proper status.
func stream(conn *chdb.Conn, r *http.Request, sql []byte, format string, params []chdb.Param, frames *reframer, out *response) error {
	rows, err := conn.Stream(sql, format, params)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		if err := r.Context().Err(); err != nil {
			return err // the client went away; Close cancels the statement
		}
		piece, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out.finish()
		}
		if err != nil {
			return err
		}
		err = send(piece, frames, out)
		piece.Close()
		if err != nil {
			return err
		}
	}
}

func send(piece *chdb.Result, frames *reframer, out *response) error {
	data := piece.Bytes()
	if frames != nil {
		var err error
		if data, err = frames.reframe(data); err != nil {
			return err
		}
	}
	return out.write(data)
}

// joinable is true for formats whose pieces, each formatted on its own, make up the whole: rows without header or footer.
func joinable(format string) bool {
	switch strings.ToLower(format) {
	case "native", "rowbinary", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "jsoneachrow", "jsonlines", "ndjson",
		"jsoncompacteachrow", "jsonstringseachrow", "lineasstring":
		return true
	default:
		return false
	}
}
