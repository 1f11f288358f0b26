package console

import "context"

// Service is how one consumer group stands.
type Service struct {
	Name    string `json:"name"`
	Group   string `json:"group"`
	State   string `json:"state"` // of the group, as Kafka names it: Stable, Empty, PreparingRebalance …
	Members int    `json:"members"`
	// LagRecords and LagSeconds are how far it is behind: in records, and as the age of the oldest record not yet committed. Null
	// where it is not known.
	LagRecords *int64   `json:"lag_records"`
	LagSeconds *float64 `json:"lag_seconds"`
	// DeadLetters are those that are open, Retries the events that wait for another try. Null for a service that has neither, or
	// where they are not known (yet).
	DeadLetters *int64 `json:"dead_letters"`
	Retries     *int64 `json:"retries"`
	Error       string `json:"error,omitempty"` // why something is not known
}

// Services tells how the services stand. It is called from many goroutines, every other second by each page that is open, and must
// honour its context.
type Services func(ctx context.Context) ([]Service, error)
