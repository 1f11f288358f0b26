package topicplan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Errors of a plan, for callers that branch; the text around them says what to do.
var (
	// ErrConflict means that cluster and plan differ in a way that only a person can resolve: a partition count, or a
	// replication that the cluster has too few brokers for.
	ErrConflict = errors.New("topics conflict with the plan")
	// ErrMissing means that topics of the plan do not exist.
	ErrMissing = errors.New("topics are missing")
)

// Kind says what a Change is about.
type Kind uint8

// The kinds of change. Create and SetConfig are applied; Conflict stands in the way; Warning is only told.
const (
	Create    Kind = iota // the topic does not exist
	SetConfig             // a topic setting differs
	Conflict              // see ErrConflict
	Warning               // replication differs from the plan, which works but is not what was asked for
)

func (k Kind) String() string {
	switch k {
	case Create:
		return "create"
	case SetConfig:
		return "set"
	case Conflict:
		return "CONFLICT"
	default:
		return "warning"
	}
}

// Change is one difference between the cluster and the plan.
type Change struct {
	Kind    Kind
	Topic   string
	Setting string // "partitions", "replication" or a topic setting; for Create the topic's shape is in Want
	Have    string // in the cluster; "" where there is nothing
	Want    string // in the plan
}

// Plan is all that differs, by topic in the order of the wanted ones.
type Plan struct {
	Changes []Change

	wanted map[string]schemas.TopicSpec
	led    bool // every partition of the existing topics has a leader
}

// Make asks the cluster behind cl and compares. It changes nothing. The error tells what could not be asked; differences,
// conflicts among them, are in the Plan.
func Make(ctx context.Context, cl *kgo.Client, wanted []schemas.TopicSpec) (Plan, error) {
	p := Plan{wanted: make(map[string]schemas.TopicSpec, len(wanted)), led: true}
	names := make([]string, len(wanted))
	for i, w := range wanted {
		names[i], p.wanted[w.Name] = w.Name, w
	}
	m, err := describe(ctx, cl, names)
	if err != nil {
		return Plan{}, err
	}
	var existing []string
	for _, w := range wanted {
		have := m.topics[w.Name]
		switch {
		case errors.Is(have.err, kerr.UnknownTopicOrPartition):
			p.create(w, m.brokers)
		case have.err != nil:
			return Plan{}, fmt.Errorf("ask kafka for topic %s: %w", w.Name, have.err)
		default:
			existing = append(existing, w.Name)
			p.led = p.led && have.led
			p.compareShape(w, have)
		}
	}
	if err := p.compareConfigs(ctx, kadm.NewClient(cl), existing); err != nil {
		return Plan{}, err
	}
	order := func(c Change) int { return slices.Index(names, c.Topic) }
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return order(a) - order(b) })
	return p, nil
}

func (p *Plan) add(kind Kind, topic, setting, have, want string) {
	p.Changes = append(p.Changes, Change{Kind: kind, Topic: topic, Setting: setting, Have: have, Want: want})
}

func (p *Plan) create(w schemas.TopicSpec, brokers int) {
	p.add(Create, w.Name, "", "", fmt.Sprintf("%d partitions, %d replicas", w.Partitions, w.Replication))
	if int(w.Replication) > brokers {
		p.add(Conflict, w.Name, replication, fmt.Sprintf("%d brokers", brokers), strconv.Itoa(int(w.Replication)))
	}
}

const (
	partitions  = "partitions"
	replication = "replication"
)

func (p *Plan) compareShape(w schemas.TopicSpec, have topicState) {
	if n := have.partitions; n != int(w.Partitions) {
		p.add(Conflict, w.Name, partitions, strconv.Itoa(n), strconv.Itoa(int(w.Partitions)))
	}
	if n := have.replicas; n != int(w.Replication) {
		p.add(Warning, w.Name, replication, strconv.Itoa(n), strconv.Itoa(int(w.Replication)))
	}
}

// compareConfigs compares effective values: a topic that has the wanted value by the brokers' default needs no change, and a
// later change of that default shows as a difference then.
func (p *Plan) compareConfigs(ctx context.Context, adm *kadm.Client, topics []string) error {
	described, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return fmt.Errorf("ask kafka for its topic settings: %w", err)
	}
	for _, t := range described {
		if t.Err != nil {
			return fmt.Errorf("ask kafka for the settings of topic %s: %w", t.Name, t.Err)
		}
		have := make(map[string]string, len(t.Configs))
		for _, c := range t.Configs {
			have[c.Key] = c.MaybeValue()
		}
		want := p.wanted[t.Name].Configs
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if have[key] != want[key] {
				p.add(SetConfig, t.Name, key, have[key], want[key])
			}
		}
	}
	return nil
}

// Empty tells whether the cluster is as wanted, but for warnings.
func (p Plan) Empty() bool {
	return !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Kind != Warning })
}

// Err returns nil, or all conflicts joined, each with what to do about it; it wraps ErrConflict.
func (p Plan) Err() error {
	var errs []error
	for _, c := range p.Changes {
		if c.Kind == Conflict {
			errs = append(errs, fmt.Errorf("%w: %s", ErrConflict, c.advice()))
		}
	}
	return errors.Join(errs...)
}

// advice is the sentence that says what to do about a conflict.
func (c Change) advice() string {
	if c.Setting == partitions {
		return fmt.Sprintf("topic %s has %s partitions, the plan wants %s. Changing the count of a topic in use would break the order of events "+
			"already written: set topics.partitions to %s, or, if the topic may be lost, delete it and apply the plan again", c.Topic, c.Have, c.Want, c.Have)
	}
	return fmt.Sprintf("topic %s cannot have %s replicas, the cluster has %s: set topics.replication (and topics.min_insync_replicas) to fit, or add brokers",
		c.Topic, c.Want, c.Have)
}

// Check is for the start of a program that needs the topics: the error wraps ErrMissing when one does not exist and
// ErrConflict when a partition count differs, and says what to do. Settings and replication that differ let it start; they are
// in the Plan, to be logged.
func Check(ctx context.Context, cl *kgo.Client, wanted []schemas.TopicSpec) (Plan, error) {
	p, err := Make(ctx, cl, wanted)
	if err != nil {
		return Plan{}, err
	}
	var missing []string
	for _, c := range p.Changes {
		if c.Kind == Create {
			missing = append(missing, c.Topic)
		}
	}
	errs := []error{p.Err()}
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%w: %v; `millrace topics apply` creates them", ErrMissing, missing))
	}
	return p, errors.Join(errs...)
}
