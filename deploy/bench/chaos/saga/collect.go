package saga

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"millrace/consumers/saga"
	"millrace/deploy/bench/chaos/readback"
	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/schemas"
)

// tool runs a command of `millrace` and returns what it prints.
func (r *run) tool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.o.Bin, "millrace"), append(args, "--kafka-brokers", strings.Join(r.kafka.Brokers(), ","))...) //nolint:gosec // our own program
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("millrace %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(told.String()))
	}
	return out.String(), nil
}

// list is `millrace saga list`.
func (r *run) list(ctx context.Context, args ...string) ([]check.Run, error) {
	text, err := r.tool(ctx, append([]string{"saga", "list", "--json"}, args...)...)
	if err != nil {
		return nil, err
	}
	var runs []check.Run
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		var one check.Run
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("read `saga list`: %w", err)
		}
		runs = append(runs, one)
	}
	return runs, nil
}

// collect reads everything that is left.
func (r *run) collect(ctx context.Context) (*check.Input, map[place]bool, error) {
	in := &check.Input{Orders: r.load.told()}
	var err1, err2 error
	in.Runs, err1 = r.list(ctx, "--all")
	in.Parked, err2 = r.list(ctx, "--parked")
	if err := errors.Join(err1, err2, r.partners.account(ctx, in), r.letters(ctx, in)); err != nil {
		return nil, nil, err
	}
	records, err := readback.All(ctx, r.kafka.Brokers(), schemas.OrderEventsTopic)
	if err != nil {
		return nil, nil, err
	}
	committed := map[place]bool{}
	for _, rec := range records {
		committed[place{rec.Partition, rec.Offset}] = true
		e, ok := orderEvent(rec)
		if !ok {
			return nil, nil, fmt.Errorf("the event store has a record that is no event: partition %d, offset %d", rec.Partition, rec.Offset)
		}
		in.Facts = append(in.Facts, check.Fact{Order: gate.Order{Shop: e.Shop, ID: e.OrderID}, Type: e.Type(), Seq: seq(e.Data)})
	}
	return in, committed, nil
}

// seq is the number of an event of a run, 0 for any other.
func seq(data schemas.OrderEventData) int64 {
	switch d := data.(type) {
	case *schemas.SagaStarted:
		return d.Seq
	case *schemas.StepRequested:
		return d.Seq
	case *schemas.StepCompleted:
		return d.Seq
	case *schemas.StepFailed:
		return d.Seq
	case *schemas.SagaCompensating:
		return d.Seq
	case *schemas.SagaCompleted:
		return d.Seq
	case *schemas.SagaCompensated:
		return d.Seq
	case *schemas.SagaParked:
		return d.Seq
	default:
		return 0
	}
}

// letters reads the dead letters: of the saga the one event that may become one is SagaParked, of other services none may.
func (r *run) letters(ctx context.Context, in *check.Input) error {
	for _, g := range groups() {
		for _, topic := range g.Topics {
			records, err := readback.All(ctx, r.kafka.Brokers(), schemas.DeadLetterTopic(topic, g.Group))
			if err != nil {
				return err
			}
			for _, rec := range records {
				e, ok := orderEvent(rec)
				if _, parked := e.Data.(*schemas.SagaParked); g.Name != saga.Name || !ok || !parked {
					in.Stray++
					continue
				}
				in.Letters = append(in.Letters, gate.Order{Shop: e.Shop, ID: e.OrderID})
			}
		}
	}
	return nil
}
