package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"millrace/deploy/embedded/enginetest"
)

// connect opens clickhouse-go over HTTP. Its idle connections are closed with the test.
func connect(t *testing.T, e *enginetest.Engine, change func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	u, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	opts := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{u.Host}, Auth: clickhouse.Auth{Database: "default"}, MaxOpenConns: 8}
	if change != nil {
		change(opts)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func execute(t *testing.T, conn driver.Conn, statement string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, conn driver.Conn, table string) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatalf("count %s: %v", table, err)
	}
	return n
}

func TestClickHouseGoSeesTheServerThatItExpects(t *testing.T) {
	conn := connect(t, enginetest.Start(t), nil)
	v, err := conn.ServerVersion()
	if err != nil {
		t.Fatalf("ServerVersion() error: %v", err)
	}
	if v.Version.Major < 26 || v.Timezone == nil {
		t.Errorf("ServerVersion() = %+v, want 26 or later with a time zone", v)
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("Ping() error: %v", err)
	}
}

// compressions are all that clickhouse-go can do over HTTP.
func compressions() map[string]clickhouse.CompressionMethod {
	return map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	}
}

type everything struct {
	Shop   string            `ch:"shop"`
	ID     uint64            `ch:"id"`
	Tags   map[string]string `ch:"tags"`
	List   []string          `ch:"list"`
	Maybe  *int64            `ch:"maybe"`
	At     time.Time         `ch:"at"`
	Price  decimal.Decimal   `ch:"price"`
	Huge   big.Int           `ch:"huge"`
	Pair   []any             `ch:"pair"`
	Nested []map[string]any  `ch:"nested"`
	LowN   *string           `ch:"lown"`
}

func TestEveryTypeGoesInAndComesOutThroughEveryCompression(t *testing.T) {
	e := enginetest.Start(t)
	seven, word := int64(-7), "word"
	for name, method := range compressions() {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, e, func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: method, Level: 3} })
			table := "t_" + name
			execute(t, conn, "CREATE TABLE "+table+` (shop LowCardinality(String), id UInt64, tags Map(LowCardinality(String), String), list Array(LowCardinality(String)),
				maybe Nullable(Int64), at DateTime64(3, 'UTC'), price Decimal(18, 4), huge Int256, pair Tuple(UInt8, String), j JSON, dyn Dynamic, var Variant(String, UInt64),
				nested Nested(a UInt8, b String), lown LowCardinality(Nullable(String))) ENGINE = MergeTree ORDER BY id`)
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+table)
			if err != nil {
				t.Fatalf("PrepareBatch() error: %v", err)
			}
			defer func() { _ = batch.Close() }()
			at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
			const rows = 3000
			for i := range rows {
				var maybe *int64
				var low *string
				if i%2 == 0 {
					maybe, low = &seven, &word
				}
				if err := batch.Append("shop\n'é", uint64(i), map[string]string{"k": "v\x00", "l": strings.Repeat("x", i%50)}, []string{"a", "a", "b"}, maybe, at,
					decimal.RequireFromString("-12.3456"), *new(big.Int).Lsh(big.NewInt(1), 200), []any{uint8(1), "two"}, fmt.Sprintf(`{"order":{"id":%d},"tags":["a","b"]}`, i),
					clickhouse.NewDynamic(int64(i)), clickhouse.NewVariant("text"), []uint8{1, 2}, []string{"x", "y"}, low); err != nil {
					t.Fatalf("Append() error: %v", err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatalf("Send() error: %v", err)
			}
			result, err := conn.Query(t.Context(), "SELECT shop, id, tags, list, maybe, at, price, huge, pair, j, dyn, var, nested.a, nested.b, lown FROM "+table+" ORDER BY id")
			if err != nil {
				t.Fatalf("Query() error: %v", err)
			}
			defer func() { _ = result.Close() }()
			n := 0
			for ; result.Next(); n++ {
				var (
					got       everything
					j         clickhouse.JSON
					dyn       clickhouse.Dynamic
					variant   clickhouse.Variant
					na        []uint8
					nb        []string
					pairFirst any
				)
				if err := result.Scan(&got.Shop, &got.ID, &got.Tags, &got.List, &got.Maybe, &got.At, &got.Price, &got.Huge, &got.Pair, &j, &dyn, &variant, &na, &nb, &got.LowN); err != nil {
					t.Fatalf("row %d: Scan() error: %v", n, err)
				}
				pairFirst = got.Pair[0]
				id, _ := clickhouse.ExtractJSONPathAs[int64](&j, "order.id")
				if got.Shop != "shop\n'é" || got.ID != uint64(n) || got.Tags["k"] != "v\x00" || len(got.Tags["l"]) != n%50 || !cmp.Equal(got.List, []string{"a", "a", "b"}) ||
					!got.At.Equal(at) || got.Price.String() != "-12.3456" || got.Huge.Cmp(new(big.Int).Lsh(big.NewInt(1), 200)) != 0 || pairFirst != uint8(1) ||
					id != int64(n) || dyn.Any() != int64(n) || variant.Any() != "text" || !cmp.Equal(na, []uint8{1, 2}) || !cmp.Equal(nb, []string{"x", "y"}) {
					t.Fatalf("row %d came back as %+v, JSON id %d, dynamic %v, variant %v, nested %v %v", n, got, id, dyn.Any(), variant.Any(), na, nb)
				}
				if (n%2 == 0) != (got.Maybe != nil && *got.Maybe == seven && got.LowN != nil && *got.LowN == word) {
					t.Fatalf("row %d: nullable columns %v, %v", n, got.Maybe, got.LowN)
				}
			}
			if err := result.Err(); err != nil || n != rows {
				t.Fatalf("%d rows, error %v; want %d", n, err, rows)
			}
		})
	}
}

