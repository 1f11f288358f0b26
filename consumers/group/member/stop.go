package member

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stop lets go of everything in order. Nothing is polled any more; what is assigned from now on is not taken in.
func (m *Member) stop(work context.Context) {
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	m.transition <- struct{}{} // a revocation under way has the same grace
	defer func() { <-m.transition }()
	m.mu.Lock()
	tps := make([]TP, 0, len(m.partitions))
	for tp := range m.partitions {
		tps = append(tps, tp)
	}
	m.mu.Unlock()
	begin := time.Now()
	ready, all := m.markReleasing(tps)
	m.release(work, ready)
	if len(all) > 0 {
		m.drop(all, false)
	}
	if err := context.Cause(work); err != nil {
		m.logger.WarnContext(work, "stopped with work unfinished: it is read again at the next start", "err", err)
	}
	m.logger.InfoContext(work, "stopped", "partitions", len(all), "took", time.Since(begin))
}

// leave gives the partitions back at once instead of after the session timeout, under its own deadline. With an instance id
// the client sends nothing, so that the partitions wait for this instance.
func (m *Member) leave(requests context.Context, endRequests func()) {
	ctx, cancel := context.WithTimeout(requests, m.cfg.CommitTimeout)
	defer cancel()
	memberID, _ := m.client.GroupMetadata()
	err := m.client.LeaveGroupContext(ctx)
	if ctx.Err() != nil {
		// The client is in the middle of joining, and would wait for the other members.
		endRequests()
	}
	m.client.CloseAllowingRebalance()
	if ctx.Err() != nil && m.cfg.InstanceID == "" && memberID != "" {
		err = m.leaveFor(context.WithoutCancel(requests), memberID)
	}
	if err != nil {
		m.logger.WarnContext(requests, "leave group: its partitions wait for the session timeout", "err", err)
	}
}

// leaveFor tells the group that a member has left whose client is closed.
func (m *Member) leaveFor(ctx context.Context, memberID string) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.CommitTimeout)
	defer cancel()
	client, err := kgo.NewClient(m.kafka...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.cfg.Group, memberID
	one := kmsg.NewLeaveGroupRequestMember()
	one.MemberID = memberID
	req.Members = append(req.Members, one)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("leave group request: %w", err)
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}
