package state

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func mustPebble(tb testing.TB, dir string) Cache {
	tb.Helper()
	c, err := Pebble(dir, quiet())
	if err != nil {
		tb.Fatalf("Pebble() error: %v", err)
	}
	return c
}

func mustOpen(tb testing.TB, c Cache, topic string, partition int32) Store {
	tb.Helper()
	st, err := c.Open(tb.Context(), topic, partition)
	if err != nil {
		tb.Fatalf("Open() error: %v", err)
	}
	return st
}

func mustClose(tb testing.TB, closers ...interface{ Close() error }) {
	tb.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			tb.Errorf("Close() error: %v", err)
		}
	}
}

func wantValue(tb testing.TB, st interface{ Get([]byte) ([]byte, error) }, key string, want []byte) {
	tb.Helper()
	got, err := st.Get([]byte(key))
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		tb.Errorf("Get(%q) = %q, %v; want %q (nil: %t)", key, got, err, want, want == nil)
	}
}

// crowded is a memory store in which nearly all hashes collide.
func crowded() *memory {
	s := newMemory()
	s.mask = 7
	return s
}

// Each store does what a map does.
func TestStoresAgainstAMap(t *testing.T) {
	cache := mustPebble(t, t.TempDir())
	defer mustClose(t, cache)
	n := int32(0)
	for name, open := range map[string]func() Store{
		"memory":  func() Store { return newMemory() },
		"crowded": func() Store { return crowded() },
		"pebble": func() Store {
			n++
			return mustOpen(t, cache, "topic", n)
		},
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { againstMap(t, open()) }) })
	}
}

func againstMap(t *rapid.T, st Store) {
	model, next := map[string][]byte{}, int64(0)
	for range rapid.IntRange(1, 60).Draw(t, "batches") {
		if rapid.IntRange(0, 40).Draw(t, "wipe") == 0 {
			if err := st.Wipe(); err != nil {
				t.Fatalf("Wipe() error: %v", err)
			}
			clear(model)
			next = 0
		} else {
			var kvs []KV
			for range rapid.IntRange(0, 20).Draw(t, "writes") {
				key := fmt.Sprint("k", rapid.IntRange(0, 30).Draw(t, "key"))
				var value []byte
				if size := rapid.IntRange(-1, 12).Draw(t, "size"); size >= 0 {
					value = bytes.Repeat([]byte{byte(size)}, size*size*size*4)
				}
				kvs = append(kvs, KV{[]byte(key), value})
				if model[key] = value; value == nil {
					delete(model, key)
				}
			}
			next += int64(len(kvs))
			if err := st.Apply(kvs, next); err != nil {
				t.Fatalf("Apply() error: %v", err)
			}
		}
		if st.Position() != next {
			t.Fatalf("Position() = %d, want %d", st.Position(), next)
		}
		for i := range 31 {
			key := fmt.Sprint("k", i)
			got, err := st.Get([]byte(key))
			want, there := model[key]
			if err != nil || !bytes.Equal(got, want) || (got != nil) != there {
				t.Fatalf("Get(%s) = %d bytes, nil %t, %v; want %d bytes, there %t", key, len(got), got == nil, err, len(want), there)
			}
		}
	}
}

