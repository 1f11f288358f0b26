package sqltoken

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// ErrIncomplete is returned by Parse when text is only the beginning of a statement and more of it is needed.
var ErrIncomplete = errors.New("the statement goes on")

// Statement is what Parse found out. Offsets are into the text that was parsed.
type Statement struct {
	// Verb is the first word in upper case, "" for a text without one.
	Verb string
	// Select is true for a statement that begins with SELECT or WITH, inserts nothing and asks for no totals: its output is
	// rows and nothing but rows.
	Select bool
	// Data is true for an INSERT whose rows follow it: INSERT … VALUES, INSERT … FORMAT x.
	Data bool
	// Format is what the FORMAT clause names, "" without one. For an INSERT it is the format of its data, Values included.
	Format string
	// HeadEnd is, for Data, where the part before SETTINGS, FORMAT and VALUES ends.
	HeadEnd int
	// Settings is, for Data, the SETTINGS clause with its keyword.
	Settings string
	// DataStart is, for Data, where the data begins.
	DataStart int
	// End is where the statement ends, a closing semicolon left out. For Data it is meaningless.
	End int
	// Session is true for a statement that exists to change the session, such as SET and USE.
	Session bool
	// ClientFile is "INTO OUTFILE" or "FROM INFILE" where the statement reads or writes a file of the client, else "".
	ClientFile string
	// Multi is true when something follows the first semicolon.
	Multi bool
}

// Parse looks at the first statement of text. complete says that text is all there is; without it the error is ErrIncomplete
// unless the head of an INSERT with data ends within text, which is the one thing that can be known early.
func Parse(text []byte, complete bool) (Statement, error) {
	p := &parser{scanner: scanner{text: text}, complete: complete}
	p.advance()
	for p.tok.kind == kindPunct && p.byte() == '(' {
		p.advance()
	}
	st := Statement{}
	if p.tok.kind == kindWord {
		st.Verb = strings.ToUpper(p.word())
	}
	if st.Verb == "INSERT" && p.tok.depth == 0 {
		if err := p.insert(&st); err != nil || st.Data {
			return st, err
		}
	}
	if !complete {
		return st, ErrIncomplete
	}
	p.rest(&st)
	return st, nil
}

type parser struct {
	scanner
	tok      token
	complete bool
}

func (p *parser) advance()     { p.tok = p.next() }
func (p *parser) word() string { return string(p.text[p.tok.start:p.tok.end]) }
func (p *parser) byte() byte   { return p.text[p.tok.start] }

// is tells whether the current token is one of the keywords, outside of brackets.
func (p *parser) is(keywords ...string) bool {
	return p.tok.kind == kindWord && p.tok.depth == 0 && slices.ContainsFunc(keywords, func(k string) bool {
		return strings.EqualFold(k, p.word())
	})
}

// atEnd is true at the end of the text, where an incomplete text might have had more of the current token.
func (p *parser) atEnd() bool {
	return p.tok.kind == kindEnd || p.tok.kind == kindCut || (!p.complete && p.tok.end == len(p.text))
}

// insert goes from INSERT to the end of the head. It leaves st.Data false for INSERT … SELECT and the like.
func (p *parser) insert(st *Statement) error {
	p.advance()
	for p.is("INTO", "TABLE", "FUNCTION") {
		p.advance()
	}
	p.skipName()
	for settings := -1; ; p.advance() {
		switch {
		case p.atEnd():
			if !p.complete {
				return ErrIncomplete
			}
			return nil
		case p.tok.kind == kindPunct && p.byte() == ';' && p.tok.depth == 0:
			return nil
		case p.is("SELECT", "WITH", "WATCH"), p.nestedSelect():
			return nil
		case p.is("FROM"):
			return nil
		case p.is("SETTINGS") && settings < 0:
			settings = p.tok.start
		case p.is("VALUES"):
			p.endHead(st, settings)
			st.Format, st.DataStart = "Values", p.tok.end
			return nil
		case p.is("FORMAT"):
			return p.format(st, settings)
		}
	}
}

// format ends the head of an INSERT at its FORMAT clause. Data begins behind blanks and at most one line end, so that data
// which itself begins with a line end keeps it.
func (p *parser) format(st *Statement, settings int) error {
	p.endHead(st, settings)
	p.advance()
	if !p.complete && p.tok.end >= len(p.text) {
		return ErrIncomplete
	}
	if p.tok.kind != kindWord {
		return nil
	}
	st.Format = p.word()
	i := p.tok.end
	for i < len(p.text) && (p.text[i] == ' ' || p.text[i] == '\t' || p.text[i] == '\f') {
		i++
	}
	if i < len(p.text) && p.text[i] == '\r' {
		i++
	}
	if !p.complete && i >= len(p.text) {
		return ErrIncomplete
	}
	if i < len(p.text) && p.text[i] == '\n' {
		i++
	}
	st.DataStart = i
	return nil
}

