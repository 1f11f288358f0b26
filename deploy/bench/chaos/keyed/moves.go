package keyed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
	"millrace/schemas"
)

// moveWithin bounds one round of moves.
const moveWithin = time.Minute

// movePartitions moves some partitions of every topic that the group lives on. A leader move turns the order of the replicas round
// and elects the first; a reassignment takes the leader away as a replica and gives it back, which copies the data.
func movePartitions(ctx context.Context, seeds []string, kind ledger.HarmKind, dice *rand.Rand) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, moveWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return "", fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	topics, err := adm.ListTopicsWithInternal(ctx,
		sourceTopic, outTopic, schemas.RetryTopic(sourceTopic, groupID), schemas.DeadLetterTopic(sourceTopic, groupID),
		schemas.StateTopic(sourceTopic, groupID), "__consumer_offsets", "__transaction_state")
	if err != nil {
		return "", fmt.Errorf("list partitions: %w", err)
	}
	old, moved, set := kadm.AlterPartitionAssignmentsReq{}, kadm.AlterPartitionAssignmentsReq{}, kadm.TopicsSet{}
	var names []string
	for _, topic := range topics.Sorted() {
		all := topic.Partitions.Sorted()
		p := all[dice.IntN(len(all))]
		rest := slices.DeleteFunc(slices.Clone(p.Replicas), func(id int32) bool { return id == p.Leader })
		moved.Assign(topic.Topic, p.Partition, rest)
		old.Assign(topic.Topic, p.Partition, append(slices.Clone(rest), p.Leader))
		set.Add(topic.Topic, p.Partition)
		names = append(names, fmt.Sprintf("%s/%d", topic.Topic, p.Partition))
	}
	note := strings.Join(names, " ")
	steps := []kadm.AlterPartitionAssignmentsReq{old}
	if kind == ledger.Assign {
		steps = []kadm.AlterPartitionAssignmentsReq{moved, old}
	}
	for _, step := range steps {
		if err := assign(ctx, adm, step, set); err != nil {
			return note, err
		}
	}
	results, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
	if err != nil {
		return note, fmt.Errorf("elect leaders: %w", err)
	}
	_ = results // "not needed" where the reassignment has moved the leader already
	return note, nil
}

// assign gives partitions new replicas and waits until they have them.
func assign(ctx context.Context, adm *kadm.Client, req kadm.AlterPartitionAssignmentsReq, set kadm.TopicsSet) error {
	responses, err := adm.AlterPartitionAssignments(ctx, req)
	if err == nil {
		err = responses.Error()
	}
	if err != nil {
		return fmt.Errorf("reassign partitions: %w", err)
	}
	for {
		left, err := adm.ListPartitionReassignments(ctx, set)
		if err == nil && len(left) == 0 {
			return nil
		}
		if wait := pause.For(ctx, 200*time.Millisecond); wait != nil {
			return errors.Join(fmt.Errorf("wait for a reassignment: %w", wait), err)
		}
	}
}