func TestMemoryGivesHolesBack(t *testing.T) {
	s := newMemory()
	for i := range 200_000 {
		if err := s.Apply([]KV{{fmt.Append(nil, "key-", i%1000), bytes.Repeat([]byte{1}, 100+i%50)}}, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	live := 0
	for _, c := range s.chunks {
		live += c.live
	}
	if live < 100_000 || live > 200_000 || s.used > 4*live {
		t.Errorf("%d bytes are held for %d", s.used, live)
	}
	for i := range 1000 {
		if err := s.Apply([]KV{{fmt.Append(nil, "key-", i), nil}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if s.used > maxChunk || len(s.index) != 0 {
		t.Errorf("%d bytes and %d keys are held for nothing", s.used, len(s.index))
	}
}

func TestWhatGetHasReturnedStaysAsItWas(t *testing.T) {
	s := newMemory()
	key := []byte("k")
	_ = s.Apply([]KV{{key, []byte("before")}}, 1)
	got, _ := s.Get(key)
	for i := range 100_000 {
		_ = s.Apply([]KV{{key, fmt.Append(nil, "after", i)}}, 2)
	}
	if string(got) != "before" {
		t.Errorf("the value has become %q", got)
	}
}

func TestStoresAreSafeForConcurrentUse(t *testing.T) {
	cache := mustPebble(t, t.TempDir())
	defer mustClose(t, cache)
	for _, st := range []Store{newMemory(), mustOpen(t, cache, "t", 0)} {
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 500 {
					key := fmt.Append(nil, w, "-", i%50)
					if err := st.Apply([]KV{{key, fmt.Append(nil, i)}}, int64(i)); err != nil {
						t.Errorf("Apply() error: %v", err)
					}
					if got, err := st.Get(key); err != nil || string(got) != fmt.Sprint(i) {
						t.Errorf("Get() = %q, %v; want %d", got, err, i)
					}
					_ = st.SetMark(Mark{Current: time.Now()})
					_, _ = st.Position(), st.Mark()
				}
			})
		}
		wg.Wait()
	}
}

func TestPebbleKeepsPartitionsApartAndOverARestart(t *testing.T) {
	dir := t.TempDir()
	cache := mustPebble(t, dir)
	mark := Mark{Topic: [16]byte{1, 2}, Current: time.Unix(1_800_000_000, 0)}
	for i, at := range []struct {
		topic     string
		partition int32
	}{{"a", 0}, {"a", 1}, {"a", 256}, {"ab", 0}} {
		st := mustOpen(t, cache, at.topic, at.partition)
		if err := st.Apply([]KV{{[]byte("k"), []byte(fmt.Sprint(at))}, {[]byte{}, []byte("empty key")}, {[]byte("e"), []byte{}}}, int64(10+i)); err != nil {
			t.Fatalf("Apply() error: %v", err)
		}
		if err := st.SetMark(mark); err != nil {
			t.Fatalf("SetMark() error: %v", err)
		}
		mustClose(t, st)
	}
	one := mustOpen(t, cache, "a", 1)
	if _, err := cache.Open(t.Context(), "a", 1); err == nil {
		t.Error("Open() of an open partition succeeds")
	}
	if err := one.Wipe(); err != nil {
		t.Fatalf("Wipe() error: %v", err)
	}
	mustClose(t, one, cache)
	cache = mustPebble(t, dir)
	defer mustClose(t, cache)
	st := mustOpen(t, cache, "a", 0)
	wantValue(t, st, "k", []byte("{a 0}"))
	wantValue(t, st, "", []byte("empty key"))
	wantValue(t, st, "e", []byte{})
	if st.Position() != 10 || st.Mark() != mark {
		t.Errorf("Position() = %d, Mark() = %v", st.Position(), st.Mark())
	}
	st = mustOpen(t, cache, "a", 1)
	wantValue(t, st, "k", nil)
	if st.Position() != 0 || st.Mark() != (Mark{}) {
		t.Errorf("after Wipe: Position() = %d, Mark() = %v", st.Position(), st.Mark())
	}
	wantValue(t, mustOpen(t, cache, "a", 256), "k", []byte("{a 256}"))
	wantValue(t, mustOpen(t, cache, "ab", 0), "k", []byte("{ab 0}"))
}

func TestPebbleIsLockedAndAFolderInUseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	cache := mustPebble(t, dir)
	st := mustOpen(t, cache, "a", 0)
	_ = st.Apply([]KV{{[]byte("k"), []byte("v")}}, 1)
	if _, err := Pebble(dir, quiet()); err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("Pebble() of a folder in use = %v, want an error about its lock", err)
	}
	mustClose(t, st, cache)
	cache = mustPebble(t, dir)
	defer mustClose(t, cache)
	wantValue(t, mustOpen(t, cache, "a", 0), "k", []byte("v"))
}

func TestAnUnreadablePebbleIsThrownAway(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"manifest": func(t *testing.T, dir string) {
			t.Helper()
			overwrite(t, dir, "MANIFEST-*")
		},
		"found before": func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, unreadableFile), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cache := mustPebble(t, dir)
			st := mustOpen(t, cache, "a", 0)
			_ = st.Apply([]KV{{[]byte("k"), []byte("v")}}, 1)
			mustClose(t, st, cache)
			spoil(t, dir)
			cache = mustPebble(t, dir)
			st = mustOpen(t, cache, "a", 0)
			wantValue(t, st, "k", nil)
			if st.Position() != 0 {
				t.Errorf("Position() = %d of an empty store", st.Position())
			}
			_ = st.Apply([]KV{{[]byte("k"), []byte("w")}}, 1)
			mustClose(t, st, cache)
			cache = mustPebble(t, dir) // once only
			wantValue(t, mustOpen(t, cache, "a", 0), "k", []byte("w"))
			mustClose(t, cache)
		})
	}
}

func overwrite(t *testing.T, dir, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, bytes.Repeat([]byte("?"), int(info.Size())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedTableIsFoundWhenItIsReadAndGoneAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	cache := mustPebble(t, dir)
	st := mustOpen(t, cache, "a", 0)
	for i := range 2000 {
		_ = st.Apply([]KV{{fmt.Append(nil, "k", i), bytes.Repeat([]byte("v"), 1000)}}, 1)
	}
	if err := cache.(*pebbleCache).db.Flush(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, st, cache)
	overwrite(t, dir, "*.sst")
	cache = mustPebble(t, dir)
	st, err := cache.Open(t.Context(), "a", 0)
	if err == nil {
		_, err = st.Get([]byte("k7"))
	}
	if err == nil {
		t.Error("a damaged table is read without an error")
	}
	mustClose(t, cache)
	cache = mustPebble(t, dir)
	defer mustClose(t, cache)
	wantValue(t, mustOpen(t, cache, "a", 0), "k7", nil)
}

// BenchmarkMemory is what a value of 100 bytes costs in memory, beside the same in a map.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	value := bytes.Repeat([]byte("v"), 100)
	measure := func(b *testing.B, fill func() any) {
		b.Helper()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begin := time.Now()
		kept := fill()
		took := time.Since(begin)
		runtime.GC()
		runtime.ReadMemStats(&after)
		begin = time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/GC")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/key")
		b.ReportMetric(n/took.Seconds(), "keys/s")
		runtime.KeepAlive(kept)
	}
	b.Run("store", func(b *testing.B) {
		measure(b, func() any {
			s := newMemory()
			for i := range n {
				_ = s.Apply([]KV{{fmt.Appendf(nil, "shop|order/%07d", i), value}}, int64(i))
			}
			return s
		})
	})
	b.Run("map", func(b *testing.B) {
		measure(b, func() any {
			m := map[string][]byte{}
			for i := range n {
				m[fmt.Sprintf("shop|order/%07d", i)] = bytes.Clone(value)
			}
			return m
		})
	})
}
