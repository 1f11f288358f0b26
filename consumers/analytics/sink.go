package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"millrace/consumers/analytics/database"
	"millrace/consumers/group/member"
)

// ErrEventsLost is returned by Run when Kafka no longer has the offset to read next and Config.OffsetOutOfRange is stop.
var ErrEventsLost = member.ErrEventsLost

// errDrainGrace ends the work that is left when the stop grace is over.
var errDrainGrace = errors.New("stop grace is over")

// Deps is what the program hands to a Sink.
type Deps struct {
	Kafka      []kgo.Opt    // connection: seed brokers, TLS, SASL, hooks that bear several clients; not group or topics
	ClickHouse *database.DB // from database.Config.Open; the caller closes it after Run
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// SkipReadBack leaves out what makes a repeated insert safe against a death of ClickHouse: the read-back and the
	// re-projection. It is for experiments that show the loss, and is no setting.
	SkipReadBack bool
}

// Sink is one member of the consumer group; see the package comment. Run may be called once.
type Sink struct {
	cfg          Config
	member       *member.Member
	kafka        []kgo.Opt // of the producer
	store        store
	logger       *slog.Logger
	metrics      *metrics
	limiter      *rate.Limiter
	skipReadBack bool        // no read-back: Deps.SkipReadBack
	stopped      func() bool // whether Run was told to stop; set by Run before anything else runs

	wake  chan struct{} // tells the dispatcher that something may be due; capacity 1
	slots chan struct{} // one element per insert under way
	// replays has one element per range of a predecessor that is held, settleLock one while idle commits are made.
	replays, settleLock chan struct{}

	mu         sync.Mutex
	producer   *kgo.Client // of dead letters; nil until it is needed
	partitions map[member.TP]*partition
	buffered   int           // bytes in queues and batches
	failing    int           // batches whose last try failed in a way that concerns the whole server
	recovered  chan struct{} // closed at the first success after failing > 0, then replaced
	stopping   bool
	allPaused  bool
}

// New builds a sink and starts nothing. Errors: those of Config.Validate, missing Deps, impossible Kafka options.
func New(cfg Config, d Deps) (*Sink, error) {
	if d.ClickHouse == nil {
		return nil, errors.New("new analytics sink: ClickHouse is required")
	}
	return newSink(cfg, d, clickHouseStore{db: d.ClickHouse})
}

func newSink(cfg Config, d Deps, st store) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new analytics sink: %w", err)
	}
	if d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("new analytics sink: Logger and Registerer are required")
	}
	s := &Sink{
		cfg:          cfg,
		store:        st,
		skipReadBack: d.SkipReadBack,
		logger:       d.Logger.With("component", "analytics"),
		limiter:      rate.NewLimiter(rate.Limit(cfg.InsertsPerSecond), max(cfg.InsertsPerSecond/4, 1)),
		wake:         make(chan struct{}, 1),
		slots:        make(chan struct{}, cfg.InsertConcurrency),
		replays:      make(chan struct{}, cfg.replays()),
		settleLock:   make(chan struct{}, 1),
		partitions:   make(map[member.TP]*partition),
		recovered:    make(chan struct{}),
	}
	s.kafka = producerOptions(d.Kafka)
	if err := kgo.ValidateOpts(s.kafka...); err != nil {
		return nil, fmt.Errorf("new analytics sink: kafka options: %w", err)
	}
	var err error
	s.member, err = member.New(cfg.Config, Topics(), work{s}, member.Deps{
		Kafka: d.Kafka, Logger: s.logger, Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"service": "analytics"}, d.Registerer),
	})
	if err != nil {
		return nil, fmt.Errorf("new analytics sink: %w", err)
	}
	s.metrics = newMetrics(d.Registerer)
	return s, nil
}

// Run joins the group and moves records until ctx ends, then inserts what it holds within the stop grace, commits and leaves; it
// returns nil then. While ClickHouse is away it waits. Errors: those of database.Check for which waiting does not help, when the
// tables are not this program's; those of member.Member.Run.
func (s *Sink) Run(ctx context.Context) error {
	if err := s.awaitStore(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop before it could begin
		}
		return fmt.Errorf("run analytics sink: %w", err)
	}
	s.promise(ctx)
	s.stopped = func() bool { return ctx.Err() != nil }
	// Work under way outlives ctx by the grace, so that a stop does not cut a batch in half.
	under, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.dispatch(under, &running) })
	running.Go(func() { s.observing(under) })
	running.Go(func() { s.settling(under) })
	err := s.member.Run(ctx) // all partitions are dropped when it returns
	cancel(errDrainGrace)
	running.Wait()
	s.closeProducer()
	if err != nil {
		return fmt.Errorf("run analytics sink: %w", err)
	}
	return nil
}

// awaitStore waits until ClickHouse answers and its tables are the program's.
func (s *Sink) awaitStore(ctx context.Context) error {
	for n := 0; ; n++ {
		try, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
		err := s.store.check(try)
		cancel()
		if err == nil {
			s.metrics.up.Set(1)
			return nil
		}
		if database.Final(err) {
			return err
		}
		s.metrics.up.Set(0)
		if n == 0 {
			s.logger.WarnContext(ctx, "waiting for clickhouse", "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return err
		}
	}
}

// promise logs what an operator may rely on.
func (s *Sink) promise(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	durable, err := s.store.durable(ctx)
	switch {
	case err != nil:
		s.logger.WarnContext(ctx, "it is unknown whether clickhouse writes inserts through to the disk", "err", err)
	case durable:
		s.logger.InfoContext(ctx, "each record becomes one row, once, also if sinks, kafka brokers, clickhouse or whole machines die: inserts are written through to the disk", "fsync", true)
	default:
		s.logger.InfoContext(ctx, "each record becomes one row, once, also if sinks, kafka brokers or clickhouse die; a machine that loses power may lose rows of its last seconds, or keep some twice: "+
			"clickhouse.fsync makes inserts survive that", "fsync", false)
	}
}

// drain makes everything held due and waits until it is inserted and committed, or ctx ends.
func (s *Sink) drain(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.signal()
	for {
		wait, records := s.unfinished()
		if records == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.logger.WarnContext(ctx, "stopped with records not inserted: they are read again at the next start", "records", records)
			return
		case <-wait:
		case <-time.After(10 * time.Millisecond): // queued and not yet dispatched
		}
	}
}

// unfinished returns the number of records held and, where a batch is in flight, the channel that tells its end.
func (s *Sink) unfinished() (wait chan struct{}, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions {
		records += len(p.queue)
		if p.inFlight != nil {
			records += len(p.inFlight.records)
			wait = p.idle
		}
	}
	return wait, records
}

// signal wakes the dispatcher.
func (s *Sink) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
