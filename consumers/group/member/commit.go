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

// MaxMetadata is the most bytes of metadata that brokers take with an offset (offset.metadata.max.bytes).
const MaxMetadata = 4096

// Offset is one offset to commit: At is the offset to read next.
type Offset struct {
	TP       TP
	Owner    TP // the assigned partition that entitles to the commit: TP itself, or the source partition of a retry topic's
	At       int64
	Metadata string
}

// Commit is the right to commit. It is valid while the function that Exclusive has given it to runs.
//
// The coordinator checks that a commit comes from a member of the current generation, and not who owns the partition: a
// commit after a revocation would be accepted, and could move another member's offset back. So ownership is checked here.
type Commit struct {
	m *Member
}

// Exclusive runs f under the commit lock. No partition is taken away while it runs, so f must have a deadline: the group
// waits for it. The error is ctx's, when that ends before the lock is free, or f's.
func (m *Member) Exclusive(ctx context.Context, f func(c *Commit) error) error {
	select {
	case m.commitLock <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the commit lock: %w", ctx.Err())
	}
	defer func() { <-m.commitLock }()
	return f(&Commit{m: m})
}

// Owns reports whether the partition is assigned, was made ready, and is not dropped.
func (c *Commit) Owns(tp TP) bool {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	p := c.m.partitions[tp]
	return p != nil && p.ready
}

// Offsets commits plainly, within Config.CommitTimeout. Offsets whose owner is not owned are left out. After an error some of
// the others may be committed all the same; it holds the broker's word for each partition. Nothing is sent when metadata is
// larger than MaxMetadata (ErrMetadataTooLarge).
func (c *Commit) Offsets(ctx context.Context, offsets []Offset) (err error) {
	offsets, err = c.admit(offsets)
	if err != nil || len(offsets) == 0 {
		return err
	}
	defer c.observe(commitOffsets, time.Now(), &err)
	ctx, cancel := context.WithTimeout(ctx, c.m.cfg.CommitTimeout)
	defer cancel()
	at := make(map[string]map[int32]kgo.EpochOffset)
	metadata := make(map[TP]*string, len(offsets))
	for i, o := range offsets {
		if at[o.TP.Topic] == nil {
			at[o.TP.Topic] = make(map[int32]kgo.EpochOffset)
		}
		at[o.TP.Topic][o.TP.Partition] = kgo.EpochOffset{Epoch: -1, Offset: o.At}
		metadata[o.TP] = &offsets[i].Metadata
	}
	// The client fills in what it knows (member, generation, topic ids where the broker wants them), and leaves the metadata to us.
	ctx = kgo.PreCommitFnContext(ctx, func(r *kmsg.OffsetCommitRequest) error {
		if identity := c.m.identity.Load(); identity == nil || *identity != r.MemberID {
			return errRenamed
		}
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p := &r.Topics[i].Partitions[j]
				p.Metadata = metadata[TP{r.Topics[i].Topic, p.Partition}]
			}
		}
		return nil
	})
	c.m.client().CommitOffsetsSync(ctx, at, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, failed error) {
		err = answerOf(req, resp, failed)
	})
	return c.m.commitError("commit offsets", err)
}

func answerOf(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	a := make(answer)
	for _, t := range req.Topics {
		a[t.TopicID] = t.Topic
	}
	var errs []error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			errs = append(errs, a.of(t.Topic, t.TopicID, p.Partition, p.ErrorCode))
		}
	}
	return errors.Join(errs...)
}

// answer names the topics that a broker may call by their ids.
type answer map[[16]byte]string

// of is what the broker says of one partition.
func (a answer) of(topic string, id [16]byte, partition int32, code int16) error {
	if topic == "" {
		topic = a[id]
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return fmt.Errorf("%s: %w", TP{topic, partition}, err)
	}
	return nil
}

// admit leaves out what is not ours, and refuses what no broker would take.
func (c *Commit) admit(offsets []Offset) ([]Offset, error) {
	owned := make([]Offset, 0, len(offsets))
	for _, o := range offsets {
		if len(o.Metadata) > MaxMetadata {
			return nil, fmt.Errorf("commit %s: %w: %d bytes, at most %d", o.TP, ErrMetadataTooLarge, len(o.Metadata), MaxMetadata)
		}
		if c.Owns(o.Owner) {
			owned = append(owned, o)
			c.m.metrics.metadataBytes.Observe(float64(len(o.Metadata)))
		}
	}
	return owned, nil
}

func (c *Commit) observe(kind string, begin time.Time, err *error) {
	c.m.metrics.commitSeconds.WithLabelValues(kind).Observe(time.Since(begin).Seconds())
	if *err != nil {
		c.m.metrics.commitFailures.WithLabelValues(kind).Inc()
	}
}

// commitError adds what was done, and ends Run when the answer is that another process is this member.
func (m *Member) commitError(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, kerr.FencedInstanceID) {
		m.Fail(fmt.Errorf("%w (%s)", ErrFenced, m.cfg.InstanceID))
	}
	return fmt.Errorf("%s of group %s: %w", what, m.cfg.Group, err)
}
