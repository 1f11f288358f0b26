package keyed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/schemas"
)

// collectWithin bounds the reading of one topic: a transaction that was left open has to time out first.
const collectWithin = 2 * time.Minute

// collect reads everything that the members left in Kafka, as a reader with isolation read_committed sees it, and keeps a copy.
func collect(ctx context.Context, seeds []string, dir string, in *check.Input) error {
	for _, part := range []struct {
		topic, file string
		into        *[]*kgo.Record
	}{
		{schemas.DeadLetterTopic(sourceTopic, groupID), "letters.tsv", &in.Letters},
		{outTopic, "emitted.tsv", &in.Emitted},
		{schemas.RetryTopic(sourceTopic, groupID), "retry.tsv", &in.Retry},
		{schemas.StateTopic(sourceTopic, groupID), "state.tsv", &in.State},
	} {
		var err error
		if *part.into, err = readAll(ctx, seeds, part.topic); err != nil {
			return fmt.Errorf("read topic %s: %w", part.topic, err)
		}
		if err := keep(filepath.Join(dir, part.file), *part.into); err != nil {
			return err
		}
	}
	return nil
}

func keep(path string, records []*kgo.Record) error {
	return writeLines(path, func(w *bufio.Writer) {
		for _, r := range records {
			value := string(r.Value)
			if r.Value == nil {
				value = "(none)"
			} else if len(value) > 60 {
				value = value[:60]
			}
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%q\t%q\n", r.Partition, r.Offset, r.Timestamp.UTC().Format("15:04:05.000"), r.Key, value, check.Headers(r))
		}
	})
}

// readAll returns the records of a topic that are committed, partition by partition in their order.
func readAll(ctx context.Context, seeds []string, topic string) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, collectWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	// The ends with what is not committed yet: a transaction that is still open has to end before they are reached.
	starts, err1 := adm.ListStartOffsets(ctx, topic)
	ends, err2 := adm.ListEndOffsets(ctx, topic)
	if err := errors.Join(err1, err2, starts.Error(), ends.Error()); err != nil {
		return nil, err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		if end.Offset > start.Offset {
			from[end.Partition], left[end.Partition] = kgo.NewOffset().At(start.Offset), end.Offset
		}
	})
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	byPartition := make([][]*kgo.Record, partitions)
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("the end of partitions %v is not reached: %w", left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				byPartition[r.Partition] = append(byPartition[r.Partition], r)
			}
			// Control records are read along because one of them may be the last.
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	var all []*kgo.Record
	for _, records := range byPartition {
		all = append(all, records...)
	}
	return all, nil
}
