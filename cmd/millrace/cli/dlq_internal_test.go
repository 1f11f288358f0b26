package cli

import (
	"testing"
	"time"
)

func TestTimesOfFiltersAreRead(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("here", 2*60*60)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2h":                        now.Add(-2 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"1.5d":                      now.Add(-36 * time.Hour),
		"2026-11-22":                time.Date(2026, 11, 22, 0, 0, 0, 0, zone),
		"2026-11-22 10:30":          time.Date(2026, 11, 22, 10, 30, 0, 0, zone),
		"2026-11-22T10:30:05":       time.Date(2026, 11, 22, 10, 30, 5, 0, zone),
		"2026-11-22T10:30:05Z":      time.Date(2026, 11, 22, 10, 30, 5, 0, time.UTC),
		"2026-11-22T10:30:05-05:00": time.Date(2026, 11, 22, 15, 30, 5, 0, time.UTC),
	} {
		if got, err := parseWhen(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q gave %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-2h", "-3d", "d", "tomorrow", "11/23/2026", "2026-13-01"} {
		if got, err := parseWhen(text, now); err == nil {
			t.Errorf("%q gave %v, want an error", text, got)
		}
	}
}

func TestTextOfOthersCannotCommandATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, ü, 🙂":       "plain, ü, 🙂",
		"\x1b[31mred\a":     "?[31mred?",
		"two\nlines\r\n":    "two lines  ",
		"\u009bc1\u202egnp": "?c1?gnp",
		"nul\x00":           "nul?",
	} {
		if got := printable(text, ""); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
	}
}
