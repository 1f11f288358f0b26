package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ErrTorn is yielded (wrapped) by Read, as the last thing, when the ledger ends in a line without its newline: the
// simulator was killed while it wrote. All entries before it are good.
var ErrTorn = errors.New("the last line is torn")

// Read yields the entries of a ledger one by one. After a pair with an error it ends; errors carry the line number. The
// entry is only good until the next step: the caller copies what it keeps.
func Read(r io.Reader) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		in := bufio.NewReaderSize(r, 256<<10)
		for line := 1; ; line++ {
			text, err := in.ReadBytes('\n')
			switch {
			case errors.Is(err, io.EOF) && len(text) == 0:
				return
			case errors.Is(err, io.EOF):
				yield(nil, fmt.Errorf("ledger line %d: %w", line, ErrTorn))
				return
			case err != nil:
				yield(nil, fmt.Errorf("read ledger line %d: %w", line, err))
				return
			}
			var e Entry
			if err := json.Unmarshal(text, &e); err != nil {
				yield(nil, fmt.Errorf("read ledger line %d: %w", line, err))
				return
			}
			if e.WebhookID == "" || e.Shop == "" || e.Entity == "" {
				yield(nil, fmt.Errorf("read ledger line %d: webhook_id, shop or entity is missing: not a line of a storesim ledger", line))
				return
			}
			if !yield(&e, nil) {
				return
			}
		}
	}
}
