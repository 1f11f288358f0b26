package kafkatest_test

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

// shown is what another client shows of a record.
type shown struct {
	Partition int32
	Key       string
	Headers   string // name:value,name:value
	Value     string
}

// writeEvent writes one event as ingest does, and returns what any client should show of it.
func writeEvent(t *testing.T, c *kafkatest.Cluster, topic string) shown {
	t.Helper()
	const partitions = 24
	c.CreateTopic(t, topic, partitions, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := schemas.Event{
		ID: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", Shop: "acme.myshopify.com", Topic: "orders/create",
		Subject: "order/820982911946154508", PartitionKey: "acme.myshopify.com|order/820982911946154508",
		Time: at, Received: at, ContentType: "application/json",
	}
	r := &kgo.Record{
		Topic: topic, Key: []byte(e.PartitionKey), Value: []byte(`{"id":820982911946154508,"name":"#9999 – Ünïcode 店","note":"a\tb"}`),
		Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &e),
	}
	cl := c.Client(t, kgo.RecordPartitioner(partitioning.Partitioner()))
	if err := cl.ProduceSync(withDeadline(t), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+":"+string(h.Value))
	}
	return shown{partitioning.Partition(r.Key, partitions), string(r.Key), strings.Join(headers, ","), string(r.Value)}
}

func TestJavaConsoleConsumerReadsAnEvent(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t)
	want := writeEvent(t, c, "shopify.orders")
	out := c.Java(
		t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", c.Brokers()[0], "--topic", "shopify.orders",
		"--from-beginning", "--max-messages", "1", "--timeout-ms", "60000",
		"--property", "print.partition=true", "--property", "print.key=true", "--property", "print.headers=true", "--property", "key.separator= ~ ",
	)
	fields := strings.Split(strings.TrimSuffix(string(out), "\n"), " ~ ")
	if len(fields) != 4 {
		t.Fatalf("got %d fields in %q, want partition, headers, key and value", len(fields), out)
	}
	got := shown{partitionNumber(t, strings.TrimPrefix(fields[0], "Partition:")), fields[2], fields[1], fields[3]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the console consumer shows (-want +got):\n%s", diff)
	}
}

func TestKcatReadsAnEvent(t *testing.T) {
	t.Parallel()
	kcat := requireKcat(t)
	c := kafkatest.Start(t)
	want := writeEvent(t, c, "shopify.orders")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, kcat, "-C", "-q", "-b", c.Brokers()[0], "-t", "shopify.orders", "-o", "beginning", "-c", "1",
		"-f", `%p ~ %h ~ %k ~ %s\n`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\n"), " ~ ")
	if len(fields) != 4 {
		t.Fatalf("got %d fields in %q, want partition, headers, key and value", len(fields), out)
	}
	got := shown{partitionNumber(t, fields[0]), fields[2], strings.ReplaceAll(fields[1], "=", ":"), fields[3]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what kcat shows (-want +got):\n%s", diff)
	}
}

func partitionNumber(t *testing.T, text string) int32 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		t.Fatalf("partition %q: %v", text, err)
	}
	return int32(n)
}

// requireKcat finds kcat, which Debian called kafkacat for years.
func requireKcat(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"kcat", "kafkacat"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "kcat is not installed; Debian and Ubuntu have it in the package kcat (formerly kafkacat)"
	if os.Getenv(kafkatest.ServicesEnv) == "required" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
