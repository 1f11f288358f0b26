package database_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"
)

const (
	codeBadArguments = 36
	codeNoKeeper     = 225 // NO_ZOOKEEPER
	codeNoCluster    = 701 // CLUSTER_DOESNT_EXIST
)

// There is no Keeper here, so a replicated table cannot be made. What the engine can say without one: every statement parses, and
// each CREATE TABLE, once its macros have values, is understood with its columns, its engine's arguments and its settings, and
// fails at last, and only, for want of Keeper.
func TestTheEngineUnderstandsTheSchemaOfACluster(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db) // views are checked against the tables they read
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, m := range migrations {
		for _, cluster := range []string{"", "prod", "{cluster}"} {
			statements, err := m.RenderOn(db.Database(), cluster)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range statements {
				if err := db.Conn().Exec(t.Context(), "EXPLAIN AST "+s); err != nil {
					t.Errorf("migration %d, cluster %q: %v\n%s", m.Version, cluster, err, s)
				}
				if cluster != "prod" || !strings.HasPrefix(s, "CREATE TABLE") {
					continue
				}
				tables++
				if code := codeOf(db.Conn().Exec(t.Context(), s)); code != codeNoCluster {
					t.Errorf("migration %d: code %d, want %d for there is no such cluster\n%s", m.Version, code, codeNoCluster, s)
				}
				if strings.Contains(s, " ENGINE = Null") { // stores nothing
					continue
				}
				s = strings.NewReplacer(" ON CLUSTER 'prod'", "", "{uuid}", "1", "{shard}", "1", "'{replica}'", "'1'", "CREATE TABLE IF NOT EXISTS "+db.Quoted()+".", "CREATE TABLE "+db.Quoted()+".x").Replace(s)
				if code := codeOf(db.Conn().Exec(t.Context(), s)); code != codeNoKeeper {
					t.Errorf("migration %d: code %d, want %d for there is no Keeper\n%s", m.Version, code, codeNoKeeper, s)
				}
			}
		}
	}
	if tables < 3 {
		t.Errorf("%d tables were tried", tables)
	}
}

// codeOf is the server's error code; 0 for none.
func codeOf(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

func TestAnUnknownClusterIsAnError(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e, func(c *database.Config) { c.Cluster = "prod" })
	if _, err := database.Migrate(t.Context(), db, databasetest.Quiet()); codeOf(err) != codeNoCluster || !strings.Contains(err.Error(), "prod") {
		t.Errorf("Migrate() error = %v, want the server's that there is no cluster prod", err)
	}
}

// The whole of what is done to a schema, against a server that takes the statements of a cluster: it runs them as those of one
// server, and complains of each that would change one replica alone.
func TestEveryChangeOfTheSchemaIsMadeOnTheCluster(t *testing.T) {
	e := enginetest.Start(t)
	c := newClusterOfOne(t, e)
	db := databasetest.Open(t, e, func(cfg *database.Config) {
		cfg.URL, cfg.Cluster, cfg.Compression, cfg.Fsync = c.URL, "prod", "none", true
	})
	databasetest.Migrate(t, db)
	if err := database.CheckWindows(t.Context(), db); err != nil {
		t.Errorf("CheckWindows() error: %v", err)
	}
	if err := database.Check(t.Context(), db); err != nil {
		t.Errorf("Check() error: %v", err)
	}
	// The engine has no replicas to wait for, and says so.
	if err := db.Sync(t.Context(), "events"); codeOf(err) != codeBadArguments {
		t.Errorf("Sync() error = %v, want the server's that the table is not replicated", err)
	}
	if c.changes.Load() < 10 {
		t.Errorf("only %d statements were seen", c.changes.Load())
	}
}

// clusterOfOne stands between client and engine.
type clusterOfOne struct {
	*httptest.Server
	changes atomic.Int64 // statements that change the schema
}

func newClusterOfOne(t *testing.T, e *enginetest.Engine) *clusterOfOne {
	t.Helper()
	target, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	var (
		c          = &clusterOfOne{}
		forward    = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		change     = regexp.MustCompile(`^\s*(CREATE|ALTER|DROP|RENAME|EXCHANGE|TRUNCATE)\b`)
		replicated = regexp.MustCompile(`Replicated(\w*MergeTree)\('/clickhouse/tables/\{uuid\}/\{shard\}', '\{replica\}'(, )?`)
	)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		if change.Match(body) {
			c.changes.Add(1)
			if n := bytes.Count(body, []byte(" ON CLUSTER 'prod'")); n != 1 {
				t.Errorf("on this replica alone: %.120s", body)
			}
			if bytes.Contains(body, []byte("CREATE TABLE")) && !bytes.Contains(body, []byte(" ENGINE = Null")) && !replicated.Match(body) {
				t.Errorf("not replicated: %.120s", body)
			}
		}
		body = replicated.ReplaceAll(bytes.ReplaceAll(body, []byte(" ON CLUSTER 'prod'"), nil), []byte("$1("))
		body = bytes.ReplaceAll(body, []byte(" replicated_deduplication_window ="), []byte(" non_replicated_deduplication_window ="))
		body = bytes.ReplaceAll(body, []byte(", replicated_deduplication_window_seconds = 604800"), nil)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}
