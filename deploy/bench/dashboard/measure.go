package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"millrace/consumers/analytics/reports"
)

// timed is what one question took.
type timed struct {
	question

	cold        time.Duration
	rows, bytes uint64
	warm        []time.Duration // in order at the end
	failed      error           // the first failure; the question is left out from then on
}

// measure asks everything, first without and then with inserts beside it.
func (b *bench) measure(ctx context.Context) error {
	r, err := reports.New(b.db, reports.DefaultConfig())
	if err != nil {
		return err
	}
	subjects, err := b.subjects(ctx)
	if err != nil {
		return err
	}
	if err := b.describe(ctx); err != nil {
		return err
	}
	asked := func() []timed {
		var all []timed
		for _, q := range b.questions(r, subjects) {
			if strings.Contains(q.name, b.o.only) {
				all = append(all, timed{question: q})
			}
		}
		return all
	}
	all := asked()
	if err := b.coldRuns(ctx, all); err != nil {
		return err
	}
	if err := b.warmRuns(ctx, all); err != nil {
		return err
	}
	b.table("Alone", all, true)
	if b.o.load == 0 {
		return nil
	}
	all = asked()
	loading, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded := make(chan error, 1)
	inserted := new(loadCount)
	go func() { loaded <- b.insertLoad(loading, inserted) }()
	err = b.warmRuns(ctx, all)
	cancel()
	err = errors.Join(err, <-loaded)
	b.table(fmt.Sprintf("While %.0f events per second are inserted", inserted.perSecond()), all, false)
	return err
}

// coldRuns asks each question once with the engine's mark caches empty and the data files out of the system's cache, and once more to
// count what it reads.
func (b *bench) coldRuns(ctx context.Context, all []timed) error {
	for i := range all {
		t := &all[i]
		if err := b.chill(ctx); err != nil {
			return err
		}
		began := time.Now()
		t.failed = t.ask(ctx)
		t.cold = time.Since(began)
		rows, bytes, err := b.read(ctx)
		if err != nil {
			return err
		}
		if err := b.forget(ctx); err != nil {
			return err
		}
		if t.failed == nil {
			t.failed = t.ask(ctx)
		}
		after, afterBytes, err := b.read(ctx)
		if err != nil {
			return err
		}
		t.rows, t.bytes = after-rows, afterBytes-bytes
		if t.failed != nil {
			b.note("%s, %s, %s: %v", t.name, t.span, t.whose, t.failed)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.note("each question asked once on cold data")
	return nil
}

// chill empties caches. Of the system's cache only what belongs to the data is dropped, and only what is written to disk.
func (b *bench) chill(ctx context.Context) error {
	if err := b.forget(ctx); err != nil {
		return err
	}
	for _, cache := range []string{"MARK", "UNCOMPRESSED", "INDEX MARK"} {
		if err := b.db.Conn().Exec(ctx, "SYSTEM DROP "+cache+" CACHE"); err != nil {
			return fmt.Errorf("empty caches: %w", err)
		}
	}
	err := filepath.WalkDir(b.engineDir(), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a merge has replaced it
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path) //nolint:gosec // a file of the data set
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED), file.Close())
	})
	if err != nil {
		return fmt.Errorf("empty the system's cache: %w", err)
	}
	return nil
}

// forget makes the engine forget which parts of a table a condition has not matched: it keeps that for conditions with the very same
// values, which people do not ask for again as these runs do. A search for nothing would read nothing from its second run on.
func (b *bench) forget(ctx context.Context) error {
	if err := b.db.Conn().Exec(ctx, "SYSTEM DROP QUERY CONDITION CACHE"); err != nil {
		return fmt.Errorf("empty the cache of conditions: %w", err)
	}
	return nil
}

// read returns what all SELECTs have read so far. Nothing else asks while the bench does.
func (b *bench) read(ctx context.Context) (rows, bytes uint64, err error) {
	err = b.db.Conn().QueryRow(ctx, "SELECT sumIf(value, event = 'SelectedRows'), sumIf(value, event = 'SelectedBytes') FROM system.events").Scan(&rows, &bytes)
	if err != nil {
		err = fmt.Errorf("count what was read: %w", err)
	}
	return rows, bytes, err
}

// warmRuns asks each question as often as -runs says, all in shuffled order.
func (b *bench) warmRuns(ctx context.Context, all []timed) error {
	var order []int
	for i := range all {
		for range b.o.runs {
			order = append(order, i)
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // an order, the same in every run
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	told := time.Now()
	for n, i := range order {
		t := &all[i]
		if t.failed != nil {
			continue
		}
		if err := b.forget(ctx); err != nil {
			return err
		}
		began := time.Now()
		t.failed = t.ask(ctx)
		t.warm = append(t.warm, time.Since(began))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(told) > 15*time.Second {
			told = time.Now()
			b.note("%d of %d queries", n, len(order))
		}
	}
	for i := range all {
		slices.Sort(all[i].warm)
	}
	return nil
}

// quantile returns the least value that at least the share q of the values do not exceed. The values are in order.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}
