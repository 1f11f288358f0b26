package sink

import (
	"context"
	"fmt"
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

// compareEvents holds every row of events against the book. The ranges of offsets that lost rows fall into tell batches from odd rows.
func compareEvents(ctx context.Context, a *asker, book *truth.Book) (*rows, error) {
	r := &rows{
		lost: finding{name: "events: rows lost"}, twice: finding{name: "events: rows twice"},
		foreign: finding{name: "events: rows of no committed record"}, altered: finding{name: "events: rows that differ from their record"},
	}
	for _, at := range book.Places() {
		if err := r.partition(ctx, a, book, at); err != nil {
			return nil, err
		}
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

func (r *rows) partition(ctx context.Context, a *asker, book *truth.Book, at truth.Place) error {
	want := book.Entries(at)
	i, last := 0, int64(-1)
	lose := func(until int64) {
		for ; i < len(want) && want[i].Offset < until; i++ {
			r.lost.add("%s/%d@%d", at.Topic, at.Partition, want[i].Offset)
		}
	}
	query := fmt.Sprintf("SELECT _offset, %s FROM %%.events WHERE _topic = '%s' AND _partition = %d ORDER BY _offset", truth.SumSQL, at.Topic, at.Partition)
	err := a.lines(ctx, query, func(line string) error {
		text, sum, ok := strings.Cut(line, "\t")
		offset, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !ok {
			return fmt.Errorf("read events: %.300q", line)
		}
		if offset == last {
			r.twice.add("%s/%d@%d", at.Topic, at.Partition, offset)
			return nil
		}
		last = offset
		lose(offset)
		if i == len(want) || want[i].Offset != offset {
			r.foreign.add("%s/%d@%d", at.Topic, at.Partition, offset)
			return nil
		}
		if book.Sum(want[i].Event).SQL() != sum {
			r.altered.add("%s/%d@%d", at.Topic, at.Partition, offset)
		}
		i++
		return nil
	})
	lose(1 << 62)
	return err
}

// compare asks one question and holds the answer against what the book makes of it.
func compare(ctx context.Context, a *asker, book *truth.Book, c truth.Check) (*finding, error) {
	var got []string
	if err := a.lines(ctx, c.SQL, func(line string) error {
		got = append(got, line)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	want := c.Rows(book.Models)
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
