package engine_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/deploy/embedded/enginetest"
)

// call is one request as curl would send it.
type call struct {
	method string // default POST
	params string // the URL's query
	body   string
	header map[string]string
}

type reply struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, e *enginetest.Engine, c call) reply {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, e.URL+"/?"+c.params, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.params, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer of %s %s: %v", c.method, c.params, err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// sql runs a statement that must succeed and returns its output.
func sql(t *testing.T, e *enginetest.Engine, statement string, params ...string) string {
	t.Helper()
	r := do(t, e, call{body: statement, params: strings.Join(params, "&")})
	if r.status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", statement, r.status, r.body)
	}
	return r.body
}

func TestPlainHTTPAnswersAsAClickHouseServerDoes(t *testing.T) {
	e := enginetest.Start(t)
	sql(t, e, "CREATE DATABASE millrace")
	sql(t, e, "CREATE TABLE millrace.t (id UInt64, s String DEFAULT 'none') ENGINE = MergeTree ORDER BY id")
	esc := url.QueryEscape
	for name, tt := range map[string]struct {
		call   call
		status int
		body   string // exact, or with a * at its end the beginning
		header map[string]string
	}{
		"health check":              {call{method: "GET"}, 200, "Ok.\n", nil},
		"query in the body":         {call{body: "SELECT 1"}, 200, "1\n", map[string]string{"X-ClickHouse-Format": "TabSeparated"}},
		"query in the URL":          {call{method: "GET", params: "query=" + esc("SELECT 2")}, 200, "2\n", nil},
		"query in both":             {call{params: "query=" + esc("SELECT 3"), body: "+ 4"}, 200, "7\n", nil},
		"comments and semicolon":    {call{body: "-- a;\n/* b; */ SELECT 'c;' ;\n"}, 200, "c;\n", nil},
		"format in the statement":   {call{body: "SELECT 1 AS x FORMAT JSONEachRow"}, 200, "{\"x\":1}\n", map[string]string{"X-ClickHouse-Format": "JSONEachRow"}},
		"format in the URL":         {call{body: "SELECT 1 AS x", params: "default_format=CSVWithNames"}, 200, "\"x\"\n1\n", nil},
		"format in a header":        {call{body: "SELECT 1 AS x", header: map[string]string{"X-ClickHouse-Format": "Values"}}, 200, "(1)", nil},
		"database in the URL":       {call{body: "SELECT currentDatabase()", params: "database=millrace"}, 200, "millrace\n", nil},
		"database in a header":      {call{body: "SELECT currentDatabase()", header: map[string]string{"X-ClickHouse-Database": "millrace"}}, 200, "millrace\n", nil},
		"the default database":      {call{body: "SELECT currentDatabase()"}, 200, "default\n", nil},
		"setting":                   {call{body: "SELECT getSetting('max_block_size')", params: "max_block_size=77"}, 200, "77\n", nil},
		"setting is gone after":     {call{body: "SELECT getSetting('max_block_size') != 77"}, 200, "1\n", nil},
		"parameters":                {call{body: "SELECT {a:UInt8} + 1, {b:String}", params: "param_a=4&param_b=" + esc("it's")}, 200, "5\tit\\'s\n", nil},
		"query id comes back":       {call{body: "SELECT 1", params: "query_id=abc"}, 200, "1\n", map[string]string{"X-ClickHouse-Query-Id": "abc"}},
		"insert with values":        {call{body: "INSERT INTO millrace.t VALUES (1, 'a;b'), (2, concat('x', 'y'));"}, 200, "", nil},
		"insert with a body":        {call{params: "query=" + esc("INSERT INTO millrace.t FORMAT JSONEachRow"), body: "{\"id\":3}\n{\"id\":4,\"s\":\"l\\nf\"}\n"}, 200, "", nil},
		"insert without rows":       {call{params: "query=" + esc("INSERT INTO millrace.t FORMAT CSV")}, 200, "", nil},
		"insert of nothing":         {call{body: "INSERT INTO millrace.t VALUES"}, 400, "Code: 108. DB::Exception: *", nil},
		"insert without data":       {call{body: "INSERT INTO millrace.t"}, 400, "Code: 62. DB::Exception: *", nil},
		"GET reads only":            {call{method: "GET", params: "query=" + esc("INSERT INTO millrace.t VALUES (9,'')")}, 500, "Code: 164. DB::Exception: *", map[string]string{"X-ClickHouse-Exception-Code": "164"}},
		"GET takes settings":        {call{method: "GET", params: "max_threads=1&query=" + esc("SELECT getSetting('max_threads')")}, 200, "1\n", nil},
		"readonly by setting":       {call{params: "readonly=1", body: "CREATE TABLE x (a Int8) ENGINE = Memory"}, 500, "Code: 164. *", nil},
		"syntax error":              {call{body: "SELEC 1"}, 400, "Code: 62. DB::Exception: *", map[string]string{"X-ClickHouse-Exception-Code": "62"}},
		"no such table":             {call{body: "SELECT * FROM nope"}, 404, "Code: 60. DB::Exception: *", nil},
		"no such database":          {call{body: "SELECT 1", params: "database=nope"}, 404, "Code: 81. DB::Exception: *", nil},
		"no such setting":           {call{body: "SELECT 1", params: "no_such=1"}, 404, "Code: 115. DB::Exception: *", nil},
		"setting that is no name":   {call{body: "SELECT 1", params: esc("a=1, b") + "=1"}, 404, "Code: 115. DB::Exception: *", nil},
		"bad data":                  {call{params: "query=" + esc("INSERT INTO millrace.t FORMAT JSONEachRow"), body: "{\"id\":1}\n{broken"}, 400, "Code: 26. DB::Exception: *", nil},
		"missing parameter":         {call{body: "SELECT {zz:UInt8}"}, 500, "Code: 456. DB::Exception: *", nil},
		"empty query":               {call{body: " -- nothing\n"}, 400, "Code: 62. DB::Exception: *", nil},
		"two statements":            {call{body: "SELECT 1; SELECT 2"}, 400, "Code: 62. DB::Exception: *", nil},
		"files of the client":       {call{body: "SELECT 1 INTO OUTFILE '/tmp/millrace-never'"}, 400, "Code: 173. DB::Exception: *", nil},
		"sessions":                  {call{body: "SELECT 1", params: "session_id=a"}, 501, "Code: 48. DB::Exception: Sessions*", nil},
		"external tables":           {call{body: "x", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}}, 501, "Code: 48. DB::Exception: External tables*", nil},
		"unknown encoding":          {call{body: "x", header: map[string]string{"Content-Encoding": "rot13"}}, 400, "Code: 117. *", nil},
		"a page in a browser":       {call{body: "SELECT 1", header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, "*", nil},
		"wrong password":            {call{body: "SELECT 1", header: map[string]string{"X-ClickHouse-Key": "no"}}, 403, "Code: 516. DB::Exception: *", nil},
		"wrong user":                {call{body: "SELECT 1", params: "user=eve"}, 403, "Code: 516. DB::Exception: *", nil},
		"method":                    {call{method: "DELETE"}, 405, "*", nil},
		"error late in the stream":  {call{body: "SELECT throwIf(number = 3) FROM numbers(10) FORMAT JSON"}, 500, "Code: 395. *", nil},
		"empty result with a frame": {call{body: "SELECT 1 AS x WHERE 0 FORMAT CSVWithNames"}, 200, "\"x\"\n", nil},
		"totals are not torn apart": {call{body: "SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k FORMAT CSV"}, 200, "0,2\n1,2\n\n0,4\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(t, e, tt.call)
			body, prefix := strings.CutSuffix(tt.body, "*")
			if got.status != tt.status || (prefix && !strings.HasPrefix(got.body, body)) || (!prefix && got.body != body) {
				t.Errorf("status %d, body %q; want %d, %q", got.status, got.body, tt.status, tt.body)
			}
			for k, v := range tt.header {
				if got.header.Get(k) != v {
					t.Errorf("header %s = %q, want %q", k, got.header.Get(k), v)
				}
			}
		})
	}
}

func TestAnInsertKeepsEveryByte(t *testing.T) {
	e := enginetest.Start(t)
	sql(t, e, "CREATE TABLE b (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
	var all bytes.Buffer
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	value := "\n\n" + all.String() + "\n"
	row := append([]byte{7, byte(len(value)&0x7f | 0x80), byte(len(value) >> 7)}, value...)
	r := do(t, e, call{params: "query=" + url.QueryEscape("INSERT INTO b FORMAT RowBinary"), body: string(row)})
	if r.status != http.StatusOK {
		t.Fatalf("insert: %d %s", r.status, r.body)
	}
	if got := sql(t, e, "SELECT n, s FROM b FORMAT RowBinary"); got != string(row) {
		t.Errorf("came back as %q, want %q", got, row)
	}
}
