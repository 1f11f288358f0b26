package saga

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/internal/child"
	"millrace/deploy/internal/pause"
)

// partners are `storesim backends` as a process.
type partners struct {
	process                        *child.Process
	Stock, Payment, Carrier, Admin string // URLs, as the program prints them
}

const (
	partnersName   = "partners"
	partnersWithin = 30 * time.Second
)

func startPartners(ctx context.Context, o *Options) (*partners, error) {
	faults := fmt.Sprintf("error_rate=%g,timeout_rate=%g,lost_answer_rate=%g,latency=2ms,jitter=20ms", o.Error, o.Timeout, o.LostAnswer)
	p := &partners{}
	var err error
	p.process, err = child.Program(ctx, partnersName, o.Dir, filepath.Join(o.Bin, "storesim"), "backends", "--json", "--free-ports",
		"--seed", strconv.FormatUint(o.Seed, 10), "--ledger", filepath.Join(o.Dir, "effects.jsonl"), "--carrier-ship-after", o.ShipAfter.String(),
		"--fault", "stock:insufficient_skus="+soldOutSKU+","+faults, "--fault", "payment:"+faults, "--fault", "carrier:"+faults,
		"--fault", "payment/"+shopName(0)+":refuse,only=charge,latency=2ms")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, partnersWithin)
	defer cancel()
	for !p.ready(o.Dir) {
		select {
		case <-p.process.Done():
			return nil, fmt.Errorf("%s ended while starting: %w (see %s.log in %s)", partnersName, p.process.Err(), partnersName, o.Dir)
		default:
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return nil, errors.Join(fmt.Errorf("%s is not ready: %w", partnersName, err), p.stop())
		}
	}
	return p, nil
}

// ready reads the addresses from what the program prints.
func (p *partners) ready(dir string) bool {
	log, err := os.Open(filepath.Join(dir, partnersName+".log")) //nolint:gosec // a folder of ours
	if err != nil {
		return false
	}
	defer log.Close()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if json.Unmarshal(lines.Bytes(), p) == nil && p.Admin != "" {
			return true
		}
	}
	return false
}

func (p *partners) stop() error { return p.process.End(syscall.SIGTERM) }

// account reads the effects and the permanent refusals.
func (p *partners) account(ctx context.Context, in *check.Input) error {
	var effects struct {
		Entries []check.Effect `json:"entries"`
	}
	var refused struct {
		Refusals []check.Refusal `json:"refusals"`
	}
	if err := p.get(ctx, "/ledger?limit=0", &effects); err != nil {
		return err
	}
	if err := p.get(ctx, "/ledger/refused?limit=0", &refused); err != nil {
		return err
	}
	in.Effects, in.Refusals = effects.Entries, refused.Refusals
	return nil
}

func (p *partners) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Admin+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the partners for %s: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the partners for %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the partners for %s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the partners' answer to %s: %w", path, err)
	}
	return nil
}
