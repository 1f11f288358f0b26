package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"millrace/consumers/internal/pause"
)

func TestBackoffDoublesWithinItsBoundsAndIsHalfRandom(t *testing.T) {
	const least, most = 100 * time.Millisecond, 5 * time.Second
	for n, full := range map[int]time.Duration{0: least, 1: 2 * least, 5: 32 * least, 6: most, 29: most, 100: most} {
		for range 100 {
			if d := pause.Backoff(n, least, most); d < full/2 || d > full {
				t.Fatalf("Backoff(%d) = %s, want from %s to %s", n, d, full/2, full)
			}
		}
	}
}

func TestWhatIsOlderWaitsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for age, want := range map[time.Duration]time.Duration{0: time.Second, 20 * time.Second: 5 * time.Second, time.Hour: time.Minute} {
			if got := pause.ByAge(time.Now().Add(-age)); got != want {
				t.Errorf("an event that came %s ago waits for %s, want %s", age, got, want)
			}
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := pause.Sleep(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("Sleep() = %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := pause.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep() = %v", err)
		}
	})
}
