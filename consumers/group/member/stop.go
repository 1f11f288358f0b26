package member

import (
	"context"
	"errors"
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
	begin := time.Now()
	ready, all := m.markReleasing(m.assigned())
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
// the partitions wait for this instance: the client sends nothing, or, in the protocol consumer, that it will be back.
func (m *Member) leave(requests context.Context, endRequests func()) {
	ctx, cancel := context.WithTimeout(requests, m.cfg.CommitTimeout)
	defer cancel()
	memberID, _ := m.client().GroupMetadata()
	err := m.client().LeaveGroupContext(ctx)
	if errors.Is(err, kerr.InvalidRequest) && m.cfg.InstanceID != "" {
		err = m.pauseMembership(ctx, memberID)
	}
	if ctx.Err() != nil {
		// The client is in the middle of joining, and would wait for the other members.
		endRequests()
	}
	m.client().CloseAllowingRebalance()
	if ctx.Err() != nil && m.cfg.InstanceID == "" && memberID != "" {
		err = m.leaveFor(context.WithoutCancel(requests), memberID)
	}
	if err != nil {
		m.logger.WarnContext(requests, "leave group: its partitions wait for the session timeout", "err", err)
	}
}

// pauseMembership says that this instance will be back. In the protocol consumer a process that comes in its place is refused
// until the session timeout without that; franz-go 1.22 says it too, but leaves out the instance id, and brokers refuse that.
func (m *Member) pauseMembership(ctx context.Context, memberID string) error {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = m.cfg.Group, memberID, -2, &m.cfg.InstanceID
	resp, err := req.RequestWith(ctx, m.client())
	if err != nil {
		return fmt.Errorf("last heartbeat: %w", err)
	}
	return kerr.ErrorForCode(resp.ErrorCode)
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
