package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/consumers/internal/check"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
	"millrace/consumers/group/internal/schedule"
	"millrace/consumers/group/internal/state"
	"millrace/consumers/group/internal/txn"
	"millrace/consumers/group/member"
)

// Runtime is one process of a service; see the package comment. Run may be called once.
type Runtime struct {
	svc     Service
	cfg     Config
	kafka   []kgo.Opt
	logger  *slog.Logger
	metrics *metrics
	member  *member.Member
	emits   map[string]bool
	writer  string // see newWriter

	// Set by Run before anything else runs.
	producer *txn.Producer
	activity *activity // nil: none is written
	reader   *logread.Reader
	cache    state.Cache
	all      int // partitions of the service's topics

	rearm    chan struct{} // tells the clock that something is due earlier; capacity 1
	pace     chan struct{} // tells the pacer that there is something to run; capacity 1
	joined   atomic.Bool
	stopping atomic.Bool

	mu      sync.Mutex // guards all below, and every call of sched
	cond    *sync.Cond // something may be runnable, or the runtime ends
	sched   *schedule.Scheduler
	parts   map[member.TP]*partition
	nextDue time.Time            // what the clock waits for; zero: nothing
	idle    int                  // workers that wait
	ended   bool                 // workers return
	full    bool                 // the buffer is
	endedBy map[string]time.Time // when the transaction of a writer that is gone was ended

	// open is a transaction whose outcome is not known: nothing else is committed before it is. Guarded by the commit lock.
	open *unresolved
}

// partition is one owned source partition.
type partition struct {
	tp     member.TP
	sched  *schedule.Partition
	state  *state.Partition // nil: the service has none
	ctx    context.Context  //nolint:containedctx // the life of the partition at this member; handlers' contexts are its children
	cancel context.CancelCauseFunc
	load   chan struct{} // tells the loader that something is to be read; capacity 1
	done   chan struct{} // closed when the loader has ended
	paused bool          // not read on; guarded by Runtime.mu
	wrote  int64         // end of the retry log as a commit has moved it last, -1: none has; guarded by Runtime.mu
}

// Causes of the end of a handler's context, beside its own timeout.
var (
	errGone    = errors.New("the partition has been given to another member")
	errStopped = errors.New("the grace of the stop is over")
)

// New builds a runtime and starts nothing. Errors: those of Config.Validate, a service without name, topics or handler, missing
// Deps, impossible Kafka options.
func New(svc Service, cfg Config, d Deps) (*Runtime, error) {
	if err := validate(svc, cfg, d); err != nil {
		return nil, fmt.Errorf("new service %s: %w", svc.Name, err)
	}
	svc.State = svc.State || svc.Dedupe.WebhookIDs > 0 || svc.Dedupe.UpdatedAt != nil
	r := &Runtime{
		svc:     svc,
		cfg:     cfg,
		kafka:   d.Kafka,
		logger:  d.Logger.With("component", "group", "service", svc.Name),
		writer:  newWriter(cfg.Member.InstanceID),
		emits:   make(map[string]bool, len(svc.Emits)),
		rearm:   make(chan struct{}, 1),
		pace:    make(chan struct{}, 1),
		parts:   make(map[member.TP]*partition),
		endedBy: make(map[string]time.Time),
	}
	for _, t := range svc.Emits {
		r.emits[t] = true
	}
	r.cond = sync.NewCond(&r.mu)
	o := schedule.Options{MaxUnfinished: cfg.MaxUnfinished, Writer: r.writer}
	if svc.Priority != nil {
		o.Class = r.class
	}
	r.sched = schedule.New(o)
	registerer := prometheus.WrapRegistererWith(prometheus.Labels{"service": svc.Name}, d.Registerer)
	var err error
	r.member, err = member.New(cfg.Member, svc.Topics, r.work(), member.Deps{Kafka: d.Kafka, Logger: r.logger, Registerer: registerer})
	if err != nil {
		return nil, fmt.Errorf("new service %s: %w", svc.Name, err)
	}
	r.metrics = newMetrics(registerer, svc.Topics)
	return r, nil
}

func validate(svc Service, cfg Config, d Deps) error {
	p := check.Problems{cfg.Validate()}
	if svc.Name == "" || svc.Handler == nil || len(svc.Topics) == 0 {
		p.Report("a service needs Name, Topics and Handler")
	}
	if d.Logger == nil || d.Registerer == nil {
		p.Report("deps need Logger and Registerer")
	}
	for _, t := range slices.Concat(svc.Topics, svc.Emits) {
		if t == "" || strings.ContainsAny(t, " /") {
			p.Report("%q is not a Kafka topic", t)
		}
	}
	return p.Err()
}

