package schedule

import (
	"hash/maphash"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options are fixed for the life of a Scheduler.
type Options struct {
	// MaxUnfinished is how many events of a partition may be admitted and not finished; more wait, staged, in memory.
	MaxUnfinished int
	// Class gives the class of a record, below Classes; nil: all are 0.
	Class func(*kgo.Record) uint8
	// Writer is put into the metadata of every commit, at most 64 bytes; see Writer.
	Writer string
}

// maxWindow bounds the offsets of a partition between the lowest unfinished event and the last one admitted, for memory: 24 bytes each.
const maxWindow = 200_000

// Scheduler holds the partitions of one process. It is not safe for concurrent use.
type Scheduler struct {
	opts    Options
	seed    maphash.Seed
	parts   map[*Partition]struct{}
	ready   runQueue
	running int
	bytes   int
	spare   []*key // to be used again: at full speed a key lives for a few microseconds
	items   []*Item
}

// Partition is one source partition together with the retry partition that belongs to it.
type Partition struct {
	Topic  string
	Number int32
	Owner  any // the caller's

	progress progress
	keys     map[uint64]*key
	timers   timerHeap
	staged   []*kgo.Record
	pending  []*Completion // finished, and not in a commit yet
	loads    loadHeap      // keys whose room's front is due
	held     []*key        // keys whose room's front may come after an event that the source has still to bring

	stagedBytes int
	waiting     int   // entries in rooms
	parked      int   // keys whose front is parked
	retryEnd    int64 // the retry log is known up to here
	bytes       int
	running     int
	queued      int       // items in queues
	lastSpill   time.Time // see spill
	last        Position  // as committed
	closing     bool      // nothing more is dispatched
	gone        bool
	idle        chan struct{} // closed when closing and nothing runs
}

// Position is what the group holds for a partition.
type Position struct {
	Offset   int64 // the lowest unsettled offset
	Metadata string
	Retry    int64 // offset in the retry log below which nothing waits; part of Metadata
}

// New returns an empty scheduler.
func New(o Options) *Scheduler {
	return &Scheduler{opts: o, seed: maphash.MakeSeed(), parts: make(map[*Partition]struct{})}
}

// Hash is how keys are told apart here. Two keys that share a hash share an order, which does no harm.
func (s *Scheduler) Hash(k []byte) uint64 { return maphash.Bytes(s.seed, k) }

// Waiting is one event in the retry log.
type Waiting struct {
	Key    uint64 // Hash of the entity's key
	Offset int64  // source offset
	Log    int64  // offset in the retry log
	Due    time.Time
	Parked bool
	Aside  bool // it lets later ones pass
}

// Index is what waits in a retry partition, folded from its log record by record. It needs no lock.
type Index struct {
	keys map[uint64]*key
	n    int
	end  int64
}

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{keys: make(map[uint64]*key)} }

// Put adds an event, or replaces the record of it that is known.
func (x *Index) Put(w Waiting) {
	k := x.keys[w.Key]
	if k == nil {
		k = &key{hash: w.Key}
		x.keys[w.Key] = k
	}
	if k.add(w) {
		x.n++
	}
}

func (k *key) add(w Waiting) bool {
	e := entry{offset: w.Offset, log: w.Log, due: dueOf(w.Due, w.Parked)}
	if w.Aside {
		return k.putLate(e)
	}
	return k.put(e)
}

// Remove says that an event waits no longer.
func (x *Index) Remove(hash uint64, offset int64) {
	k := x.keys[hash]
	if k == nil {
		return
	}
	if k.drop(offset) {
		x.n--
	}
	if k.empty() {
		delete(x.keys, hash)
	}
}

// Len is how many events wait.
func (x *Index) Len() int { return x.n }

// End notes the offset up to which the log was read.
func (x *Index) End(offset int64) { x.end = max(x.end, offset) }

// Assign adds a partition. committed is what the group has, Offset -1 for nothing, and x what waits in its retry partition. The error
// says that the metadata cannot be read; it is then best to stop, since to go on would repeat events.
func (s *Scheduler) Assign(topic string, number int32, committed Committed, x *Index, now time.Time) (*Partition, error) {
	pr, err := restoreProgress(committed.Offset, committed.Metadata)
	if err != nil {
		return nil, err
	}
	p := &Partition{
		Topic: topic, Number: number, progress: pr, keys: x.keys, waiting: x.n, retryEnd: x.end,
		last: Position{Offset: committed.Offset, Metadata: committed.Metadata, Retry: RetryOffset(committed.Metadata)},
	}
	s.parts[p] = struct{}{}
	for _, k := range p.keys {
		s.settle(p, k, now)
	}
	return p, nil
}

// Committed is what the group has for a partition.
type Committed struct {
	Offset   int64
	Metadata string
}

// Close stops the dispatch of a partition's events. The channel is closed when none of them runs any more.
func (s *Scheduler) Close(p *Partition) <-chan struct{} {
	if p.idle == nil {
		p.closing, p.idle = true, make(chan struct{})
		if p.running == 0 {
			close(p.idle)
		}
	}
	return p.idle
}

// Drop forgets a partition. What runs goes on, and its outcome is ignored.
func (s *Scheduler) Drop(p *Partition) {
	if p.gone {
		return
	}
	s.Close(p)
	p.gone = true
	delete(s.parts, p)
	s.bytes -= p.bytes
	p.bytes = 0
	p.staged, p.pending, p.loads, p.held, p.keys, p.timers = nil, nil, nil, nil, nil, nil
}

// Gone tells whether p was dropped.
func (p *Partition) Gone() bool { return p.gone }

// Bytes is what all events in memory weigh.
func (s *Scheduler) Bytes() int { return s.bytes }

// Running is how many events run.
func (s *Scheduler) Running() int { return s.running }

func (s *Scheduler) hold(p *Partition, n int) {
	p.bytes += n
	s.bytes += n
}

// weight is what a record counts towards the budget: its bytes, and what holds them here and in the client (measured: about as much
// again for an event of 1 KB). Headers are counted by their usual size, since the sum is made twice per event.
func weight(r *kgo.Record) int {
	return 1024 + len(r.Key) + len(r.Value) + 80*len(r.Headers)
}
