package txn

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// End aborts what is open under a transactional id, and fences whoever has it. It is for the id of a member that is believed dead;
// one that is alive finds its transaction aborted, and makes its producer anew.
func End(ctx context.Context, opts []kgo.Opt, id string, timeout time.Duration) error {
	cl, err := kgo.NewClient(options(opts, id, timeout)...)
	if err != nil {
		return fmt.Errorf("end the transaction of %s: %w", id, err)
	}
	defer cl.Close()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("end the transaction of %s: %w", id, err)
	}
	return nil
}