func TestClickHouseGoGetsTypedErrors(t *testing.T) {
	e := enginetest.Start(t)
	for name, method := range compressions() {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, e, func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: method} })
			for statement, code := range map[string]int32{
				"SELECT * FROM nope": 60, "SELEC 1": 62, "SELECT throwIf(1)": 395,
				// Fails when a megabyte is out already: no status can tell any more.
				"SELECT throwIf(number = 900000), toString(number) FROM numbers(1000000) SETTINGS max_block_size = 50000, max_threads = 1": 395,
			} {
				rows, err := conn.Query(t.Context(), statement)
				if err == nil {
					for rows.Next() {
					}
					err = errors.Join(rows.Err(), rows.Close())
				}
				var ex *clickhouse.Exception
				if !errors.As(err, &ex) || ex.Code != code {
					t.Errorf("%s: error %v, want an exception with code %d", statement, err, code)
				}
			}
			if err := conn.Exec(t.Context(), "DROP TABLE nope"); !isCode(err, 60) {
				t.Errorf("DROP TABLE nope: error %v, want code 60", err)
			}
		})
	}
}

func isCode(err error, code int32) bool {
	var ex *clickhouse.Exception
	return errors.As(err, &ex) && ex.Code == code
}

func TestSettingsReachTheirOwnStatementOnly(t *testing.T) {
	conn := connect(t, enginetest.Start(t), func(o *clickhouse.Options) {
		o.MaxOpenConns = 4
		o.Settings = clickhouse.Settings{"max_result_rows": 1000000}
	})
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			want := uint64(1000 + i)
			ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": want}), clickhouse.WithParameters(clickhouse.Parameters{"p": fmt.Sprint(i)}))
			var got, rows uint64
			var param int32
			if err := conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_block_size')), toUInt64(getSetting('max_result_rows')), {p:Int32}").Scan(&got, &rows, &param); err != nil || got != want || rows != 1000000 || param != int32(i) {
				t.Errorf("with settings: max_block_size %d, max_result_rows %d, p %d, error %v", got, rows, param, err)
			}
			if err := conn.QueryRow(t.Context(), "SELECT toUInt64(getSetting('max_block_size'))").Scan(&got); err != nil || got >= 1000 && got < 1040 {
				t.Errorf("without settings: max_block_size %d, error %v", got, err)
			}
		})
	}
	group.Wait()
	execute(t, conn, "SET max_block_size = 1001")
	execute(t, conn, "USE system")
	for range 20 {
		var size uint64
		var database string
		if err := conn.QueryRow(t.Context(), "SELECT toUInt64(getSetting('max_block_size')), currentDatabase()").Scan(&size, &database); err != nil || size == 1001 || database != "default" {
			t.Fatalf("after SET and USE: %d, %q, error %v", size, database, err)
		}
	}
}

