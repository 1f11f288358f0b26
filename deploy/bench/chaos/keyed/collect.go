package keyed

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/readback"
	"millrace/schemas"
)

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
		if *part.into, err = readback.All(ctx, seeds, part.topic); err != nil {
			return err
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
