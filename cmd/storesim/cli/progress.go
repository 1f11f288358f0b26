package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// state is what a display shows. Total 0: no end is known.
type state struct {
	done, total int64
	text        string
}

const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 5 * time.Second
)

// watch shows progress on out until the returned function is called: a bar on a terminal, else a plain line now and then, so
// that logs stay readable. It calls now from its own goroutine.
func watch(out io.Writer, now func() state) (stop func()) {
	show, interval, finish := lines(out), lineInterval, func() {}
	if isTerminal(out) {
		show, finish = bar(out)
		interval = barInterval
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(now())
			case <-quit:
				finish()
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(quit)
		wg.Wait()
	})
}

func lines(out io.Writer) func(state) {
	return func(s state) {
		if s.total > 0 {
			fmt.Fprintf(out, "%s  %d of %d (%d%%)\n", s.text, s.done, s.total, s.done*100/s.total)
			return
		}
		fmt.Fprintf(out, "%s  %d\n", s.text, s.done)
	}
}

// bar draws a bar, or a spinner while no end is known. The bar is taken away at the end: the result stands in its place.
func bar(out io.Writer) (show func(state), finish func()) {
	var b *progressbar.ProgressBar
	total := int64(0)
	show = func(s state) {
		max := s.total
		if max <= 0 {
			max = -1
		}
		if b == nil || total != max {
			total = max
			// No interval for the spinner: it would turn in a goroutine that nobody waits for; here each drawing turns it.
			b = progressbar.NewOptions64(max, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSetPredictTime(max > 0), progressbar.OptionThrottle(barInterval/2))
		}
		b.Describe(s.text)
		// A failing terminal is no reason to stop the run.
		_ = b.Set64(s.done)
	}
	return show, func() {
		if b != nil {
			_ = b.Finish()
		}
	}
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
