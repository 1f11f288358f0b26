package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"millrace/partitioning/kafkatest"
)

// report is the text that a run ends with, in markdown.
type report struct {
	lines []string
	table string // header of the table that is being written
}

// row adds a row to the table with this title and header, which are written once.
func (r *report) row(title, header string, cells ...string) {
	if r.table != title {
		r.table = title
		r.lines = append(r.lines, "", "## "+title, "", "| "+header+" |", strings.Repeat("|---", strings.Count(header, "|")+1)+"|")
	}
	r.lines = append(r.lines, "| "+strings.Join(cells, " | ")+" |")
}

// say adds a paragraph.
func (r *report) say(format string, args ...any) {
	r.table = ""
	r.lines = append(r.lines, "", fmt.Sprintf(format, args...))
}

func (r *report) String() string { return strings.TrimLeft(strings.Join(r.lines, "\n"), "\n") + "\n" }

// describe says what is measured on what.
func (b *bench) describe(ctx context.Context) error {
	key, value, headers := recordBytes(b.o.valueBytes)
	b.report.say("# bench-runtime")
	b.report.say("%d records over %d keys and %d partitions; a record has a key of %d bytes, a value of %d and %d bytes of headers, and is written with lz4. "+
		"One broker (Apache Kafka %s, -Xmx1g, %d ms initial rebalance delay) on the same %d processors (%s/%s, %s).",
		b.o.records, b.o.keys, b.o.partitions, key, value, headers, kafkatest.Version, initialDelay.Milliseconds(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	b.report.say("Rates are from the first to the last handled record, each program in a process and a consumer group of its own; *steady* is from the end of the first "+
		"quarter on, when a JVM has warmed up. %d runs of each, the programs taking turns: the median, and the range of the steady rate. Memory is the highest resident "+
		"memory, processor time that of the whole process with its start, per record; *other programs* is the most that programs outside the bench took of the processors in one of the runs: above a few percent, the rates are too low.", b.o.repeat)
	b.report.say("The bare poll loop is this project's Kafka client alone, in a group: it reads and counts, without order per key, headers parsed, concurrency or verdicts.")
	if b.peer != nil {
		out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ask java for its version: %w", err)
		}
		version, _, _ := strings.Cut(string(out), "\n")
		settings := "the consumer's default settings"
		if len(b.o.peerSet) > 0 {
			settings = "consumer settings " + strings.Join(b.o.peerSet, " ")
		}
		b.report.say("The peer is Confluent Parallel Consumer %s: KEY order, max concurrency = workers, its default commit mode PERIODIC_CONSUMER_ASYNCHRONOUS, %s, -Xmx%s (%s).",
			peerVersion, settings, peerHeap, version)
	}
	return nil
}

// brokerUse ends the report with what the broker took of the machine.
func (b *bench) brokerUse(ctx context.Context) {
	pid := b.kafka.Pid(0)
	if pid == 0 || ctx.Err() != nil {
		return
	}
	_, peak, err := residentMB(pid)
	if err != nil {
		b.note("%v", err)
		return
	}
	b.report.say("The broker's highest resident memory was %.0f MB.", peak)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		b.report.say("Load average at the end: %s.", strings.Join(strings.Fields(string(load))[:3], " "))
	}
}

func whole(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }

func decimals(f float64, n int) string { return strconv.FormatFloat(f, 'f', n, 64) }
