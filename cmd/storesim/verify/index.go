package verify

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"unique"

	"millrace/cmd/storesim/ledger"
)

// text is a string that many records share.
type text = unique.Handle[string]

// expected is one ledger line, and what was found of it.
type expected struct {
	id                  string
	shop, topic, entity text
	sum                 [32]byte
	acked               bool
	storable            int
	first, ack          int64 // stamps; ack 0: never acknowledged

	rows   int
	at     coordinate   // smallest offset seen
	others []coordinate // of the further rows
}

// coordinate is the place of a Kafka record.
type coordinate struct {
	topic     text
	partition int32
	offset    int64
}

// index is the whole ledger by webhook id.
type index struct {
	all      []expected
	byID     map[string]int
	acked    int
	torn     bool
	byStatus map[ledger.Status]int
}

// load reads a ledger. A torn last line is noted and passed over; anything else unreadable is an error.
func load(path string) (*index, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	defer f.Close()
	x := &index{byID: map[string]int{}, byStatus: map[ledger.Status]int{}}
	for e, err := range ledger.Read(f) {
		switch {
		case errors.Is(err, ledger.ErrTorn):
			x.torn = true
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		default:
			if err := x.add(e); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return x, nil
}

func (x *index) add(e *ledger.Entry) error {
	if _, twice := x.byID[e.WebhookID]; twice {
		return fmt.Errorf("webhook %s has two lines: two runs with the same seed do not belong into one ledger", e.WebhookID)
	}
	v := expected{
		id: e.WebhookID, shop: unique.Make(e.Shop), topic: unique.Make(e.Topic), entity: unique.Make(e.Entity),
		acked: e.Acked, storable: e.Storable, first: e.FirstStamp(), ack: e.AckStamp(),
	}
	if n, err := hex.Decode(v.sum[:], []byte(e.BodySHA256)); err != nil || n != len(v.sum) {
		return fmt.Errorf("webhook %s: body_sha256 %q is not a SHA-256 in hex", e.WebhookID, e.BodySHA256)
	}
	if v.acked {
		x.acked++
	}
	x.byStatus[e.Status]++
	x.byID[v.id] = len(x.all)
	x.all = append(x.all, v)
	return nil
}
