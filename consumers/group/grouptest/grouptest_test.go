package grouptest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"millrace/consumers/group"
	"millrace/schemas"
)

func TestVerdictReadsWhatPackageGroupMakes(t *testing.T) {
	cause := errors.New("cause")
	for _, tc := range []struct {
		err  error
		want Outcome
	}{
		{nil, Outcome{Kind: Done}},
		{cause, Outcome{Kind: Retry}},
		{group.Skip("not_for_us"), Outcome{Kind: Skipped, Reason: "not_for_us"}},
		{group.Permanent(cause), Outcome{Kind: Permanent}},
		{group.NotReady(time.Second, "order %d", 1), Outcome{Kind: NotReady, After: time.Second}},
		{group.Unavailable(time.Minute, cause), Outcome{Kind: Unavailable, After: time.Minute}},
		{fmt.Errorf("x: %w", group.Keep(group.Unavailable(time.Minute, cause))), Outcome{Kind: Unavailable, After: time.Minute, Kept: true}},
		{group.Keep(group.Permanent(cause)), Outcome{Kind: Permanent}},
		{group.Keep(nil), Outcome{Kind: Done}},
		{fmt.Errorf("x: %w", group.Permanent(group.Skip("inner"))), Outcome{Kind: Permanent}},
		{errors.Join(cause, group.Skip("joined")), Outcome{Kind: Skipped, Reason: "joined"}},
	} {
		got := Verdict(tc.err)
		if !errors.Is(got.Err, tc.err) {
			t.Errorf("Verdict(%v).Err = %v", tc.err, got.Err)
		}
		got.Err = nil
		if got != tc.want {
			t.Errorf("Verdict(%v) = %+v, want %+v", tc.err, got, tc.want)
		}
	}
}

func TestUnitKeepsWhatWasDoneAndThrowsAwayWhatFailed(t *testing.T) {
	verdict := error(nil)
	h := group.HandlerFunc(func(_ context.Context, _ *group.Event, u group.UnitOfWork) error {
		if err := u.State().Set(append(u.State().Get(), 'x')); err != nil {
			return err
		}
		if err := u.Emit(group.Record{Topic: "out"}); err != nil {
			return err
		}
		return verdict
	})
	u := &Unit{Topics: []string{"out"}}
	for i, tc := range []struct {
		verdict error
		kept    int
	}{{nil, 1}, {errors.New("x"), 1}, {group.NotReady(1, "x"), 1}, {group.Skip("x"), 2}, {group.Keep(group.Unavailable(1, errors.New("x"))), 3}, {group.Keep(errors.New("x")), 3}} {
		verdict = tc.verdict
		u.Handle(t.Context(), h, &group.Event{})
		if len(u.StateValue) != tc.kept || len(u.Emitted) != tc.kept {
			t.Errorf("%d: state %q, %d emitted, want %d of each", i, u.StateValue, len(u.Emitted), tc.kept)
		}
	}
	verdict = nil
	if out := (&Unit{Stateless: true}).Handle(t.Context(), h, &group.Event{}); out.Kind != Permanent {
		t.Errorf("state without state: %+v, want permanent", out)
	}
	if out := (&Unit{Topics: []string{}}).Handle(t.Context(), h, &group.Event{}); out.Kind != Permanent {
		t.Errorf("emit to an unnamed topic: %+v, want permanent", out)
	}
	if err := (&Unit{}).Emit(group.Record{Value: make([]byte, schemas.MaxMessageBytes+1)}); Verdict(err).Kind != Permanent {
		t.Errorf("emit of a record that is too large: %v, want permanent", err)
	}
}
