package member

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The trap of franz-go that renamed tells of: the rejoin of a member that was thrown out on its way is answered UNKNOWN_MEMBER_ID, and
// the client comes back as a new member that believes to have kept its partitions.
func TestPartitionsOfAMemberThatComesBackUnderANewIDAreLost(t *testing.T) {
	w := newWorld(t, 2)
	a := w.ready(testConfig(), newShape(t, "a"), 2)
	before, _ := a.client().GroupMetadata()
	fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.UnknownMemberID, Count: 1})
	a.client().ForceRebalance()
	if err := fault.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the partitions are lost", func() bool {
		_, _, lost := a.counts()
		return lost > 0
	})
	eventually(t, "they are prepared anew", func() bool { return len(a.in("ready")) == 2 })
	if after, _ := a.client().GroupMetadata(); after == before {
		t.Fatalf("the member is %s as before: the test shows nothing", after)
	}
	if err := a.offsets(t, Offset{TP: a.in("ready")[0], Owner: a.in("ready")[0], At: 1}); err != nil {
		t.Errorf("Offsets() under the new id: %v", err)
	}
}
