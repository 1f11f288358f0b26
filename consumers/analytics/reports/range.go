package reports

import (
	"errors"
	"fmt"
	"time"
)

// Limits of what may be asked.
const (
	// MaxPoints bounds the points of a series: more than a screen has pixels for.
	MaxPoints = 1500
	// MaxRange is the longest range: ten years.
	MaxRange = 10 * 366 * 24 * time.Hour
	// MaxFine is the longest range with points shorter than a minute, which are counted from the events themselves.
	MaxFine = 2 * time.Hour
	// WholeDays is the shortest range that begins with a day (UTC).
	WholeDays = 7 * day
	// MaxLimit bounds every list.
	MaxLimit = 500
)

const day = 24 * time.Hour

// ErrBadRequest is returned (wrapped, with a sentence that names what is wrong) when a question is outside of the limits.
var ErrBadRequest = errors.New("bad request")

// Range is the time that a question is about, from From up to but without To, and how finely a series divides it. Times of
// events are their times of receipt; times of orders are when they were created.
type Range struct {
	From, To time.Time
	// Step is the length of one point: whole minutes, or whole seconds of which a minute is a multiple in ranges up to MaxFine; 0 for
	// one that gives some hundred points. The first point begins at the last multiple of Step before From.
	Step time.Duration
}

// steps are the lengths of a point that are chosen from: each divides the next or a day, so that points fall on round times.
func steps() []time.Duration {
	return []time.Duration{
		5 * time.Second, 10 * time.Second, 20 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 7 * day, 28 * day,
	}
}

// fewPoints is what an automatic step aims at: enough for a curve, few enough to read in an instant.
const fewPoints = 180

// Checked returns r with its step chosen, or an error that wraps ErrBadRequest. From WholeDays on it begins with the day: days are what
// sums are kept of, and whoever asks for 30 days means days, and not from this minute on.
func (r Range) Checked() (Range, error) {
	r = r.widened()
	length := r.To.Sub(r.From)
	switch {
	case r.From.IsZero() || r.To.IsZero():
		return r, fmt.Errorf("%w: from and to must be set", ErrBadRequest)
	case length <= 0:
		return r, fmt.Errorf("%w: from must be before to", ErrBadRequest)
	case length > MaxRange:
		return r, fmt.Errorf("%w: the range must not be longer than %d days", ErrBadRequest, int(MaxRange.Hours()/24))
	case r.From.Unix() < 0 || r.To.Year() > 2200:
		// ClickHouse's DateTime64 with nanoseconds ends in 2262.
		return r, fmt.Errorf("%w: from and to must be between 1970 and 2200", ErrBadRequest)
	}
	if r.Step == 0 {
		all := steps()
		r.Step = all[len(all)-1]
		for _, s := range all {
			if length <= fewPoints*s && (s >= time.Minute || length <= MaxFine) {
				r.Step = s
				break
			}
		}
	}
	switch {
	case r.Step >= time.Minute && r.Step%time.Minute == 0:
	case r.Step >= time.Second && r.Step%time.Second == 0 && time.Minute%r.Step == 0 && length <= MaxFine:
	default:
		return r, fmt.Errorf("%w: step must be a whole number of minutes, or in ranges up to %s a part of a minute in whole seconds", ErrBadRequest, MaxFine)
	}
	if length > MaxPoints*r.Step {
		return r, fmt.Errorf("%w: step %s gives more than %d points", ErrBadRequest, r.Step, MaxPoints)
	}
	return r, nil
}

// widened makes a long range begin with a day.
func (r Range) widened() Range {
	if !r.From.IsZero() && r.long() {
		r.From = r.From.UTC().Truncate(day)
	}
	return r
}

func (r Range) long() bool { return r.To.Sub(r.From) >= WholeDays }

// fine tells whether points are shorter than a minute.
func (r Range) fine() bool { return r.Step < time.Minute }

// first is the beginning of the first point, in seconds since 1970.
func (r Range) first() int64 {
	step := int64(r.Step / time.Second)
	return r.From.Unix() / step * step
}

// times are the beginnings of all points, in seconds since 1970.
func (r Range) times() []int64 {
	step := int64(r.Step / time.Second)
	// A To with a fraction of a second begins one more.
	end := r.To.Add(time.Second - 1).Unix()
	times := make([]int64, 0, (end-r.first())/step+1)
	for t := r.first(); t < end; t += step {
		times = append(times, t)
	}
	return times
}