func TestAnInsertWithATokenCountsOnce(t *testing.T) {
	e := enginetest.Start(t)
	conn := connect(t, e, nil)
	execute(t, conn, "CREATE TABLE d (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	insert := func(token string, ids ...uint64) {
		t.Helper()
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token, "async_insert": 0}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO d (id)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = batch.Close() }()
		for _, id := range ids {
			if err := batch.Append(id); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatalf("Send() error: %v", err)
		}
	}
	insert("shopify.orders/0/0-3", 1, 2, 3)
	insert("shopify.orders/0/0-3", 1, 2, 3)
	insert("it's \\ one", 4)
	sql(t, e, "INSERT INTO d SETTINGS insert_deduplication_token = 'in the statement' VALUES (5)")
	sql(t, e, "INSERT INTO d SETTINGS insert_deduplication_token = 'in the statement' VALUES (5)")
	sql(t, e, "INSERT INTO d VALUES (6)", "insert_deduplication_token=in+the+URL")
	sql(t, e, "INSERT INTO d VALUES (6)", "insert_deduplication_token=in+the+URL")
	if n := count(t, conn, "d"); n != 6 {
		t.Errorf("%d rows, want 6", n)
	}
	e.Restart()
	insert("shopify.orders/0/0-3", 1, 2, 3)
	if n := count(t, conn, "d"); n != 6 {
		t.Errorf("%d rows after a crash and a repetition, want 6", n)
	}
}

func TestConcurrentInsertsAllArrive(t *testing.T) {
	e := enginetest.Start(t)
	conn := connect(t, e, func(o *clickhouse.Options) {
		o.MaxOpenConns = 16
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	})
	execute(t, conn, "CREATE TABLE c (writer UInt32, n UInt32, s String) ENGINE = MergeTree ORDER BY (writer, n)")
	const writers, inserts, rows = 16, 6, 200
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range inserts {
				if err := insertRows(t.Context(), conn, w, i*rows, rows); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Post(e.URL+"/?query="+url.QueryEscape("INSERT INTO c FORMAT TSV"), "", strings.NewReader(fmt.Sprintf("%d\t%d\tplain\n", w, inserts*rows)))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("plain insert: %v %v", resp, err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	group.Wait()
	var n, distinct uint64
	if err := conn.QueryRow(t.Context(), "SELECT count(), uniqExact(writer, n) FROM c").Scan(&n, &distinct); err != nil || n != writers*(inserts*rows+1) || distinct != n {
		t.Errorf("%d rows, %d distinct, error %v; want %d", n, distinct, err, writers*(inserts*rows+1))
	}
}

func insertRows(ctx context.Context, conn driver.Conn, writer, first, rows int) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO c (writer, n, s)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer func() { _ = batch.Close() }()
	for i := range rows {
		if err := batch.Append(uint32(writer), uint32(first+i), "native"); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return batch.Send()
}

func TestALargeResultIsStreamed(t *testing.T) {
	e := enginetest.Start(t)
	conn := connect(t, e, func(o *clickhouse.Options) {
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
		o.DialContext = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	})
	rows, err := conn.Query(t.Context(), "SELECT number, toString(number) FROM numbers(1500000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var sum, n uint64
	for rows.Next() {
		var s string
		if err := rows.Scan(&n, &s); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if want := uint64(1500000) * 1499999 / 2; sum != want || rows.Err() != nil {
		t.Errorf("sum %d, error %v; want %d", sum, rows.Err(), want)
	}
}
