package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	errRenamed  = errors.New("the group has made a new member of this one")
	errNotOwned = errors.New("a partition is not owned")
)

// session joins the group and polls, until ctx ends, a fault is final, or the group has made another member of this one: again is
// true then, and a new session is to begin.
func (m *Member) session(ctx, work context.Context, startGrace func()) (again bool, err error) {
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	started := make(chan struct{}) // closed when the client is known: a callback may come before NewClient has returned
	client, err := kgo.NewClient(m.options(work, requests, started)...)
	if err != nil {
		return false, fmt.Errorf("kafka client: %w", err)
	}
	m.commitLock <- struct{}{}
	m.current.Store(client)
	<-m.commitLock
	close(started)

	m.poll(ctx)

	if m.renamed() && ctx.Err() == nil && m.failure() == nil {
		m.abandon(ctx)
		m.leave(requests, endRequests)
		return true, nil
	}
	startGrace()
	m.stop(work)
	m.leave(requests, endRequests)
	return false, nil
}

func (m *Member) client() *kgo.Client { return m.current.Load() }

// renamed tells whether the group knows this member by another id than when the partitions were assigned.
//
// A JoinGroup that is answered UNKNOWN_MEMBER_ID, because the member was thrown out while it was on its way to rejoin, makes the
// client (franz-go 1.22) join again under a new id without saying that anything is lost, and keep its partitions. Others may have had
// them in between, and the coordinator takes the new member's commits for them all the same, since it checks member and generation
// only. So partitions are ours under the id alone under which they were assigned. (Seen in chaos runs: 372 records committed twice.)
func (m *Member) renamed() bool {
	identity, client := m.identity.Load(), m.client()
	if identity == nil || client == nil {
		return false
	}
	id, _ := client.GroupMetadata()
	return id != *identity
}

// abandon drops all partitions as lost.
func (m *Member) abandon(ctx context.Context) {
	m.transition <- struct{}{}
	defer func() { <-m.transition }()
	begin := time.Now()
	_, all := m.markReleasing(m.assigned())
	if len(all) > 0 {
		m.drop(all, true)
	}
	m.metrics.rebalances.WithLabelValues(rebalanceLost).Inc()
	m.logger.WarnContext(ctx, "the group has made a new member of this one: its partitions are taken for lost, and it joins anew",
		"count", len(all), "partitions", all, "took", time.Since(begin))
}
