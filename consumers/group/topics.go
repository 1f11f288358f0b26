package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/schemas"
)

// ErrTopics is returned by Run when a topic of the service does not exist, or has another number of partitions than the source topic
// that it stands beside.
var ErrTopics = errors.New("the topics of the service are not as they must be")

// newTopicTime is how late a broker may learn of a topic that was just made: on a busy machine with three of them it was found to take
// more than a second.
const newTopicTime = 5 * time.Second

// checkTopics waits until Kafka answers, and compares.
func (r *Runtime) checkTopics(ctx context.Context) error {
	wanted := r.wantedTopics()
	if r.activity != nil {
		wanted = append(wanted, schemas.ActivityTopic)
	}
	began := time.Now()
	for n := 0; ; n++ {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		counts, err := r.partitionCounts(try, wanted...)
		cancel()
		if err == nil {
			err = r.compareTopics(counts)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			for _, t := range r.svc.Topics {
				r.all += counts[t]
			}
			r.activity.found(ctx, counts[schemas.ActivityTopic] > 0)
			return nil
		case errors.Is(err, ErrTopics) && time.Since(began) >= newTopicTime:
			return err
		case n == 0:
			r.logger.WarnContext(ctx, "waiting for kafka", "err", err)
		}
		_ = pause.Sleep(ctx, min(100*time.Millisecond<<min(n, 6), 5*time.Second))
	}
}

func (r *Runtime) wantedTopics() []string {
	var out []string
	for _, t := range r.svc.Topics {
		out = append(out, t, schemas.RetryTopic(t, r.cfg.Member.Group), schemas.DeadLetterTopic(t, r.cfg.Member.Group))
		if r.svc.State {
			out = append(out, schemas.StateTopic(t, r.cfg.Member.Group))
		}
	}
	return append(out, r.svc.Emits...)
}

// partitionCounts asks for topics; those that do not exist are missing from the answer.
func (r *Runtime) partitionCounts(ctx context.Context, topics ...string) (map[string]int, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &t
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, r.producer.Client())
	if err != nil {
		return nil, fmt.Errorf("ask kafka for the topics of service %s: %w", r.svc.Name, err)
	}
	out := make(map[string]int)
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
		case err != nil && deref(t.Topic) == schemas.ActivityTopic: // e.g. not allowed: the service does without
		case err != nil:
			return nil, fmt.Errorf("ask kafka for topic %s: %w", deref(t.Topic), err)
		default:
			out[deref(t.Topic)] = len(t.Partitions)
		}
	}
	return out, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (r *Runtime) compareTopics(counts map[string]int) error {
	var errs []error
	for _, t := range r.wantedTopics() {
		if counts[t] == 0 {
			errs = append(errs, fmt.Errorf("%w: topic %s is missing; `millrace topics apply` creates the topics of the services that come with it", ErrTopics, t))
		}
	}
	for _, t := range r.svc.Topics {
		beside := []string{schemas.RetryTopic(t, r.cfg.Member.Group), schemas.DeadLetterTopic(t, r.cfg.Member.Group)}
		if r.svc.State {
			beside = append(beside, schemas.StateTopic(t, r.cfg.Member.Group))
		}
		for _, b := range beside {
			if counts[t] > 0 && counts[b] > 0 && counts[t] != counts[b] {
				errs = append(errs, fmt.Errorf("%w: topic %s has %d partitions and %s has %d; a record stands in the partition with its source's number, so they must be equal",
					ErrTopics, t, counts[t], b, counts[b]))
			}
		}
	}
	return errors.Join(errs...)
}
