package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// rebuildLockLife is how long a lock is believed without a sign of life.
const rebuildLockLife = time.Minute

const codeUnknownTable = 60

// rebuildLock lets one process at a time rebuild a model. ClickHouse has no locks, but CREATE VIEW without IF NOT EXISTS succeeds for
// one of several: the lock is a view that says whose it is and when that process was last alive. A lock whose owner is dead is taken away
// by RENAME, which succeeds for one as well.
type rebuildLock struct {
	db    *DB
	model string
	name  string // of the view
	token string
	by    string
	life  time.Duration
	stop  func() // ends the signs of life
}

// lockRebuild takes the lock and keeps it until it is released. The context it returns ends with ctx, and when the lock is lost, with
// ErrRebuildRunning or what kept it from being renewed as its cause.
func lockRebuild(ctx context.Context, db *DB, model string, o RebuildOptions) (context.Context, *rebuildLock, error) {
	l := &rebuildLock{db: db, model: model, name: model + "_rebuild_lock", token: rand.Text(), by: o.By, life: rebuildLockLife}
	if o.lockLife > 0 {
		l.life = o.lockLife
	}
	if err := l.take(ctx); err != nil {
		return nil, nil, err
	}
	held, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.keep(held); err != nil {
			cancel(err)
		}
	}()
	l.stop = func() { cancel(nil); <-ended }
	return held, l, nil
}

func (l *rebuildLock) take(ctx context.Context) error {
	const tries = 5 // each is lost only to somebody who takes or releases the lock at that moment
	for range tries {
		err := l.make(ctx)
		if err == nil {
			return nil
		}
		if !isCode(err, codeTableExists) {
			return fmt.Errorf("take the lock: %w", err)
		}
		found, err := l.read(ctx, l.name)
		switch {
		case isCode(err, codeUnknownTable):
			continue // released meanwhile
		case err != nil:
			return fmt.Errorf("read the lock: %w", err)
		case found.age < l.life:
			return fmt.Errorf("%w by %s, which was alive %s ago; if it has ended since, try again in %s",
				ErrRebuildRunning, found.by, found.age.Round(time.Second), (l.life - found.age).Round(time.Second))
		}
		if err := l.takeAway(ctx, found.token); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: its lock changes hands again and again", ErrRebuildRunning)
}

// takeAway removes the lock of a dead process.
func (l *rebuildLock) takeAway(ctx context.Context, token string) error {
	aside := l.name + "_" + l.token
	if err := executeOn(ctx, l.db, "RENAME TABLE "+l.quoted(l.name)+" TO "+l.quoted(aside)); err != nil {
		if isCode(err, codeUnknownTable) {
			return nil // another did
		}
		return fmt.Errorf("take away the lock of a dead process: %w", err)
	}
	found, err := l.read(ctx, aside)
	if err != nil {
		return fmt.Errorf("read the lock: %w", err)
	}
	if found.token != token {
		// Between the look and the RENAME another has taken the dead one's lock away and made its own, which this is.
		err := executeOn(ctx, l.db, "RENAME TABLE "+l.quoted(aside)+" TO "+l.quoted(l.name))
		return errors.Join(fmt.Errorf("%w by %s", ErrRebuildRunning, found.by), err)
	}
	if err := executeOn(ctx, l.db, "DROP VIEW IF EXISTS "+l.quoted(aside)); err != nil {
		return fmt.Errorf("take away the lock of a dead process: %w", err)
	}
	return nil
}

// keep shows signs of life until ctx ends. The error is why the lock must be taken for lost.
func (l *rebuildLock) keep(ctx context.Context) error {
	tick := time.NewTicker(l.life / 6)
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := l.mine(ctx)
		if err == nil {
			err = l.renew(ctx)
		}
		switch {
		case err == nil:
			renewed = time.Now()
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrRebuildRunning):
			return err
		case time.Since(renewed) > l.life/2:
			return fmt.Errorf("renew the lock: %w", err)
		}
	}
}

func (l *rebuildLock) release(ctx context.Context) error {
	l.stop()
	err := l.mine(ctx)
	if errors.Is(err, ErrRebuildRunning) {
		return nil
	}
	if err == nil {
		err = executeOn(ctx, l.db, "DROP VIEW IF EXISTS "+l.quoted(l.name))
	}
	if err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// make creates the lock. What it selects says for ever whose it is; its comment says when that process was last alive.
func (l *rebuildLock) make(ctx context.Context) error {
	alive, err := l.now(ctx)
	if err != nil {
		return err
	}
	return executeOn(ctx, l.db, "CREATE VIEW "+l.quoted(l.name)+" AS SELECT "+quoteString(l.token)+" AS token, "+quoteString(l.by)+" AS by COMMENT '"+alive+"'")
}

// renew shows a sign of life. If the lock has become another's, that one's is shown to be alive, which it is.
//
// It is not cut off by ctx: the server would go on with it, and meet the statement that makes the next lock of this name.
func (l *rebuildLock) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.life/2)
	defer cancel()
	alive, err := l.now(ctx)
	if err != nil {
		return err
	}
	return executeOn(ctx, l.db, "ALTER TABLE "+l.quoted(l.name)+" MODIFY COMMENT '"+alive+"'")
}

// mine returns ErrRebuildRunning when the lock is not this process's any more.
func (l *rebuildLock) mine(ctx context.Context) error {
	found, err := l.read(ctx, l.name)
	if isCode(err, codeUnknownTable) || err == nil && found.token != l.token {
		return fmt.Errorf("%w by another process, which took this one for dead", ErrRebuildRunning)
	}
	return err
}

// now is the server's time in milliseconds.
func (l *rebuildLock) now(ctx context.Context) (string, error) {
	var now int64
	err := l.db.conn.QueryRow(ctx, "SELECT toUnixTimestamp64Milli(now64(3))").Scan(&now)
	return strconv.FormatInt(now, 10), err
}

func (l *rebuildLock) quoted(name string) string { return l.db.quoted + "." + name }

// lockOwner is what a lock says.
type lockOwner struct {
	token, by string
	age       time.Duration
}

func (l *rebuildLock) read(ctx context.Context, name string) (lockOwner, error) {
	var o lockOwner
	if err := l.db.conn.QueryRow(ctx, "SELECT token, by FROM "+l.quoted(name)).Scan(&o.token, &o.by); err != nil {
		return o, err
	}
	var age int64 // from 1970, and so dead, when it went away between the two queries
	err := l.db.conn.QueryRow(ctx, "SELECT toUnixTimestamp64Milli(now64(3)) - max(toInt64OrZero(comment)) FROM system.tables WHERE database = ? AND name = ?", l.db.database, name).Scan(&age)
	o.age = time.Duration(age) * time.Millisecond
	return o, err
}

// isCode reports whether the server answered with that code.
func isCode(err error, code int32) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && exception.Code == code
}
