package analytics

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/member"
)

// bounds is the range of offsets of one batch, start inclusive, end exclusive. The end counts, never the number of
// records: aborted transactions and control records leave gaps.
type bounds struct {
	topic      string
	partition  int32
	start, end int64
}

// token identifies the batch to ClickHouse: the same bounds inserted again are dropped.
func (b bounds) token() string {
	return b.topic + "/" + strconv.Itoa(int(b.partition)) + "/" + b.span()
}

func (b bounds) span() string {
	return strconv.FormatInt(b.start, 10) + "-" + strconv.FormatInt(b.end, 10)
}

// batch is what one insert carries.
type batch struct {
	bounds
	records []*kgo.Record
	bytes   int
	slot    bool // it holds one of Sink.slots
}

func (b *batch) mark() mark { return mark{start: b.start, end: b.end, records: len(b.records)} }

// partition is what the sink holds of one owned partition. All fields but gone and doubt are guarded by Sink.mu.
type partition struct {
	member.TP
	queue      []*kgo.Record // read and not yet in a batch, in order
	queueBytes int
	since      time.Time // when the head of the queue came, or later
	last       time.Time // when the tail of the queue came
	next       int64     // where the next batch starts: the end of the last one; -1 before the first record
	committed  int64     // the offset that the group has, as far as known; -1 unknown
	landed     int64     // the end of the last batch that is in ClickHouse; beyond committed: it waits to be finalised; -1 none
	landedAt   time.Time // when that was
	highWater  int64     // the end of what may be read, as of the last fetch; -1 unknown
	inFlight   *batch    // being inserted or replayed; at most one, so that offsets land in order
	idle       chan struct{}
	scale      int // of the size at which a batch is due; see dueSize
	settling   bool
	revoking   bool // no new batch
	paused     bool
	gone       chan struct{} // closed when the partition is no longer ours

	// doubt is set when it is unknown whether a commit has arrived. It is guarded by the commit lock.
	doubt bool
}

func newPartition(tp member.TP, committed int64) *partition {
	return &partition{TP: tp, next: committed, committed: committed, landed: -1, highWater: -1, gone: make(chan struct{})}
}

// recordBytes is what a record counts towards batch_bytes and buffer_bytes.
func recordBytes(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// push queues a record and returns its bytes. What lies before the next batch was replayed already and is read again, since
// the group's offset still is where the replay began.
func (p *partition) push(r *kgo.Record, now time.Time) int {
	if r.Offset < p.next {
		return 0
	}
	if len(p.queue) == 0 {
		p.since = now
	}
	if p.next < 0 {
		p.next = r.Offset
	}
	p.last = now
	n := recordBytes(r)
	p.queue = append(p.queue, r)
	p.queueBytes += n
	return n
}

// maxScale is the scale of a partition under load: its batches wait for batch_rows and batch_bytes, those of scale 0 for an
// eighth, but not for less than what an insert costs by itself.
const (
	maxScale      = 3
	leastDueRows  = 1000
	leastDueBytes = 512 << 10
)

// dueSize is the size at which a batch is due before its time is up. A partition whose batches reach it before their time
// waits for twice as much the next time; one whose batches have less than half of it when their time is up, for half. So a
// short burst is inserted soon, and under load inserts get fewer and larger. A batch that waits for its turn grows further,
// up to the largest size: the slower ClickHouse is, the larger the batches.
func (p *partition) dueSize(cfg Config) (rows, bytes int) {
	down := maxScale - p.scale
	return max(cfg.BatchRows>>down, min(cfg.BatchRows, leastDueRows)), max(cfg.BatchBytes>>down, min(cfg.BatchBytes, leastDueBytes))
}

func (p *partition) rescale(cfg Config, b *batch) {
	rows, bytes := p.dueSize(cfg)
	switch {
	case len(b.records)+len(p.queue) >= rows || b.bytes+p.queueBytes >= bytes:
		p.scale = min(p.scale+1, maxScale)
	case len(b.records) < rows/2 && b.bytes < bytes/2:
		p.scale = max(p.scale-1, 0)
	}
}

// dueAt returns when the queue should be inserted; ok is false when there is nothing to insert or a batch is under way.
func (p *partition) dueAt(cfg Config) (at time.Time, ok bool) {
	if len(p.queue) == 0 || p.inFlight != nil || p.settling || p.revoking {
		return time.Time{}, false
	}
	if rows, bytes := p.dueSize(cfg); len(p.queue) >= rows || p.queueBytes >= bytes {
		return p.since, true
	}
	return p.since.Add(cfg.BatchLinger), true
}

// cut takes the head of the queue, up to the limits and at least one record, as the batch in flight.
func (p *partition) cut(cfg Config) *batch {
	n, size := 0, 0
	for n < len(p.queue) && n < cfg.BatchRows {
		b := recordBytes(p.queue[n])
		if n > 0 && size+b > cfg.BatchBytes {
			break
		}
		size += b
		n++
	}
	b := &batch{
		bounds:  bounds{topic: p.Topic, partition: p.Partition, start: p.next, end: p.queue[n-1].Offset + 1},
		records: p.queue[:n:n],
		bytes:   size,
	}
	// A new slice, so that the records of the batch are not kept alive by the queue's array.
	p.queue = append([]*kgo.Record(nil), p.queue[n:]...)
	p.queueBytes -= size
	p.since = p.last
	p.next = b.end
	p.rescale(cfg, b)
	p.begin(b)
	return b
}

func (p *partition) begin(b *batch) {
	p.inFlight = b
	p.idle = make(chan struct{})
}

// full reports whether the partition holds more than it should while a batch is under way: two batches beside it.
func (p *partition) full(cfg Config) bool {
	return len(p.queue) >= 2*cfg.BatchRows || p.queueBytes >= 2*cfg.BatchBytes
}

// unsettled reports whether a batch that is in ClickHouse waits for the commit that says so.
func (p *partition) unsettled() bool {
	return p.landed > p.committed && p.inFlight == nil && !p.settling
}

// skipTo moves on to where the log begins by now, if that is beyond what was read; the partition holds nothing.
func (p *partition) skipTo(logStart int64) {
	if p.next >= 0 {
		p.next = max(p.next, logStart)
	}
	if p.committed >= 0 && p.landed <= p.committed {
		p.committed = max(p.committed, logStart)
	}
}

// oldest returns the first record that is not in ClickHouse, or nil.
func (p *partition) oldest() *kgo.Record {
	if p.inFlight != nil && len(p.inFlight.records) > 0 {
		return p.inFlight.records[0]
	}
	if len(p.queue) > 0 {
		return p.queue[0]
	}
	return nil
}

// lag returns the number of offsets not committed, or -1 when unknown.
func (p *partition) lag() int64 {
	from := p.committed
	if from < 0 {
		from = p.next
		if p.inFlight != nil {
			from = p.inFlight.start
		}
	}
	if from < 0 || p.highWater < 0 {
		return -1
	}
	return max(p.highWater-from, 0)
}