// Run works until ctx ends: it then lets running handlers finish within Config.Member.StopGrace, commits and leaves the group; it returns
// nil then. Errors: ErrTopics when the topics of the service are not there or not alike; member.ErrEventsLost; member.ErrFenced.
func (r *Runtime) Run(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return fmt.Errorf("run service %s: %w", r.svc.Name, err)
	}
	defer r.close(ctx)
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("run service %s: %w", r.svc.Name, err)
	}
	// What runs outlives ctx by the grace.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for range r.cfg.Concurrency {
		running.Go(r.worker)
	}
	running.Go(func() { r.clock(life) })
	running.Go(func() { r.pacer(life) })
	running.Go(func() { r.committer(life) })
	running.Go(func() { r.observer(life) })
	if r.svc.Gate != nil {
		running.Go(func() { r.watchGate(life) })
	}
	r.logger.InfoContext(ctx, "consuming", "group", r.cfg.Member.Group, "topics", r.svc.Topics, "concurrency", r.cfg.Concurrency)
	err := r.member.Run(ctx)
	r.stopping.Store(true)
	end(errStopped)
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.cond.Broadcast()
	running.Wait()
	if err != nil {
		return fmt.Errorf("run service %s: %w", r.svc.Name, err)
	}
	return nil
}

// start waits for Kafka, checks the topics, and ends what a crash of this instance may have left open: its successor could not read the
// commits behind it.
func (r *Runtime) start(ctx context.Context) error {
	if err := r.checkTopics(ctx); err != nil {
		return err
	}
	if err := r.producer.Renew(ctx); err != nil {
		return fmt.Errorf("initialise the transactional producer: %w", err)
	}
	return nil
}

// Ready returns nil once the process is a member of its group, else why not.
func (r *Runtime) Ready(context.Context) error {
	switch {
	case r.stopping.Load():
		return errors.New("stopping")
	case !r.joined.Load():
		return fmt.Errorf("service %s has not joined its consumer group yet", r.svc.Name)
	default:
		return nil
	}
}

// connect makes what the member does not bring.
func (r *Runtime) connect(ctx context.Context) error {
	var err error
	if r.producer, err = txn.New(r.kafka, r.transactionalID(r.writer), r.transactionTimeout(), r.logger); err != nil {
		return fmt.Errorf("make the transactional producer: %w", err)
	}
	if r.activity, err = r.newActivity(); err != nil {
		r.producer.Close()
		return err
	}
	r.reader = logread.New(r.producer.Client())
	r.cache = state.Memory()
	if r.svc.State && r.cfg.State.Cache == CachePebble {
		if r.cache, err = state.Pebble(r.stateDir(), r.logger); err != nil {
			r.producer.Close()
			r.activity.close(ctx)
			return fmt.Errorf("open the cache of state: %w", err)
		}
	}
	return nil
}

// newWriter is the part of the transactional id that tells members apart. A stable one lets a restarted process end the transaction that
// its crash left open. Without an instance id there is none: two processes with the same id would fence each other for ever.
func newWriter(instanceID string) string {
	if instanceID != "" && len(instanceID) <= maxWriter {
		return instanceID
	}
	return uuid.NewString()
}

const maxWriter = 64

func (r *Runtime) transactionalID(writer string) string { return r.cfg.Member.Group + "-" + writer }

// transactionTimeout: an open transaction of a dead member hides its commits from its successor, so it should not last longer than
// the session.
func (r *Runtime) transactionTimeout() time.Duration {
	return max(r.cfg.Member.SessionTimeout, 2*r.cfg.Member.CommitTimeout)
}

// stateDir is a folder of this member alone: a second one could not open it.
func (r *Runtime) stateDir() string {
	if r.cfg.State.Dir != "" {
		return r.cfg.State.Dir
	}
	return filepath.Join(os.TempDir(), "millrace-state-"+r.transactionalID(r.writer))
}

func (r *Runtime) close(ctx context.Context) {
	r.activity.close(ctx)
	r.producer.Close()
	if err := r.cache.Close(); err != nil {
		r.logger.WarnContext(ctx, "close the cache of state", "err", err)
	}
	if r.cfg.State.Dir == "" && r.cfg.Member.InstanceID == "" {
		_ = os.RemoveAll(r.stateDir()) // nobody would find it again
	}
}

// share tells the gate how much of the work this process has. It is called with mu held, so that the gate hears of changes in their order.
func (r *Runtime) share() {
	if s, ok := r.svc.Gate.(Shared); ok {
		s.Share(len(r.parts), r.all)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
