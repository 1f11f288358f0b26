package check_test

import (
	"slices"
	"testing"
	"time"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
)

func TestTheTimeUntilAPartitionIsWorkedAgain(t *testing.T) {
	at := func(s int) int64 { return int64(time.Duration(s) * time.Second) }
	in := &check.Input{
		Effects: []ledger.Effect{
			{Process: "a", Partition: 0, Start: at(1)},
			{Process: "b", Partition: 0, Start: at(5)},
			{Process: "a", Partition: 1, Start: at(1)}, // nothing came after
			{Process: "c", Partition: 2, Start: at(1)}, // not its own
			{Process: "b", Partition: 2, Start: at(9)},
		},
		Harms: []ledger.Harm{
			{Kind: ledger.Kill, Process: "a", From: at(2)},
			{Kind: ledger.Stop, Process: "c", From: at(2)},
		},
	}
	everyone := func(string) bool { return true }
	if got := check.Failovers(in, ledger.Kill, everyone); !slices.Equal(got, []time.Duration{3 * time.Second}) {
		t.Errorf("after a kill: %v", got)
	}
	if got := check.Failovers(in, ledger.Stop, everyone); !slices.Equal(got, []time.Duration{7 * time.Second}) {
		t.Errorf("after a stop: %v", got)
	}
	if got := check.Failovers(in, ledger.Kill, func(p string) bool { return p != "a" }); len(got) != 0 {
		t.Errorf("of another: %v", got)
	}
}
