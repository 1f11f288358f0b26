package group_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"millrace/consumers/group"
)

func TestAHandlerCanReadVerdicts(t *testing.T) {
	for _, tt := range []struct {
		err       error
		permanent bool
		wait      time.Duration // -1: none
	}{
		{nil, false, -1},
		{errors.New("x"), false, -1},
		{group.Skip("x"), false, -1},
		{fmt.Errorf("x: %w", group.Permanent(nil)), true, -1},
		{group.Permanent(group.NotReady(time.Second, "x")), true, -1},
		{fmt.Errorf("x: %w", group.NotReady(time.Second, "x")), false, time.Second},
		{group.Unavailable(0, nil), false, 0},
	} {
		wait, ok := group.Wait(tt.err)
		if !ok {
			wait = -1
		}
		if got := group.IsPermanent(tt.err); got != tt.permanent || wait != tt.wait {
			t.Errorf("%v: permanent %v, wait %s; want %v, %s", tt.err, got, wait, tt.permanent, tt.wait)
		}
	}
}
