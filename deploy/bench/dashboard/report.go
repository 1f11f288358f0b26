package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/analytics/reports"
)

// goal is what nine and a half of ten queries shall not exceed.
const goal = time.Second

// report is the text that a run ends with, in markdown.
type report struct{ parts []string }

func (r *report) say(format string, args ...any) {
	r.parts = append(r.parts, fmt.Sprintf(format, args...))
}

func (r *report) String() string { return strings.Join(r.parts, "\n\n") + "\n" }

// describe says what is measured on what.
func (b *bench) describe(ctx context.Context) error {
	c := reports.DefaultConfig()
	b.report.say("# bench-dashboard")
	b.report.say("%d events of %d days (made in %s), %d shops; one engine with the settings of `millrace dev`, on %d processors (%s/%s, %s); at most %d threads per query. "+
		"Questions are asked by consumers/analytics/reports, one at a time and in shuffled order, %d times each. *Cold* is one run with the engine's mark caches and the system's cache of the files empty. "+
		"Goal: p95 < %s; what misses it is marked.", b.set.Events, days, b.set.Took, shopsCount, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), c.MaxThreads, b.o.runs, goal)
	lines, err := b.parts(ctx)
	if err != nil {
		return err
	}
	b.report.say("## Tables\n\n| table | rows | parts | parts in the partition with most | MB on disk |\n|---|---|---|---|---|\n%s", strings.Join(lines, "\n"))
	return nil
}

// parts says how the tables lie on disk.
func (b *bench) parts(ctx context.Context) ([]string, error) {
	rows, err := b.db.Conn().Query(ctx, `SELECT table, sum(r), sum(n), max(n), sum(size) FROM
		(SELECT table, partition, sum(rows) AS r, count() AS n, sum(bytes_on_disk) AS size FROM system.parts WHERE database = ? AND active GROUP BY table, partition)
		GROUP BY table HAVING sum(r) > 100 ORDER BY sum(r) DESC`, databaseName)
	if err != nil {
		return nil, fmt.Errorf("count parts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var table string
		var n, parts, most, size uint64
		if err := rows.Scan(&table, &n, &parts, &most, &size); err != nil {
			return nil, fmt.Errorf("count parts: %w", err)
		}
		lines = append(lines, fmt.Sprintf("| %s | %d | %d | %d | %.0f |", table, n, parts, most, float64(size)/1e6))
	}
	return lines, rows.Err()
}

// table adds one table of questions.
func (b *bench) table(title string, all []timed, cold bool) {
	header := "| query | range | shop | p50 ms | p95 ms | max ms | "
	if cold {
		header += "cold ms | rows read | MB read | "
	}
	lines := []string{header + "|", strings.Repeat("|---", strings.Count(header, "|")) + "|"}
	missed := 0
	var worst *timed
	for i := range all {
		t := &all[i]
		p95, mark := quantile(t.warm, 0.95), ""
		if p95 >= goal || t.failed != nil {
			missed++
			mark = " **over**"
		}
		if worst == nil || p95 > quantile(worst.warm, 0.95) {
			worst = t
		}
		if t.failed != nil {
			lines = append(lines, fmt.Sprintf("| %s | %s | %s | **failed: %s** |", t.name, t.span, t.whose, strings.ReplaceAll(strings.SplitN(t.failed.Error(), "\n", 2)[0], "|", "/")))
			continue
		}
		line := "| " + strings.Join([]string{t.name, t.span, t.whose, millis(quantile(t.warm, 0.5)), millis(p95) + mark, millis(quantile(t.warm, 1))}, " | ") + " |"
		if cold {
			line += " " + strings.Join([]string{millis(t.cold), strconv.FormatUint(t.rows, 10), strconv.FormatFloat(float64(t.bytes)/1e6, 'f', 1, 64)}, " | ") + " |"
		}
		lines = append(lines, line)
	}
	if worst == nil {
		return
	}
	load, _ := os.ReadFile("/proc/loadavg") // absent elsewhere than on Linux
	b.report.say("## %s\n\n%d of %d over the goal; the slowest is %s, %s, %s. Load average at the end: %s.\n\n%s", title, missed, len(all), worst.name, worst.span, worst.whose,
		strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "), strings.Join(lines, "\n"))
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
