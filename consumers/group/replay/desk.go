package replay

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/internal/pause"
	"millrace/schemas"
)

// GroupPrefix begins the name of the consumer group in which a run keeps its progress: GroupPrefix<service>.<id>.
const GroupPrefix = "millrace.replay."

const (
	// askTimeout bounds one question to the cluster.
	askTimeout  = 30 * time.Second
	stableEvery = 50 * time.Millisecond
)

var (
	// ErrNoRetryTopic is returned, wrapped, for a service that takes nothing back.
	ErrNoRetryTopic = errors.New("the retry topic is not there")
	// ErrUnknownRun is returned, wrapped, for an id of which Kafka has no progress, or no more.
	ErrUnknownRun = errors.New("no such replay")
)

// Deps is what a Desk is built of.
type Deps struct {
	Kafka  []kgo.Opt // how to connect: no group, no topics
	Logger *slog.Logger
	// Progress is called about ten times a second while a call reads or writes for long. Calls do not overlap. nil: never.
	Progress func(stage string, done, total int64)
}

// Stages of Deps.Progress, in offsets.
const (
	StageCounting = "counting"
	StageWriting  = "replaying"
	StageWaiting  = "waiting for the service" // as StageWriting, which stands still: the service has enough to do
)

// Desk begins runs and finds those there are. It is safe for concurrent use.
type Desk struct {
	d      Deps
	client *kgo.Client
	admin  *kadm.Client
	logs   *logread.Reader
}

// Open connects to nothing yet. Close the Desk.
func Open(d Deps) (*Desk, error) {
	client, err := kgo.NewClient(d.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("open replay: %w", err)
	}
	return &Desk{d: d, client: client, admin: kadm.NewClient(client), logs: logread.New(client)}, nil
}

// Close ends the connections.
func (d *Desk) Close() { d.client.Close() }

// New finds the events that a selection is about. Nothing is written before Run.Do.
func (d *Desk) New(ctx context.Context, s Selection) (*Run, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	began := time.Now().UTC()
	r := &Run{desk: d, selection: s, began: began, id: began.Format("20060102-150405-") + token(2), fresh: true}
	if err := r.lookUp(ctx); err != nil {
		return nil, err
	}
	if err := d.bounds(ctx, r); err != nil {
		return nil, fmt.Errorf("find the events to replay for %s: %w", s.Group, err)
	}
	return r, nil
}

// token is some random hexadecimal digits, two per byte.
func token(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// bounds finds the offsets that a new run is about.
func (d *Desk) bounds(ctx context.Context, r *Run) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s := &r.selection
	from, err := d.at(ctx, s.From, d.admin.ListStartOffsets, s.Topics)
	if err != nil {
		return err
	}
	to, err := d.at(ctx, s.To, d.admin.ListEndOffsets, s.Topics)
	if err != nil {
		return err
	}
	settled, err := d.offsets(ctx, s.Group)
	if err != nil {
		return err
	}
	for _, o := range to.Offsets().Sorted() {
		begin, ok := from.Lookup(o.Topic, o.Partition)
		done, handled := settled.Lookup(o.Topic, o.Partition)
		if !ok || !handled {
			continue // a partition of which the group has committed nothing has nothing past
		}
		end := min(o.At, done.At)
		if begin.Offset >= end {
			continue
		}
		r.spans = append(r.spans, &span{topic: o.Topic, partition: o.Partition, next: begin.Offset, mark: mark{
			V: markVersion, Selection: *s, Began: r.began, From: begin.Offset, End: end,
		}})
	}
	r.sort()
	for _, sp := range r.spans {
		if len(sp.mark.text()) > maxMark-markGrowth {
			return ErrTooLong
		}
	}
	return nil
}

// at lists the offsets of a time; of the zero time, what ask says.
func (d *Desk) at(ctx context.Context, t time.Time, ask func(context.Context, ...string) (kadm.ListedOffsets, error), topics []string) (kadm.ListedOffsets, error) {
	if !t.IsZero() {
		ask = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return d.admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), topics...)
		}
	}
	list, err := ask(ctx, topics...)
	if err == nil {
		err = list.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the offsets of %s: %w", strings.Join(topics, ", "), err)
	}
	return list, nil
}

// offsets returns what a group has committed. What is in a transaction that is open is not.
func (d *Desk) offsets(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	got, err := d.admin.FetchOffsets(ctx, group)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of consumer group %s: %w", group, err)
	}
	got.DeleteFunc(func(o kadm.OffsetResponse) bool { return o.At < 0 })
	return got, nil
}

