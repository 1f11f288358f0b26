package sqltoken_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/deploy/embedded/engine/sqltoken"
)

func TestParseFindsTheDataOfAnInsert(t *testing.T) {
	for name, tt := range map[string]struct{ sql, head, settings, format, data string }{
		"values":                         {"INSERT INTO t (a, b) VALUES (1,'x')", "INSERT INTO t (a, b) ", "", "Values", " (1,'x')"},
		"lower case, comments":           {"insert /* FORMAT CSV */ into t -- VALUES\nvalues (1)", "insert /* FORMAT CSV */ into t -- VALUES\n", "", "Values", " (1)"},
		"format with a line end":         {"INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "", "CSV", "1,2\n"},
		"format keeps a second line end": {"INSERT INTO t FORMAT RowBinary\r\n\n\x00", "INSERT INTO t ", "", "RowBinary", "\n\x00"},
		"binary that looks like a quote": {"INSERT INTO t FORMAT Native\n'`\"/*", "INSERT INTO t ", "", "Native", "'`\"/*"},
		"settings before format":         {"INSERT INTO d.t (a) SETTINGS x='FORMAT TSV', y=1 FORMAT JSONEachRow {}", "INSERT INTO d.t (a) ", "SETTINGS x='FORMAT TSV', y=1", "JSONEachRow", "{}"},
		"settings before values":         {"INSERT INTO t SETTINGS async_insert=0 VALUES (1)", "INSERT INTO t ", "SETTINGS async_insert=0", "Values", " (1)"},
		"table called values":            {"INSERT INTO values VALUES (1)", "INSERT INTO values ", "", "Values", " (1)"},
		"quoted table called format":     {"INSERT INTO d.`format` (`values`) FORMAT TSV 1", "INSERT INTO d.`format` (`values`) ", "", "TSV", "1"},
		"table function":                 {"INSERT INTO FUNCTION file('a', 'CSV', 'x Int8') VALUES (1)", "INSERT INTO FUNCTION file('a', 'CSV', 'x Int8') ", "", "Values", " (1)"},
		"no data yet":                    {"INSERT INTO t FORMAT TSV", "INSERT INTO t ", "", "TSV", ""},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := sqltoken.Parse([]byte(tt.sql), true)
			if err != nil || !st.Data {
				t.Fatalf("Parse() = %+v, %v; want data", st, err)
			}
			got := []string{tt.sql[:st.HeadEnd], st.Settings, st.Format, tt.sql[st.DataStart:]}
			if diff := cmp.Diff([]string{tt.head, tt.settings, tt.format, tt.data}, got); diff != "" {
				t.Errorf("head, settings, format, data (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSeesWhatAStatementIs(t *testing.T) {
	for sql, want := range map[string]sqltoken.Statement{
		"":                                      {},
		"  -- nothing":                          {},
		"SELECT 1":                              {Verb: "SELECT", Select: true},
		"/* c */ (SELECT 1) UNION ALL SELECT 2": {Verb: "SELECT", Select: true},
		"WITH 1 AS x SELECT x FORMAT JSON":      {Verb: "WITH", Select: true, Format: "JSON"},
		"WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x": {Verb: "WITH"},
		"select 1 format TSV settings max_threads=1":         {Verb: "SELECT", Select: true, Format: "TSV"},
		"SELECT 1 SETTINGS max_threads=1 FORMAT CSV":         {Verb: "SELECT", Select: true, Format: "CSV"},
		"SELECT * FORMAT CSV;":                               {Verb: "SELECT", Select: true, Format: "CSV"},
		"SELECT 'FORMAT CSV'":                                {Verb: "SELECT", Select: true},
		"SELECT 'it''s' FORMAT CSV":                          {Verb: "SELECT", Select: true, Format: "CSV"},
		`SELECT '\' FORMAT CSV'`:                             {Verb: "SELECT", Select: true},
		"SELECT $a$ ; FORMAT CSV $a$ FORMAT TSV":             {Verb: "SELECT", Select: true, Format: "TSV"},
		"SELECT x FROM t ORDER BY format DESC":               {Verb: "SELECT", Select: true},
		"SELECT format FROM t":                               {Verb: "SELECT", Select: true},
		"SELECT a AS format":                                 {Verb: "SELECT", Select: true},
		"SELECT (SELECT 1 FORMAT CSV)":                       {Verb: "SELECT", Select: true},
		"SELECT 1 INTO OUTFILE 'x' FORMAT CSV":               {Verb: "SELECT", Select: true, Format: "CSV", ClientFile: "INTO OUTFILE"},
		"INSERT INTO t FROM INFILE 'x' FORMAT CSV":           {Verb: "INSERT", Format: "CSV", ClientFile: "FROM INFILE"},
		"INSERT INTO t SELECT * FROM s FORMAT Null":          {Verb: "INSERT", Format: "Null"},
		"INSERT INTO t (SELECT 1)":                           {Verb: "INSERT"},
		"SELECT 1; SELECT 2":                                 {Verb: "SELECT", Select: true, Multi: true},
		"SELECT ';'; -- done":                                {Verb: "SELECT", Select: true},
		"SET max_threads = 1":                                {Verb: "SET", Session: true},
		"use `db`":                                           {Verb: "USE", Session: true},
		"CREATE TEMPORARY TABLE t (a Int8)":                  {Verb: "CREATE", Session: true},
		"SHOW TABLES FORMAT Pretty":                          {Verb: "SHOW", Format: "Pretty"},
	} {
		t.Run(sql, func(t *testing.T) {
			got, err := sqltoken.Parse([]byte(sql), true)
			if err != nil {
				t.Fatalf("Parse() error: %v", err)
			}
			got.End = 0
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Parse() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLeavesTheClosingSemicolonOut(t *testing.T) {
	const sql = "SELECT ';' ; ; -- end"
	st, err := sqltoken.Parse([]byte(sql), true)
	if err != nil || sql[:st.End] != "SELECT ';' " || st.Multi {
		t.Errorf("Parse() = %+v, %v", st, err)
	}
}

// FuzzParse: never a panic; offsets lie in the text; and a text that is read in two steps, as a request's body is, is
// understood exactly as the whole.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"INSERT INTO t VALUES (1)", "INSERT INTO t FORMAT Native\n\x01\x02", "SELECT 'a' FORMAT CSV", "INSERT INTO t (a) SETTINGS a=1 FORMAT TSV 1",
		"$a$ $a$", "/* */ -- \n SELECT", "((((", "INSERT INTO `a", "insert into t format\r\n", "SELECT 1;;;", "WITH x INSERT",
	} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		whole, err := sqltoken.Parse(text, true)
		if err != nil {
			t.Fatalf("a complete text cannot be incomplete: %v", err)
		}
		if whole.Data && (whole.HeadEnd > whole.DataStart || whole.DataStart > len(text)) && whole.Format != "" {
			t.Fatalf("offsets out of order: %+v in %d bytes", whole, len(text))
		}
		if whole.End > len(text) || bytes.Contains([]byte(whole.Format), []byte(" ")) || whole.Verb != strings.ToUpper(whole.Verb) {
			t.Fatalf("nonsense: %+v", whole)
		}
		part, err := sqltoken.Parse(text[:min(max(cut, 0), len(text))], false)
		if errors.Is(err, sqltoken.ErrIncomplete) {
			return
		}
		if diff := cmp.Diff(whole, part); diff != "" {
			t.Fatalf("the beginning was understood in another way than the whole (-whole +part):\n%s", diff)
		}
	})
}
