package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"millrace/deploy/embedded/filelock"
)

const (
	// maxMessageBytes takes a body of 10 MiB with its headers and the overhead of its batch, the same as the topic plan asks of
	// a real cluster. It is the limit for topics without one of their own.
	maxMessageBytes = 10<<20 + 64<<10
	// minSessionTimeout lets a consumer fail over in a second. Kafka's default of 6 s protects big clusters from small timeouts.
	minSessionTimeout = 500 * time.Millisecond
	// lockWait is how long a new broker waits for one that is still shutting down.
	lockWait = 5 * time.Second
)

// BrokerConfig is what an operator may change about the embedded broker.
type BrokerConfig struct {
	Addr       string `mapstructure:"addr" help:"Loopback address of the broker; port 0 picks a free one."`
	DataDir    string `mapstructure:"data_dir" help:"Directory of the topics and offsets; one broker at a time may use it."`
	Fsync      bool   `mapstructure:"fsync" help:"Whether a batch is on disk, not only with the operating system, before it is acknowledged."`
	Partitions int    `mapstructure:"partitions" help:"Partitions of a topic that is created without a number of its own."`
}

// DefaultBrokerConfig is a broker on Kafka's usual port. DataDir has no default.
func DefaultBrokerConfig() BrokerConfig {
	return BrokerConfig{Addr: "127.0.0.1:9092", Partitions: 6}
}

// Validate returns all problems at once, each beginning with its key.
func (c BrokerConfig) Validate() error {
	var errs []error
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		errs = append(errs, fmt.Errorf("addr must be host:port, is %q", c.Addr))
	} else if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		// A broker tells its clients the address they must use, and this one knows no other than that it listens on.
		errs = append(errs, fmt.Errorf("addr must name the one address that clients connect to, is %q", c.Addr))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir must not be empty"))
	}
	if c.Partitions < 1 {
		errs = append(errs, fmt.Errorf("partitions must be at least 1, is %d", c.Partitions))
	}
	return errors.Join(errs...)
}

// Broker is a Kafka-protocol broker in this process. Topics are not created by asking for them: a misspelt name is an error,
// as it is in production.
type Broker struct {
	cfg BrokerConfig
	log *slog.Logger

	listener net.Listener
	lock     *filelock.Lock
	cluster  *kfake.Cluster
}

// NewBroker checks cfg and builds a broker. It starts nothing.
func NewBroker(cfg BrokerConfig, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("broker configuration: %w", err)
	}
	if log == nil {
		return nil, errors.New("broker: a logger is missing")
	}
	return &Broker{cfg: cfg, log: log.With("component", "kafka")}, nil
}

// Listen binds the address, and so tells that it is taken before anything is started. Connections wait until Start. Calling
// it again does nothing.
func (b *Broker) Listen(ctx context.Context) error {
	if b.listener != nil {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", b.cfg.Addr)
	if err != nil {
		return fmt.Errorf("kafka broker: cannot listen on %s: %w", b.cfg.Addr, err)
	}
	b.listener = l
	return nil
}

// Start loads what is in DataDir, in about a second per gigabyte, and serves. It returns when clients can connect. The error
// wraps filelock.ErrHeld when another broker uses DataDir. After an error as after success, Close is called once.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.Listen(ctx); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := filelock.Acquire(wait, filepath.Clean(b.cfg.DataDir)+".lock", nil)
	if err != nil {
		return fmt.Errorf("kafka broker: data directory %s is in use: %w", b.cfg.DataDir, err)
	}
	b.lock = lock
	begin := time.Now()
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.listener, nil }),
		kfake.ClusterID("millrace-embedded"),
		kfake.DataDir(b.cfg.DataDir),
		kfake.DefaultNumPartitions(b.cfg.Partitions),
		kfake.GroupMinSessionTimeout(minSessionTimeout),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes":            strconv.Itoa(maxMessageBytes),
			"group.min.session.timeout.ms": strconv.FormatInt(minSessionTimeout.Milliseconds(), 10),
			"default.replication.factor":   "1",
		}),
		kfake.WithLogger(brokerLog{b.log}),
	}
	if b.cfg.Fsync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("kafka broker: open %s: %w", b.cfg.DataDir, err)
	}
	b.cluster = cluster
	b.log.InfoContext(ctx, "broker ready", "addr", b.Addr(), "data_dir", b.cfg.DataDir, "fsync", b.cfg.Fsync, "seconds", time.Since(begin).Seconds())
	return nil
}

// Addr is the bound address, host:port, once Listen has returned.
func (b *Broker) Addr() string { return b.listener.Addr().String() }

// Close stops serving, writes what makes the next start quick, and lets go of the data directory and the address. Clients
// must be closed before: what they send meanwhile is refused.
func (b *Broker) Close() error {
	var errs []error
	if b.cluster != nil {
		b.cluster.Close()
		b.cluster = nil
	}
	if b.listener != nil {
		if err := b.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close listener of the kafka broker: %w", err))
		}
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
		b.lock = nil
	}
	return errors.Join(errs...)
}

// Run is Start, a wait for the end of ctx, and Close.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.Start(ctx); err != nil {
		return errors.Join(err, b.Close())
	}
	<-ctx.Done()
	return b.Close()
}

// brokerLog passes on what an operator must hear about. The broker's lines on single requests are of no use to anyone.
type brokerLog struct{ log *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("broker error", "text", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("broker warning", "text", fmt.Sprintf(format, args...))
	default:
	}
}