// stable waits until no transaction is about to change what a group has committed.
func (d *Desk) stable(ctx context.Context, group string) error {
	for {
		got, err := d.admin.FetchOffsets(kadm.RequireStable(ctx), group)
		if err == nil {
			err = got.Error()
		}
		if err == nil || !errors.Is(err, kerr.UnstableOffsetCommit) || pause.Sleep(ctx, stableEvery) != nil {
			return err
		}
	}
}

// Resume finds a run that was begun.
func (d *Desk) Resume(ctx context.Context, id string) (*Run, error) {
	runs, err := d.find(ctx, func(group string) bool { return strings.HasSuffix(group, "."+id) })
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%w: %s; Kafka forgets a run some time after it has ended or was interrupted (offsets.retention.minutes)", ErrUnknownRun, id)
	}
	return runs[0], runs[0].lookUp(ctx)
}

// List returns the runs that Kafka remembers, the latest first.
func (d *Desk) List(ctx context.Context) ([]*Run, error) {
	runs, err := d.find(ctx, func(string) bool { return true })
	slices.SortFunc(runs, func(x, y *Run) int { return cmp.Or(y.began.Compare(x.began), cmp.Compare(x.id, y.id)) })
	return runs, err
}

func (d *Desk) find(ctx context.Context, want func(group string) bool) ([]*Run, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	groups, err := d.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list consumer groups: %w", err)
	}
	var runs []*Run
	for _, g := range groups.Groups() {
		if !strings.HasPrefix(g, GroupPrefix) || !want(g) {
			continue
		}
		r := &Run{desk: d, id: g[strings.LastIndexByte(g, '.')+1:]}
		if err := r.load(ctx, g); err != nil {
			return nil, err
		}
		if len(r.spans) > 0 { // none: Kafka has forgotten the offsets, but not yet the group
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// load reads where a run stands.
func (r *Run) load(ctx context.Context, group string) error {
	got, err := r.desk.offsets(ctx, group)
	if err != nil {
		return err
	}
	r.spans, r.seq, r.owner = nil, 0, ""
	for _, o := range got.Offsets().Sorted() {
		m, err := readMark(o)
		if err != nil {
			return fmt.Errorf("replay %s: %w", r.id, err)
		}
		r.selection, r.began = m.Selection, m.Began
		if m.Seq >= r.seq {
			r.seq, r.owner = m.Seq, m.Owner
		}
		r.spans = append(r.spans, &span{topic: o.Topic, partition: o.Partition, next: o.At, mark: m})
	}
	r.sort()
	return nil
}

// reload is load for a run of which nothing is in flight any more.
func (r *Run) reload(ctx context.Context, group string) error {
	if err := r.desk.stable(ctx, group); err != nil {
		return fmt.Errorf("wait for the offsets of consumer group %s: %w", group, err)
	}
	return r.load(ctx, group)
}

// lookUp checks that every event has a place to go to.
func (r *Run) lookUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	names := slices.Clone(r.selection.Topics)
	for _, t := range r.selection.Topics {
		names = append(names, schemas.RetryTopic(t, r.selection.Group), schemas.DeadLetterTopic(t, r.selection.Group))
	}
	topics, err := r.desk.admin.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("look up the topics of %s: %w", r.selection.Group, err)
	}
	for _, t := range names {
		if got := topics[t]; got.Err != nil || len(got.Partitions) == 0 {
			missing := ErrNoRetryTopic
			if slices.Contains(r.selection.Topics, t) {
				missing = errors.New("the topic is not there")
			}
			return fmt.Errorf("%w, or this user may not see it: %s; `millrace topics apply` makes the topics of a service", missing, t)
		}
	}
	for _, t := range r.selection.Topics {
		if source, retry := len(topics[t].Partitions), len(topics[schemas.RetryTopic(t, r.selection.Group)].Partitions); source != retry {
			return fmt.Errorf("topic %s has %d partitions and %s has %d: they must be equal", t, source, schemas.RetryTopic(t, r.selection.Group), retry)
		}
	}
	r.topics = topics
	return nil
}

// retryStarts returns, per source partition, the offset of the retry log below which nothing waits.
func (d *Desk) retryStarts(ctx context.Context, group string) (map[place]int64, error) {
	got, err := d.offsets(ctx, group)
	if err != nil {
		return nil, err
	}
	starts := map[place]int64{}
	got.Each(func(o kadm.OffsetResponse) { starts[place{o.Topic, o.Partition}] = schedule.RetryOffset(o.Metadata) })
	return starts, nil
}
