package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	// ErrEventsLost is returned by Run when Kafka no longer has the offset to read next and Config.OffsetOutOfRange is stop.
	ErrEventsLost = errors.New("events were removed from kafka before they were read")
	// ErrFenced is returned by Run when another process has joined the group with the same Config.InstanceID.
	ErrFenced = errors.New("another process is a member of the group with the same instance_id")
	// ErrMetadataTooLarge is returned by commits whose metadata no broker would take; see MaxMetadata.
	ErrMetadataTooLarge = errors.New("commit metadata is too large")

	errGrace = errors.New("stop grace is over")
	errLost  = errors.New("partitions are lost")
)

// TP is one partition of a topic.
type TP struct {
	Topic     string
	Partition int32
}

func (tp TP) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }

// Committed is what the group has committed for a partition. Offset is -1 when there is no commit.
type Committed struct {
	Offset   int64
	Metadata string
}

// Fetched is what one poll brought for one partition.
type Fetched struct {
	TP
	Records  []*kgo.Record // in the order of their offsets; may be empty
	End      int64         // end of what can be read: the last stable offset, else the high watermark; -1 unknown
	LogStart int64         // the oldest offset that Kafka has; -1 unknown
}

// Work is a shape of work: what is done with the partitions that a Member owns. For one partition, calls of Prepare, Accept,
// Release and Drop never overlap, and come in this order: Prepare (again after an error), Accept any number of times, Release
// at most once, Drop once. Between Release and Drop nothing is accepted.
type Work interface {
	// Prepare gets a partition ready; nothing of it is fetched until it returns nil. It is called in a goroutine of its own when
	// the committed offset and metadata are known, and stable: no open transaction of a predecessor holds them. ctx ends when
	// the partition is taken away; Prepare must then return soon, since the group waits for it. An error is logged and
	// Prepare is called again after a back-off.
	Prepare(ctx context.Context, tp TP, c Committed) error
	// Accept takes over the polled records of partitions that are ready. It must not block: nobody can be given a partition
	// while it runs.
	Accept(ctx context.Context, fetched []Fetched)
	// Release lets go of partitions in order: start nothing new, wait for what is under way, and commit it with
	// Member.Exclusive, all of it before ctx ends. It is called without the commit lock, when partitions are revoked and at a
	// stop, only for partitions that were ready, and not for lost ones.
	Release(ctx context.Context, tps []TP)
	// Drop forgets partitions, also ones that never became ready. lost says that the group has taken them without asking:
	// they may have another owner already. It is called under the commit lock, so it must not call Member.Exclusive; once it
	// has returned, nothing is committed for them any more.
	Drop(tps []TP, lost bool)
	// Room tells whether more can be taken. While it is false the member does not poll, but stays in its group. It is asked
	// again after Member.Wake, and every 250 ms.
	Room() bool
	// Throttle returns partitions whose fetching is to pause or to go on since the last call. A pause lasts until its
	// partition is resumed or dropped. It is called after each Accept and after Member.Wake, and at least every 250 ms, all
	// on the goroutine of Run.
	//
	// A pause throws away what was fetched and not yet accepted, to be fetched again: use it with hysteresis, and use Room
	// where everything is to stop.
	Throttle() (pause, resume []TP)
}

// Deps is what the program hands to a Member.
type Deps struct {
	Kafka      []kgo.Opt // connection: seed brokers, TLS, SASL, hooks that bear several clients; not group or topics
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: the metrics are kept and not registered
}