func (p *parser) endHead(st *Statement, settings int) {
	st.Data, st.HeadEnd = true, p.tok.start
	if settings >= 0 {
		st.HeadEnd = settings
		st.Settings = string(bytes.TrimSpace(p.text[settings:p.tok.start]))
	}
}

// skipName moves past a table's name, which may well be called "values" or "format".
func (p *parser) skipName() {
	for p.tok.kind == kindWord || p.tok.kind == kindQuoted {
		p.advance()
		if p.tok.kind != kindPunct || p.byte() != '.' {
			return
		}
		p.advance()
	}
}

// nestedSelect is true at INSERT INTO t (SELECT …): a bracket that opens a query instead of a list of columns.
func (p *parser) nestedSelect() bool {
	if p.tok.kind != kindPunct || p.byte() != '(' || p.tok.depth != 0 {
		return false
	}
	ahead := p.scanner
	t := ahead.next()
	if t.kind != kindWord {
		return false
	}
	w := string(p.text[t.start:t.end])
	return strings.EqualFold(w, "SELECT") || strings.EqualFold(w, "WITH")
}

// rest goes through the remaining tokens of a statement that carries no data.
func (p *parser) rest(st *Statement) {
	st.Select = st.Verb == "SELECT" || st.Verb == "WITH"
	st.Session = slices.Contains([]string{"SET", "USE", "BEGIN", "START", "COMMIT", "ROLLBACK"}, st.Verb)
	st.End = len(p.text)
	var prev token
	for ; p.tok.kind != kindEnd && p.tok.kind != kindCut; prev, p.tok = p.tok, p.next() {
		switch {
		case p.tok.kind == kindPunct && p.byte() == ';' && p.tok.depth == 0:
			st.End = p.tok.start
			for p.advance(); p.tok.kind == kindPunct && p.byte() == ';'; p.advance() {
			}
			st.Multi = p.tok.kind != kindEnd
			return
		case p.is("INSERT", "TOTALS"):
			st.Select = false
		case p.is("TEMPORARY") && st.Verb == "CREATE":
			st.Session = true
		case p.is("OUTFILE") && p.equal(prev, "INTO"):
			st.ClientFile = "INTO OUTFILE"
		case p.is("INFILE") && p.equal(prev, "FROM"):
			st.ClientFile = "FROM INFILE"
		case p.is("FORMAT") && p.endsOperand(prev):
			if name := p.formatName(); name != "" {
				st.Format = name
			}
		}
	}
}

// formatName is the name behind FORMAT if the clause stands where one may: at the end of the statement or before SETTINGS.
func (p *parser) formatName() string {
	ahead := p.scanner
	name, after := ahead.next(), ahead.next()
	if name.kind != kindWord || p.equal(name, "ASC") || p.equal(name, "DESC") {
		return ""
	}
	if after.kind == kindEnd || p.equal(after, "SETTINGS") || p.equal(after, "INTO") || (after.kind == kindPunct && p.text[after.start] == ';') {
		return string(p.text[name.start:name.end])
	}
	return ""
}

// endsOperand tells a FORMAT clause from a column named format: the clause follows a value, a name or a closing bracket,
// the column follows an operator or a keyword.
func (p *parser) endsOperand(prev token) bool {
	switch prev.kind {
	case kindQuoted, kindValue:
		return true
	case kindWord:
		return !slices.ContainsFunc(operandFollows(), func(k string) bool { return p.equal(prev, k) })
	case kindPunct:
		c := p.text[prev.start]
		return c == ')' || c == ']' || c == '}' || c == '*'
	default:
		return false
	}
}

func operandFollows() []string {
	return []string{
		"SELECT", "DISTINCT", "BY", "AS", "WHERE", "PREWHERE", "HAVING", "QUALIFY", "AND", "OR", "NOT", "IN", "ON", "USING", "LIKE", "ILIKE",
		"BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "FROM", "JOIN", "IS", "LIMIT", "OFFSET", "WITH", "TABLE", "DESCRIBE", "DESC", "INTERVAL",
	}
}

func (p *parser) equal(t token, keyword string) bool {
	return t.kind == kindWord && strings.EqualFold(string(p.text[t.start:t.end]), keyword)
}
