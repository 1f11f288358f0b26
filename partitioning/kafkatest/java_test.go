package kafkatest_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"millrace/partitioning"
	"millrace/partitioning/kafkatest"
)

// keys returns n keys: those that millrace writes, and every length and kind of byte that murmur2 treats apart.
func keys(n int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, 0, n)
	for length := range 64 { // the empty key, and every remainder by 4
		all = append(all, bytes.Repeat([]byte{0xff}, length), bytes.Repeat([]byte{0}, length))
	}
	for i := 0; len(all) < n; i++ {
		switch i % 3 {
		case 0:
			all = append(all, fmt.Appendf(nil, "shop-%d.myshopify.com|order/%d", random.IntN(200), random.Int64()))
		case 1:
			all = append(all, fmt.Appendf(nil, "Ünïcode-店-%d|checkout/%x", i, random.Uint64()))
		default:
			key := make([]byte, random.IntN(200))
			for j := range key {
				key[j] = byte(random.Uint32())
			}
			all = append(all, key)
		}
	}
	return all
}

func TestPartitionAgreesWithTheJavaClientOn10000Keys(t *testing.T) {
	t.Parallel()
	libs := kafkatest.RequireLibs(t)
	counts := []int32{1, 6, 24, 1000}
	keys := keys(10_000)
	var stdin bytes.Buffer
	for _, k := range keys {
		fmt.Fprintln(&stdin, base64.StdEncoding.EncodeToString(k))
	}
	args := []string{"testdata/Partition.java"}
	for _, n := range counts {
		args = append(args, strconv.Itoa(int(n)))
	}
	lines := slices.Collect(strings.Lines(string(kafkatest.Java(t, libs, &stdin, args...))))
	if len(lines) != len(keys) {
		t.Fatalf("Java answered %d of %d keys", len(lines), len(keys))
	}
	different := 0
	for i, k := range keys {
		got := make([]string, len(counts))
		for j, n := range counts {
			got[j] = strconv.Itoa(int(partitioning.Partition(k, n)))
		}
		if want := strings.TrimSpace(lines[i]); strings.Join(got, " ") != want {
			if different++; different < 10 {
				t.Errorf("key %q of %v partitions: %v, Java says %s", k, counts, got, want)
			}
		}
	}
	if different > 0 {
		t.Errorf("%d of %d keys differ", different, len(keys))
	}
}