// Member is one member of a consumer group; see the package comment. Run may be called once.
type Member struct {
	cfg     Config
	kafka   []kgo.Opt
	topics  []string
	work    Work
	logger  *slog.Logger
	metrics *metrics
	current atomic.Pointer[kgo.Client] // of the session; replaced under the commit lock

	// commitLock is held while committing and while dropping partitions; transition is held from the moment that partitions
	// are let go of until they are dropped. Where both are held, transition was taken first. Both are channels, so that a wait
	// can end with a context, and so that a synctest bubble sees it.
	commitLock chan struct{}
	transition chan struct{}

	mu            sync.Mutex
	background    sync.WaitGroup
	answered      atomic.Int64           // unix nanoseconds; see Alive
	identity      atomic.Pointer[string] // the member id under which the partitions were assigned
	partitions    map[TP]*partition
	fatal         error
	stopping      bool
	wakePending   bool
	cancelPoll    context.CancelFunc      // of the poll under way, or nil
	cancelRelease context.CancelCauseFunc // of the Release under way, or nil
	assignedAt    time.Time               // the last time
	sessionError  string                  // the last one logged, so that a repeat is not
}

// New builds a member of cfg.Group that reads the topics, and starts nothing. Errors: those of Config.Validate, missing
// arguments, impossible Kafka options.
func New(cfg Config, topics []string, w Work, d Deps) (*Member, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new member: %w", err)
	}
	if len(topics) == 0 || w == nil || d.Logger == nil {
		return nil, errors.New("new member: topics, work and Logger are required")
	}
	m := &Member{
		cfg:        cfg,
		topics:     append([]string(nil), topics...),
		work:       w,
		logger:     d.Logger.With("group", cfg.Group),
		commitLock: make(chan struct{}, 1),
		transition: make(chan struct{}, 1),
		partitions: make(map[TP]*partition),
	}
	m.kafka = append([]kgo.Opt(nil), d.Kafka...)
	if err := kgo.ValidateOpts(m.options(context.Background(), context.Background(), nil)...); err != nil {
		return nil, fmt.Errorf("new member: kafka options: %w", err)
	}
	m.metrics = newMetrics(d.Registerer)
	return m, nil
}

// Run joins the group and hands records to the work until ctx ends; it then lets go of all partitions within Config.StopGrace,
// leaves the group and returns nil. Errors: ErrEventsLost, ErrFenced, what Fail was given.
//
// With Config.InstanceID it goes without leaving the group: that is what static membership is for. The partitions wait for
// this instance to come back, until the session timeout is over.
func (m *Member) Run(ctx context.Context) error {
	// Work under way outlives ctx by the grace, so that a stop does not cut it in half; requests to Kafka outlive even that.
	defer m.background.Wait()
	work, endWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endWork(errGrace)
	var once sync.Once
	var grace *time.Timer
	startGrace := func() {
		once.Do(func() { grace = time.AfterFunc(m.cfg.StopGrace, func() { endWork(errGrace) }) })
	}
	unhook := context.AfterFunc(ctx, startGrace)
	defer unhook()
	m.logger.InfoContext(ctx, "consuming", "topics", m.topics, "protocol", m.cfg.Protocol, "instance_id", m.cfg.InstanceID)

	for n := 0; ; n++ {
		again, err := m.session(ctx, work, startGrace)
		if err != nil {
			return fmt.Errorf("run member of group %s: %w", m.cfg.Group, err)
		}
		if !again || pause.Sleep(ctx, backoff(min(n, 3))) != nil {
			break
		}
	}
	startGrace()
	defer grace.Stop()
	if err := m.failure(); err != nil {
		return fmt.Errorf("run member of group %s: %w", m.cfg.Group, err)
	}
	return nil
}

// Fail ends Run with err, for faults that the shape of work cannot repair. The first error counts. Run still stops in order.
func (m *Member) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLocked(err)
}

func (m *Member) failLocked(err error) {
	if m.fatal != nil || err == nil {
		return
	}
	m.fatal = err
	if m.cancelPoll != nil {
		m.cancelPoll()
	}
}

func (m *Member) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fatal
}

// Wake makes Run ask Work.Room and Work.Throttle now. It never blocks, and many calls cost as much as one.
func (m *Member) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakePending = true
	if m.cancelPoll != nil {
		m.cancelPoll()
	}
}
