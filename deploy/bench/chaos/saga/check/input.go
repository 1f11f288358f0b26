package check

import "millrace/deploy/bench/chaos/saga/gate"

// Fate is what the partners will do about an order, known from its beginning.
type Fate string

// The fates.
const (
	Good          Fate = "good"
	SoldOut       Fate = "sold out"      // the stock refuses
	Declined      Fate = "declined"      // the payment refuses
	Undeliverable Fate = "undeliverable" // the carrier refuses
)

// Version is what an order was at some time.
type Version struct {
	Total string
	Units int64
}

// Order is one of the load.
type Order struct {
	gate.Order

	Fate      Fate
	Versions  []Version // an edited one has two
	Cancelled bool      // by the shop, at some time
}

// Kinds of effects, as the partners' account has them.
const (
	Reserved  = "reserved"
	Released  = "released"
	Charged   = "charged"
	Refunded  = "refunded"
	Shipped   = "shipment"
	Cancelled = "shipment_cancelled"
	Nothing   = "nothing"
)

// Effect is a line of the partners' account. The JSON is that of their admin API.
type Effect struct {
	Kind      string   `json:"kind"`
	Seq       int64    `json:"seq"`
	Shop      string   `json:"shop"`
	Order     string   `json:"order"`
	Amount    string   `json:"amount"`
	Lines     []Line   `json:"lines"`
	Anomalies []string `json:"anomalies"`
}

// Line is a quantity of goods.
type Line struct {
	Quantity int64 `json:"quantity"`
}

// Refusal is a permanent answer of a partner, likewise.
type Refusal struct {
	Backend string `json:"backend"`
	Key     string `json:"key"`
	Shop    string `json:"shop"`
	Order   string `json:"order"`
	Reason  string `json:"reason"`
}

// Run is one as `millrace saga list --json` shows it.
type Run struct {
	Shop  string `json:"shop"`
	Order string `json:"order_id"`
	Phase string `json:"phase"`
}

// Phases of runs.
const (
	Completed   = "completed"
	Compensated = "compensated"
	Parked      = "parked"
)

// Fact is an event of the event store.
type Fact struct {
	Order gate.Order
	Type  string
	Seq   int64 // of events of the saga
}

// Input is what is compared.
type Input struct {
	Orders       []Order
	Effects      []Effect
	Refusals     []Refusal
	Runs, Parked []Run  // of all phases, and as --parked lists them
	Facts        []Fact // each order's in their order
	Letters      []gate.Order
	Stray        int // dead letters of other groups, and some that are about no order
}

// Result is the outcome of one check.
type Result struct {
	Name     string
	Count    int
	Examples []string
	Remark   string // what was looked at
}

// mostExamples bounds what a report shows.
const mostExamples = 10

func (r *Result) add(example string) {
	if r.Count++; len(r.Examples) < mostExamples {
		r.Examples = append(r.Examples, example)
	}
}
