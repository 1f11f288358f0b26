package fetch

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 2 * time.Second
)

// progress shows how many bytes of something are done.
type progress struct {
	out   io.Writer
	what  string
	total int64 // 0 is unknown
	bar   *progressbar.ProgressBar
}

func newProgress(out io.Writer, what string, total int64) *progress {
	p := &progress{out: out, what: what, total: total}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		size := total
		if size == 0 {
			size = -1
		}
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(barInterval))
	}
	return p
}

// watch asks done for the number of bytes until the returned function is called, which says whether all went well.
func (p *progress) watch(done func() int64) func(good bool) {
	quit := make(chan struct{})
	var running sync.WaitGroup
	interval := lineInterval
	if p.bar != nil {
		interval = barInterval
	} else {
		_, _ = fmt.Fprintf(p.out, "%s\n", p.what)
	}
	begin := time.Now()
	running.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show(done(), time.Since(begin))
			case <-quit:
				return
			}
		}
	})
	return func(good bool) {
		close(quit)
		running.Wait()
		switch {
		case p.bar != nil && good:
			_ = p.bar.Finish()
		case p.bar != nil:
			_ = p.bar.Exit()
		}
	}
}

func (p *progress) show(done int64, elapsed time.Duration) {
	if p.total > 0 {
		done = min(done, p.total) // npm writes the archive twice
	}
	if p.bar != nil {
		_ = p.bar.Set64(done)
		return
	}
	_, _ = fmt.Fprintf(p.out, "%s: %d MiB%s, %.0f s\n", p.what, done>>20, p.of(), elapsed.Seconds())
}

func (p *progress) of() string {
	if p.total == 0 {
		return ""
	}
	return fmt.Sprintf(" of %d MiB", p.total>>20)
}
