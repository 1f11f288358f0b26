package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/deploy/embedded"
	"millrace/deploy/embedded/filelock"
)

// brokerEnv makes the test binary a broker on the given directory, to be killed by a test.
const brokerEnv = "MILLRACE_BROKER_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerEnv); dir != "" {
		serveBroker(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func serveBroker(dir string) {
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir = "127.0.0.1:0", dir
	b, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = b.Start(context.Background())
	}
	if err != nil {
		panic(err)
	}
	fmt.Println(b.Addr())
	select {}
}

func startBroker(t *testing.T, dir string, change func(*embedded.BrokerConfig)) *embedded.Broker {
	t.Helper()
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir = "127.0.0.1:0", dir
	if change != nil {
		change(&cfg)
	}
	b, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("NewBroker() error: %v", err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatalf("Start() error: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close() error: %v", err)
		}
	})
	return b
}

func newClient(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.ProducerBatchMaxBytes(11 << 20), kgo.MetadataMinAge(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, cl *kgo.Client, topic string, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, -1, nil, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

func TestABodyOfTenMegabytesIsAccepted(t *testing.T) {
	b := startBroker(t, t.TempDir(), nil)
	cl := newClient(t, b.Addr(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	createTopic(t, cl, "big", 1)
	body := bytes.Repeat([]byte("x"), 10<<20)
	r := &kgo.Record{Topic: "big", Value: body, Headers: []kgo.RecordHeader{{Key: "h", Value: make([]byte, 8<<10)}}}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatalf("produce 10 MiB: %v", err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "big", Value: bytes.Repeat([]byte("x"), 10<<20+100<<10)}).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("produce more than that: error %v, want %v", err, kerr.MessageTooLarge)
	}
}

func TestTopicsAreNotMadeByAskingForThem(t *testing.T) {
	b := startBroker(t, t.TempDir(), nil)
	cl := newClient(t, b.Addr(), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord("x"), &kgo.Record{Topic: "misspelt"}).FirstErr(); err == nil {
		t.Error("a record without a topic went in")
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "misspelt"}).FirstErr(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("error %v, want %v", err, kerr.UnknownTopicOrPartition)
	}
}

func TestPartitionsAndSessionTimeoutAreThoseOfTheEmbeddedPlan(t *testing.T) {
	b := startBroker(t, t.TempDir(), nil)
	producer := newClient(t, b.Addr())
	createTopic(t, producer, "t", -1)
	topics, err := kadm.NewClient(producer).ListTopics(t.Context(), "t")
	if err != nil || len(topics["t"].Partitions) != 6 {
		t.Fatalf("topic %+v, error %v; want 6 partitions", topics["t"], err)
	}
	if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	member := newClient(t, b.Addr(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if f := member.PollFetches(t.Context()); f.Err() != nil || f.NumRecords() != 1 {
		t.Errorf("a group with a session of 1 s: %d records, error %v", f.NumRecords(), f.Err())
	}
}

func TestAcknowledgedRecordsAndOffsetsSurviveKill9(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), brokerEnv+"="+dir)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = server.Process.Kill()
			_ = server.Wait()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker's process says nothing: %v", err)
	}
	cl := newClient(t, strings.TrimSpace(line), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	createTopic(t, cl, "t", 1)
	const records = 500
	for i := range records {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte(strconv.Itoa(i))}).FirstErr(); err != nil {
			t.Fatalf("produce %d: %v", i, err)
		}
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: 123, LeaderEpoch: -1, Metadata: "v1|P|123|200|77"})
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
	kill()
	cl.Close()

	b := startBroker(t, dir, nil)
	cl = newClient(t, b.Addr(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	for want := 0; want < records; {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != strconv.Itoa(want) {
				t.Fatalf("record %d is %q", want, r.Value)
			}
			want++
		})
	}
	got, err := kadm.NewClient(cl).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.Lookup("t", 0); !ok || o.At != 123 || o.Metadata != "v1|P|123|200|77" {
		t.Errorf("committed offset %+v, want 123 with its metadata", o)
	}
}

func TestATakenPortIsAnErrorBeforeAnythingStarts(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir = l.Addr().String(), t.TempDir()+"/data"
	b, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), cfg.Addr) {
		t.Errorf("Run() error = %v, want address in use, with the address", err)
	}
	if _, err := os.Stat(cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory was touched: %v", err)
	}
}

func TestASecondBrokerOnTheSameDataIsRefused(t *testing.T) {
	dir := t.TempDir()
	startBroker(t, dir, nil)
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir = "127.0.0.1:0", dir
	b, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Run(ctx); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("Run() error = %v, want ErrHeld", err)
	}
}

func TestRunServesUntilItsContextEndsAndTheDataStay(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		cfg := embedded.DefaultBrokerConfig()
		cfg.Addr, cfg.DataDir, cfg.Fsync = "127.0.0.1:0", dir, true
		b, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		cl := newClient(t, b.Addr())
		if round == 0 {
			createTopic(t, cl, "t", 3)
		}
		topics, err := kadm.NewClient(cl).ListTopics(t.Context(), "t")
		if err != nil || len(topics["t"].Partitions) != 3 {
			t.Errorf("round %d: %d partitions, error %v", round, len(topics["t"].Partitions), err)
		}
		cl.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() error: %v", err)
		}
	}
}

func TestBrokerConfigReportsAllMistakesAtOnce(t *testing.T) {
	cfg := embedded.DefaultBrokerConfig()
	cfg.DataDir = "d"
	if err := cfg.Validate(); err != nil {
		t.Fatalf("the default configuration is wrong: %v", err)
	}
	err := embedded.BrokerConfig{Addr: "0.0.0.0:9092"}.Validate()
	for _, key := range []string{"addr ", "data_dir ", "partitions "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("Validate() error = %v, want a line that begins with %q", err, key)
		}
	}
}
