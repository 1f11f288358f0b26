package state

import (
	"bytes"
	"crypto/sha256"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func envelopes() map[string]Envelope {
	return map[string]Envelope{
		"nothing":         {},
		"empty value":     {HasValue: true, Value: []byte{}},
		"value":           {HasValue: true, Value: []byte("value")},
		"version":         {HasVersion: true, Version: math.MinInt64},
		"version of zero": {HasVersion: true},
		"ids":             {IDs: [][16]byte{{1}, {2}, {3}}},
		"all":             {IDs: make([][16]byte, 300), HasVersion: true, Version: math.MaxInt64, HasValue: true, Value: bytes.Repeat([]byte("v"), 10_000)},
	}
}

func TestAnEnvelopeComesBackAsItWas(t *testing.T) {
	for name, e := range envelopes() {
		t.Run(name, func(t *testing.T) {
			b := e.Append([]byte("before"))
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatalf("Append() does not append")
			}
			got, err := Decode(b[6:])
			if err != nil {
				t.Fatalf("Decode() error: %v", err)
			}
			if d := cmp.Diff(e, got); d != "" {
				t.Errorf("Decode(Append()) differs (-want +got):\n%s", d)
			}
		})
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	good := (&Envelope{IDs: [][16]byte{{1}}, HasVersion: true, Version: 1 << 40}).Append(nil)
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"newer version":        {2, 0, 0},
		"version zero":         {0, 0, 0},
		"unknown flag":         {1, 4, 0},
		"more than announced":  append(bytes.Clone(good), 0),
		"more ids than bytes":  {1, 0, 2, 0, 0},
		"far too many ids":     {1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"varint without end":   {1, 0, 0xff},
		"version of 10+ bytes": append([]byte{1, 1, 0}, bytes.Repeat([]byte{0xff}, 11)...),
	} {
		if e, err := Decode(b); err == nil {
			t.Errorf("%s: Decode() = %+v, want an error", name, e)
		}
	}
	for i := range good {
		if _, err := Decode(good[:i]); err == nil {
			t.Errorf("Decode() of the first %d of %d bytes succeeds", i, len(good))
		}
	}
}

// What is decoded encodes to something that decodes to the same, and nothing makes Decode panic.
func FuzzDecode(f *testing.F) {
	for _, e := range envelopes() {
		f.Add(e.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(e.Append(nil))
		if err != nil {
			t.Fatalf("Decode(Append()) error: %v", err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Errorf("it comes back as another (-first +again):\n%s", d)
		}
	})
}

func TestIDOf(t *testing.T) {
	const text = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
	if got := IDOf(text); got != [16]byte(uuid.MustParse(text)) {
		t.Errorf("IDOf(%s) = %x", text, got)
	}
	if IDOf(strings.ToUpper(text)) != IDOf(text) {
		t.Error("a UUID in upper case is another")
	}
	for _, s := range []string{"", "x", text + "0", "{" + text[:34] + "}", strings.ReplaceAll(text, "-", ""), "urn:uuid:" + text, strings.Repeat("z", 36)} {
		sum := sha256.Sum256([]byte(s))
		if got := IDOf(s); got != [16]byte(sum[:16]) {
			t.Errorf("IDOf(%q) = %x, want its hash", s, got)
		}
	}
}
