package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"millrace/deploy/embedded/engine/chdb"
)

// readers is the number of connections for GET requests. They are few because GET is for people and health checks; clients
// that work use POST.
const readers = 2

// baseSettings are what every session starts with and falls back to.
//
// async_insert is on by default in this version of the engine: an acknowledged insert would be one that sits in memory. The
// query profiler works by signals, which do not belong in a process of the Go runtime. The filter of ORDER BY … LIMIT compares the
// wrong columns in 26.5 (https://github.com/ClickHouse/ClickHouse/issues/106294): it ends queries, or leaves out rows.
func baseSettings() map[string]string {
	return map[string]string{
		"async_insert":                       "0",
		"query_profiler_real_time_period_ns": "0",
		"query_profiler_cpu_time_period_ns":  "0",
		"use_top_k_dynamic_filtering":        "0",
	}
}

// session is a connection whose state between two requests is always the same: base settings, database known.
type session struct {
	conn     *chdb.Conn // nil after a failed reconnect; acquire tries again
	readonly bool
	database string
}

// pool lends sessions. The engine has no other limit on the number of statements at once.
type pool struct {
	lib    *chdb.Library
	args   []string
	base   map[string]string
	log    *slog.Logger
	write  chan *session
	read   chan *session
	anchor *chdb.Conn // never lent: the engine shuts down with its last connection, and sessions come and go
}

func openPool(lib *chdb.Library, args []string, writers int, log *slog.Logger) (*pool, error) {
	anchor, err := lib.Connect(args...)
	if err != nil {
		return nil, err
	}
	p := &pool{
		lib: lib, args: args, base: baseSettings(), log: log, anchor: anchor,
		write: make(chan *session, writers), read: make(chan *session, readers),
	}
	for i := range writers + readers {
		s := &session{readonly: i >= writers}
		if err := p.connect(s); err != nil {
			return nil, err
		}
		p.release(s, true)
	}
	return p, nil
}

// acquire waits for a free session, at most until ctx ends.
func (p *pool) acquire(ctx context.Context, readonly bool) (*session, error) {
	free := p.write
	if readonly {
		free = p.read
	}
	select {
	case s := <-free:
		if s.conn != nil {
			return s, nil
		}
		if err := p.connect(s); err != nil {
			free <- s
			return nil, err
		}
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free connection: %w", context.Cause(ctx))
	}
}

// release gives a session back. A session that is not clean loses its connection, and with it whatever state it had.
func (p *pool) release(s *session, clean bool) {
	if !clean {
		s.conn.Close()
		s.conn, s.database = nil, ""
	}
	if s.readonly {
		p.read <- s
	} else {
		p.write <- s
	}
}

func (p *pool) connect(s *session) error {
	conn, err := p.lib.Connect(p.args...)
	if err != nil {
		return err
	}
	settings := maps.Clone(p.base)
	if s.readonly {
		// 2 allows settings to be changed, but not this one: there is no way back, hence sessions of their own.
		settings["readonly"] = "2"
	}
	s.conn, s.database = conn, "default"
	if err := s.exec(setStatement(settings)); err != nil {
		conn.Close()
		s.conn = nil
		return fmt.Errorf("apply base settings: %w", err)
	}
	return nil
}

// close waits for every lent session and shuts the engine down.
func (p *pool) close() {
	for _, free := range []chan *session{p.write, p.read} {
		for range cap(free) {
			if s := <-free; s.conn != nil {
				s.conn.Close()
			}
		}
	}
	p.anchor.Close()
}

// prepare puts a session into the state that a request asks for.
func (s *session) prepare(database string, settings map[string]string) error {
	if database != s.database {
		if err := s.exec("USE " + quoteName(database)); err != nil {
			return err
		}
		s.database = database
	}
	if len(settings) == 0 {
		return nil
	}
	for name := range settings {
		if !isSettingName(name) {
			return newException(codeUnknownSetting, "UNKNOWN_SETTING", "Unknown setting '"+name+"'.")
		}
	}
	return s.exec(setStatement(settings))
}

// reset undoes the settings of prepare.
func (s *session) reset(base, settings map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	parts := make([]string, 0, len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if value, ok := base[name]; ok {
			parts = append(parts, name+" = "+quoteString(value))
		} else {
			parts = append(parts, name+" = DEFAULT")
		}
	}
	return s.exec("SET " + strings.Join(parts, ", "))
}

func (s *session) exec(sql string) error {
	r, err := s.conn.Query([]byte(sql), "Null", nil)
	if err != nil {
		return err
	}
	r.Close()
	return nil
}

// setStatement has every value as a string, which the engine converts to the setting's type.
func setStatement(settings map[string]string) string {
	parts := make([]string, 0, len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		parts = append(parts, name+" = "+quoteString(settings[name]))
	}
	return "SET " + strings.Join(parts, ", ")
}

// isSettingName keeps what is not a name out of a SET statement, where names cannot be quoted.
func isSettingName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z')
		if !letter && (i == 0 || (c != '.' && (c < '0' || c > '9'))) {
			return false
		}
	}
	return s != ""
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
