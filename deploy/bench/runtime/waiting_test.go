package main

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/consumers/group"
)

func TestCheckFindsWhatIsLostRepeatedOrOutOfOrder(t *testing.T) {
	// Keys 1 and 2 take turns in partition 0, partition 1 has an event of key 3, and offset 4 is not one of those.
	places := &place{keys: [][]int32{{1, 2, 1, 2, -1}, {3}}}
	for name, tc := range map[string]struct {
		handled []entry
		want    handledOnce
	}{
		"all in order of their keys":                 {[]entry{{0, 1}, {1, 0}, {0, 0}, {0, 4}, {0, 3}, {0, 2}}, handledOnce{once: 5}},
		"one is lost":                                {[]entry{{0, 0}, {0, 1}, {0, 2}, {1, 0}}, handledOnce{once: 4, never: 1}},
		"one comes twice, which is out of order too": {[]entry{{0, 0}, {0, 1}, {0, 2}, {0, 2}, {0, 3}, {1, 0}}, handledOnce{once: 4, repeated: 1, inverted: 1}},
		"two of a key have swapped":                  {[]entry{{0, 2}, {0, 0}, {0, 1}, {0, 3}, {1, 0}}, handledOnce{once: 5, inverted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := memberSpec{Partitions: 2, Ledger: filepath.Join(t.TempDir(), "ledger")}
			h, err := newHandler(spec, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range tc.handled {
				if err := h.Handle(t.Context(), &group.Event{Partition: e.Partition, Offset: e.Offset}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.close(); err != nil {
				t.Fatal(err)
			}
			got, err := places.check(spec.Ledger)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(handledOnce{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
