package main

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestOthersIsWhatTheBenchDidNotUse(t *testing.T) {
	start := time.Now()
	before := load{at: start, busy: 100, own: 10}
	processors := float64(runtime.NumCPU())
	after := load{at: start.Add(10 * time.Second), busy: 100 + 10*processors, own: 10 + 4*processors}
	if got := after.others(before); math.Abs(got-0.6) > 1e-9 {
		t.Errorf("others had %v of the processors, want 0.6", got)
	}
	if got := before.others(before); got != 0 {
		t.Errorf("in no time others had %v", got)
	}
}

func TestOwnTimeIsPartOfTheMachines(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip(err)
	}
	before, err := loadOf([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		sum++
	}
	after, err := loadOf([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if after.own <= before.own || after.busy-before.busy < (after.own-before.own)/2 {
		t.Errorf("after %d rounds: from %+v to %+v", sum, before, after)
	}
}
