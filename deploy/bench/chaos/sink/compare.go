package sink

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"millrace/deploy/bench/chaos/sink/truth"
)

// finding is one comparison: how much was compared and what differs.
type finding struct {
	name     string
	compared int
	wrong    int
	examples []string
}

const maxExamples = 5

func (f *finding) add(format string, args ...any) {
	f.wrong++
	if len(f.examples) < maxExamples {
		f.examples = append(f.examples, fmt.Sprintf(format, args...))
	}
}

// rows are the findings about the rows of events, record by record.
type rows struct{ lost, twice, foreign, altered finding }

func newRows() *rows {
	return &rows{
		lost: finding{name: "events: rows lost"}, twice: finding{name: "events: rows twice"},
		foreign: finding{name: "events: rows of no committed record"}, altered: finding{name: "events: rows that differ from their record"},
	}
}

// compareEvents holds every row of events against the book.
func compareEvents(ctx context.Context, a *asker, book *truth.Book) (*rows, error) {
	r := newRows()
	walks := map[string]*walk{}
	for _, at := range book.Places() {
		walks[fmt.Sprintf("%s\t%d", at.Topic, at.Partition)] = r.walk(at, book.Entries(at), func(e truth.Entry) string { return book.Sum(e.Event).SQL() })
	}
	// One pass: rows of every partition are everywhere in the table, so that asking for one at a time would read all bodies each time.
	// The sums are made before the rows are sorted: ClickHouse would rather sort bodies and make fewer sums at once, which took
	// more than the engine's 4 GiB for 1.7 million rows.
	query := "SELECT _topic, _partition, _offset, " + truth.SumSQL + " FROM %.events ORDER BY _topic, _partition, _offset SETTINGS query_plan_execute_functions_after_sorting = 0"
	if err := a.lines(ctx, query, func(line string) error { return r.row(walks, line) }); err != nil {
		return nil, err
	}
	for _, w := range walks {
		w.end()
	}
	count, err := a.one(ctx, "SELECT count() FROM %.events")
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(count); err != nil || n != book.Records()-r.lost.wrong+r.twice.wrong+r.foreign.wrong {
		r.foreign.add("events has %s rows; records in Kafka %d, lost %d, twice %d, foreign %d", count, book.Records(), r.lost.wrong, r.twice.wrong, r.foreign.wrong)
	}
	for _, f := range []*finding{&r.lost, &r.twice, &r.foreign, &r.altered} {
		f.compared = book.Records()
	}
	return r, nil
}

// row passes a line on to the walk of its partition.
func (r *rows) row(walks map[string]*walk, line string) error {
	f := strings.SplitN(line, "\t", 3)
	if len(f) != 3 {
		return fmt.Errorf("read events: %.300q", line)
	}
	w := walks[f[0]+"\t"+f[1]]
	if w == nil {
		r.foreign.add("%s/%s of which no record is known", f[0], f[1])
		return nil
	}
	return w.row(f[2])
}

// walk goes through a partition's rows and records side by side, both in the order of their offsets.
type walk struct {
	rows *rows
	at   truth.Place
	want []truth.Entry
	sum  func(truth.Entry) string
	next int   // of want
	last int64 // offset of the row before
}

func (r *rows) walk(at truth.Place, want []truth.Entry, sum func(truth.Entry) string) *walk {
	return &walk{rows: r, at: at, want: want, sum: sum, last: -1}
}

func (w *walk) name(offset int64) string {
	return fmt.Sprintf("%s/%d@%d", w.at.Topic, w.at.Partition, offset)
}

func (w *walk) row(line string) error {
	text, sum, ok := strings.Cut(line, "\t")
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !ok {
		return fmt.Errorf("read events: %.300q", line)
	}
	if offset == w.last {
		w.rows.twice.add("%s", w.name(offset))
		return nil
	}
	w.last = offset
	w.loseUntil(offset)
	if w.next == len(w.want) || w.want[w.next].Offset != offset {
		w.rows.foreign.add("%s", w.name(offset))
		return nil
	}
	if w.sum(w.want[w.next]) != sum {
		w.rows.altered.add("%s", w.name(offset))
	}
	w.next++
	return nil
}

func (w *walk) loseUntil(offset int64) {
	for ; w.next < len(w.want) && w.want[w.next].Offset < offset; w.next++ {
		w.rows.lost.add("%s", w.name(w.want[w.next].Offset))
	}
}

// end is called after the last row.
func (w *walk) end() { w.loseUntil(math.MaxInt64) }

// compare asks one question and holds the answer against what the book makes of it.
func compare(ctx context.Context, a *asker, book *truth.Book, c truth.Check) (*finding, error) {
	var got []string
	if err := a.lines(ctx, c.SQL, func(line string) error {
		got = append(got, line)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	want := c.Rows(book)
	f := &finding{name: c.Name, compared: len(want)}
	differ(f, got, want)
	return f, nil
}

// differ compares two bags of lines.
func differ(f *finding, got, want []string) {
	slices.Sort(got)
	slices.Sort(want)
	i, j := 0, 0
	for i < len(got) || j < len(want) {
		switch {
		case j == len(want) || i < len(got) && got[i] < want[j]:
			f.add("there and not expected:  %s", got[i])
			i++
		case i == len(got) || got[i] > want[j]:
			f.add("expected and not there:  %s", want[j])
			j++
		default:
			i++
			j++
		}
	}
}
