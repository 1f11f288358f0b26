package main

import (
	"math"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRateIsFromTheFirstToTheLastRecord(t *testing.T) {
	const ms = 1000
	slow := []sample{{10 * ms, 100}, {1010 * ms, 1100}, {2010 * ms, 2100}, {9000 * ms, 2100}}
	for name, tc := range map[string]struct {
		processes     [][]sample
		whole, steady float64
	}{
		"nothing handled":                     {nil, 0, 0},
		"one moment":                          {[][]sample{{{5, 10}}}, 0, 0},
		"idle time at the end does not count": {[][]sample{slow}, 1000, 1000},
		"a slow start is not steady":          {[][]sample{{{0, 1}, {1000 * ms, 101}, {1300 * ms, 401}}}, 400 / 1.3, 1000},
		"two side by side":                    {[][]sample{slow, slow}, 2000, 2000},
		"one after the other":                 {[][]sample{{{0, 1}, {1000 * ms, 1001}}, {{1000 * ms, 1}, {2000 * ms, 1001}}}, 1000.5, 1001},
	} {
		t.Run(name, func(t *testing.T) {
			got := rate(tc.processes...)
			if math.Abs(got.whole-tc.whole) > 1 || math.Abs(got.steady-tc.steady) > 1 {
				t.Errorf("got %.1f, steady %.1f; want %.1f, %.1f", got.whole, got.steady, tc.whole, tc.steady)
			}
		})
	}
}
