package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/analytics"
	"millrace/partitioning/kafkatest"
)

// Goals of the project, printed beside the figures.
const (
	goalOfDirect = 0.6
	goalPerCore  = 40_000 // rows, with bodies of 1 KB
	goalDelay    = 1500 * time.Millisecond
	goalMB       = 250
)

// report is the text that a run ends with, in markdown: paragraphs, tables, paragraphs.
type report struct {
	before, after []string
	tables        []*section
}

type section struct {
	title string
	lines []string
}

// row adds a row to the table with this title and header, which are written once.
func (r *report) row(title, header string, cells ...string) {
	at := slices.IndexFunc(r.tables, func(t *section) bool { return t.title == title })
	if at < 0 {
		at = len(r.tables)
		r.tables = append(r.tables, &section{title, []string{"| " + header + " |", strings.Repeat("|---", strings.Count(header, "|")+1) + "|"}})
	}
	r.tables[at].lines = append(r.tables[at].lines, "| "+strings.Join(cells, " | ")+" |")
}

func (r *report) String() string {
	parts := slices.Clone(r.before)
	for _, t := range r.tables {
		parts = append(parts, "## "+t.title, strings.Join(t.lines, "\n"))
	}
	return strings.Join(append(parts, r.after...), "\n\n") + "\n"
}

// describe says what is measured on what.
func (b *bench) describe() {
	c := analytics.DefaultConfig()
	say := func(format string, args ...any) {
		b.report.before = append(b.report.before, fmt.Sprintf(format, args...))
	}
	say("# bench-sink")
	say("The sink with its default settings: batch_rows %d, batch_bytes %d, batch_linger %s, insert_concurrency %d, inserts_per_second %d, buffer_bytes %d, lz4 to ClickHouse. "+
		"The engine with those of `millrace dev`, without fsync. One broker (Apache Kafka %s, -Xmx1g, lz4 from the producer, no replication), all on the same %d processors (%s/%s, %s).",
		c.BatchRows, c.BatchBytes, c.BatchLinger, c.InsertConcurrency, c.InsertsPerSecond, c.BufferBytes, kafkatest.Version, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	say("Rates: shopify.orders, %d partitions, full before the sink starts; from the first batch fetched to the last row acknowledged. Every run has a fresh database with all tables, "+
		"projections and views. %d rounds, the programs taking turns: the median, and the range. (i) sends the blocks that a run of the sink has sent before, column for column and with the same settings, "+
		"%d at once, its slices ready in memory. (ii) is one INSERT … SELECT FROM file(…, Native) of the same columns in the engine's own, larger blocks. "+
		"*Per core* is per second of the program's own processor time, with its start; the engine's is not in it. *MB* are keys, values and headers. "+
		"*Other programs* is the most that programs outside of the bench took of the processors: above a few percent, the rates are too low.", b.o.partitions, b.o.repeat, c.InsertConcurrency)
}

func middle(all []figures, of func(figures) float64) float64 {
	values := make([]float64, 0, len(all))
	for _, f := range all {
		values = append(values, of(f))
	}
	return median(values)
}

// rateRow adds one program with one body size; direct is the rate of (i).
func (b *bench) rateRow(size int, f filled, program string, all []figures, direct float64) {
	of := func(get func(figures) float64) float64 { return middle(all, get) }
	rate := of(func(r figures) float64 { return r.perSecond })
	byRate := func(x, y figures) int { return int(x.perSecond - y.perSecond) }
	least, most := slices.MinFunc(all, byRate), slices.MaxFunc(all, byRate)
	others := 0.0
	for _, r := range all {
		others = max(others, r.others)
	}
	perCore, memory, mallocs, allocated, engine := "", "", "", "", ""
	if program != programFile {
		perCore = whole(of(func(r figures) float64 { return r.perCore }))
		mallocs, allocated = decimals(of(func(r figures) float64 { return r.mallocs }), 1), whole(of(func(r figures) float64 { return r.allocated }))
	}
	if program != programDirect {
		engine = decimals(of(func(r figures) float64 { return r.engine }), 2)
	}
	ratio := decimals(rate/direct, 2)
	if program == programSink {
		peak := of(func(r figures) float64 { return r.peakMB })
		ratio += goal(rate/direct >= goalOfDirect, "≥ "+decimals(goalOfDirect, 1))
		memory = whole(peak) + goal(peak < goalMB, "< "+strconv.Itoa(goalMB))
		if size == leastBodyBytes {
			perCore += goal(of(func(r figures) float64 { return r.perCore }) > goalPerCore, "> "+strconv.Itoa(goalPerCore))
		}
	}
	b.report.row("Rates", "body bytes | records | program | rows/s | range | MB/s | of (i) | rows/s per own core | memory peak MB | allocations/row | bytes/row | rows per insert | engine's cores | other programs",
		strconv.Itoa(size), strconv.Itoa(f.records), program, whole(rate), whole(least.perSecond)+" – "+whole(most.perSecond), decimals(rate*float64(f.bytes)/float64(f.records)/1e6, 1), ratio,
		perCore, memory, mallocs, allocated, rowsPerInsert(of(func(r figures) float64 { return r.batchRows })), engine, whole(100*others)+" %")
}

func rowsPerInsert(n float64) string {
	if n == 0 {
		return ""
	}
	return whole(n)
}

// goal says whether a figure met its goal.
func goal(met bool, text string) string {
	if met {
		return " (goal " + text + ": met)"
	}
	return " (goal " + text + ": **missed**)"
}

// latencyRow adds one workload.
func (b *bench) latencyRow(plan string, load workload, m *latencyRun) {
	p99 := quantile(m.seen.delays, 0.99)
	b.report.row("From Kafka's acknowledgement to the first SELECT that sees the row",
		"plan | records/s | records watched | p50 ms | p99 ms | max ms | poll every ms, SELECT p50/p99 ms | cores: sink, engine, broker | other programs",
		plan, whole(load.perSecond), strconv.Itoa(len(m.seen.delays)), millis(quantile(m.seen.delays, 0.5)), millis(p99)+goal(p99 < goalDelay, "< "+millis(goalDelay)), millis(quantile(m.seen.delays, 1)),
		millis(b.o.poll)+", "+millis(quantile(m.polls, 0.5))+"/"+millis(quantile(m.polls, 0.99)),
		decimals(m.cores["sink"], 2)+", "+decimals(m.cores["engine"], 2)+", "+decimals(m.cores["broker"], 2), whole(100*m.others)+" %")
	b.note("%s, %.0f records/s: p50 %s ms, p99 %s ms", plan, load.perSecond, millis(quantile(m.seen.delays, 0.5)), millis(p99))
}

// closing ends the report.
func (b *bench) closing() {
	say := func(format string, args ...any) {
		b.report.after = append(b.report.after, fmt.Sprintf(format, args...))
	}
	say("Verified: every run's database held exactly the records of its topic, each once (%d rows in all).", b.verified)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		say("Load average at the end: %s.", strings.Join(strings.Fields(string(load))[:3], " "))
	}
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func whole(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }

func decimals(f float64, n int) string { return strconv.FormatFloat(f, 'f', n, 64) }
