package partitioning_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
)

// TestPartitionAgreesWithTheJavaClient reads what the Java client 4.1.0 said (BuiltInPartitioner.partitionForKey). The same
// comparison over many more keys, with the client itself, is in kafkatest.
func TestPartitionAgreesWithTheJavaClient(t *testing.T) {
	golden, err := os.ReadFile("testdata/murmur2.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(golden), "\n"), "\n")
	if len(lines) < 20 {
		t.Fatalf("only %d lines of test vectors", len(lines))
	}
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		key := []byte(fields[0])
		for i, partitions := range []int32{1, 6, 24, 1000} {
			want, err := strconv.Atoi(fields[2+i])
			if err != nil {
				t.Fatal(err)
			}
			if got := partitioning.Partition(key, partitions); int(got) != want {
				t.Errorf("key %q of %d partitions: %d, the Java client says %d", key, partitions, got, want)
			}
			producer := partitioning.Partitioner().ForTopic("shopify.orders")
			if got := producer.Partition(&kgo.Record{Key: key}, int(partitions)); got != want {
				t.Errorf("key %q of %d partitions: the producer chooses %d, the Java client %d", key, partitions, got, want)
			}
		}
	}
}

func TestPartitionOfANilKeyIsThatOfAnEmptyOne(t *testing.T) {
	if a, b := partitioning.Partition(nil, 24), partitioning.Partition([]byte{}, 24); a != b {
		t.Errorf("nil goes to %d, empty to %d", a, b)
	}
}

func TestPartitionPanicsWithoutPartitions(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	partitioning.Partition([]byte("k"), 0)
}

func TestKeysOfOneShopSpreadOverAllPartitions(t *testing.T) {
	const partitions, orders = 24, 24_000
	var count [partitions]int
	for i := range orders {
		r, err := partitioning.For("acme.myshopify.com", "orders/create", []byte(`{"id":`+strconv.Itoa(5_000_000_000_000+i)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		count[partitioning.Partition([]byte(r.Key), partitions)]++
	}
	for p, n := range count {
		if n < orders/partitions*8/10 || n > orders/partitions*12/10 {
			t.Errorf("partition %d has %d of %d orders, want about %d", p, n, orders, orders/partitions)
		}
	}
}
