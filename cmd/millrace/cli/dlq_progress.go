package cli

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barAfter is how long something may take before a bar is worth the flicker.
const barAfter = time.Second

// progress is a bar on a terminal, and nothing elsewhere. It is a writer too: what goes to the terminal through it does not
// mix with the bar.
type progress struct {
	out io.Writer

	mu    sync.Mutex
	stage string
	since time.Time
	bar   *progressbar.ProgressBar
}

func (p *progress) show(stage string, done, total int64) {
	if !isTerminal(p.out) || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage != stage {
		p.remove()
		p.stage, p.since = stage, time.Now()
	}
	if time.Since(p.since) < barAfter {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(stage), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	}
	// A failing terminal is no reason to stop.
	_ = p.bar.Set64(min(done, total))
}

// clear takes the bar away; the next show begins a new one.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove()
	p.stage = ""
}

func (p *progress) remove() {
	if p.bar != nil {
		_ = p.bar.Clear()
		_ = p.bar.Exit()
		p.bar = nil
	}
}

// Write writes a line above the bar.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	return p.out.Write(line)
}
