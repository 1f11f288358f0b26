package engine_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/deploy/embedded/enginetest"
)

// BenchmarkInsert is 20 000 rows of 1.1 KB with a Map and a JSON column in one insert through clickhouse-go, and what the
// engine's process then weighs.
func BenchmarkInsert(b *testing.B) {
	begin := time.Now()
	e := enginetest.Start(b)
	started := time.Since(begin)
	opts, err := clickhouse.ParseDSN(e.DSN)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if err := conn.Exec(b.Context(), `CREATE TABLE ev (shop LowCardinality(String), id UInt64, ts DateTime64(3), payload String CODEC(ZSTD(1)), tags Map(String, String), j JSON)
		ENGINE = MergeTree ORDER BY (shop, id)`); err != nil {
		b.Fatal(err)
	}
	payload := `{"id":1,"line_items":[` + strings.Repeat(`{"sku":"abc","quantity":1},`, 40) + `{}]}`
	const rows = 20000
	for b.Loop() {
		batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO ev")
		if err != nil {
			b.Fatal(err)
		}
		for i := range rows {
			if err := batch.Append("shop-1", uint64(i), time.Now(), payload, map[string]string{"a": "b"}, `{"x":1}`); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(started.Seconds(), "start-s")
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(e.Pid()) + "/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			b.Log(strings.TrimSpace(line))
		}
	}
}
