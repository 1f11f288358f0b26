package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/deploy/embedded/filelock"
	"millrace/schemas"
	"millrace/schemas/secret"
)

func (a *app) devCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, with an embedded Kafka and ClickHouse",
		Long: "Run the receiver, the consumer, the console, a Kafka-protocol broker and the real ClickHouse engine on this machine, on\n" +
			"loopback, with all data in one folder that survives restarts. --kafka-brokers or --clickhouse-url use a running server\n" +
			"instead. --services runs services on the events too, against what `storesim backends` serves unless told otherwise;\n" +
			"with --simulate, inventory, notifications, translate and orderstate run without being named, and this process plays those\n" +
			"whom services call and whose address is not given; they take everything.\n" +
			"The first start fetches the ClickHouse engine (166 MB) with npm.",
		Example: "  millrace dev --simulate 20 --open\n" +
			"  millrace dev --services inventory,notifications   # with `storesim backends` in another terminal\n" +
			"  millrace dev --http 127.0.0.1:9000 --data /var/tmp/millrace --fsync\n" +
			"  millrace dev --kafka-brokers k1:9092 --clickhouse-url http://ch1:8123",
		Args: cobra.NoArgs,
	}
	sections := slices.Concat([]string{"dev", "ingest", "kafka", "topics", "clickhouse", "analytics"}, serviceSections(), []string{"console", "admin", "log"})
	s := a.use(cmd, sections, devDefaults, map[string]string{
		"dev.kafka": "kafka", "dev.clickhouse": "clickhouse", "dev.data": "data", "dev.simulate": "simulate", "dev.fsync": "fsync", "dev.services": "services", "dev.open": "open",
		"ingest.listen": "http", "ingest.secrets": "secret",
		"console.listen": "console",
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.load()
		if err != nil {
			return err
		}
		d := a.newDev(l)
		if err := d.check(s.sections); err != nil {
			return err
		}
		return d.run(cmd.Context())
	}
	return cmd
}

// devDefaults are the defaults that differ in one process on one machine.
func devDefaults(c *config.Config) {
	c.Topics = devTopics()
	c.Log.Level = "warn" // the banner and the status lines tell the rest
	// A stop has ten seconds for all parts together.
	c.Ingest.ShutdownGrace = 2 * time.Second
	c.Analytics.StopGrace = 3 * time.Second
	for _, k := range keyedServices() {
		k.config(c).Member.StopGrace = 3 * time.Second
	}
}

// devTopics is the plan for the embedded broker.
func devTopics() schemas.PlanOptions {
	o := schemas.DefaultPlanOptions()
	o.Partitions, o.Replication, o.MinInsyncReplicas = 6, 1, 1
	return o
}

// dev is one run of everything.
type dev struct {
	*service
	out, errOut                       io.Writer
	data                              string
	secretFile                        string // where the secret is kept, if it was not given
	externalKafka, externalClickHouse bool
	simulatedWorld                    bool        // this process plays what services call
	open                              []io.Closer // what was opened before the parts that close it
	noConsole                         error       // why there is no web page, which is no reason not to start
	browse                            func(ctx context.Context, url string) error
}

func (a *app) newDev(l *config.Loaded) *dev {
	d := &dev{
		out: a.p.Stdout, errOut: a.p.Stderr, data: l.Config.Dev.Data,
		externalKafka: l.Given("kafka.brokers"), externalClickHouse: l.Given("clickhouse.url"), browse: browseOn(a.p.Environ),
	}
	if d.externalKafka {
		// Somebody's cluster: the plan is the production one, but for what was said.
		plan := schemas.DefaultPlanOptions()
		if !l.Given("topics.partitions") {
			l.Config.Topics.Partitions = plan.Partitions
		}
		if !l.Given("topics.replication") {
			l.Config.Topics.Replication = plan.Replication
		}
		if !l.Given("topics.min_insync_replicas") {
			l.Config.Topics.MinInsyncReplicas = min(plan.MinInsyncReplicas, int(l.Config.Topics.Replication))
		}
	}
	d.simulatedWorld = simulateServices(l, !d.externalKafka)
	d.service = a.newService("dev", l)
	return d
}

// check validates the sections, with the secret that will be made if none was given.
func (d *dev) check(sections []string) error {
	checked := *d.loaded
	if d.makesSecret() {
		checked.Config.Ingest.Secrets = []secret.Secret{"made at the start"}
	}
	return check(&checked, sections)
}

func (d *dev) makesSecret() bool {
	return len(d.cfg.Ingest.Secrets) == 0 && d.cfg.Ingest.SecretsFile == ""
}

// run takes the data folder and the addresses, then fetches the engine, then starts the parts. Nothing is started unless
// all addresses are free.
func (d *dev) run(ctx context.Context) (err error) {
	lock, err := filelock.TryLock(filepath.Join(d.data, "lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return fmt.Errorf("data folder %s is in use by another process; stop it, or choose another folder with --data: %w", d.data, err)
	}
	if err != nil {
		return fmt.Errorf("open data folder %s (--data): %w", d.data, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if d.makesSecret() {
		d.secretFile = filepath.Join(d.data, "secret")
		kept, err := keptSecret(d.secretFile)
		if err != nil {
			return err
		}
		d.cfg.Ingest.Secrets = []secret.Secret{kept}
	}
	defer func() {
		for _, c := range d.open {
			_ = c.Close() // the part that used it has closed it already, unless the start failed
		}
	}()
	return d.start(ctx)
}

// listen opens addr and keeps it for the part that will serve it. flag is what to change when it is taken.
func (d *dev) listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, taken(flag, addr, err)
	}
	d.open = append(d.open, ln)
	return ln, nil
}

// taken is the error of an address that cannot be had.
func taken(flag, addr string, err error) error {
	return fmt.Errorf("--%s %s cannot be used: stop what listens there, or choose another address with --%s: %w", flag, addr, flag, err)
}

// listenAll opens the listeners of this process; all that are taken are told at once.
func (d *dev) listenAll(ctx context.Context) error {
	var httpErr, adminErr error
	d.listeners.ingest, httpErr = d.listen(ctx, d.cfg.Ingest.Listen, "http")
	if d.cfg.Admin.Listen != "" {
		d.listeners.admin, adminErr = d.listen(ctx, d.cfg.Admin.Listen, "admin-listen")
	}
	return errors.Join(httpErr, adminErr, d.listenConsole(ctx))
}

func (d *dev) banner() banner {
	b := banner{
		Version: d.build.Version, SecretFile: d.secretFile, Database: d.cfg.ClickHouse.Database, User: d.cfg.ClickHouse.User,
		Webhooks:      reachable(d.scheme(), d.listeners.ingest.Addr()) + "/webhooks",
		ClickHouse:    d.cfg.ClickHouse.URL,
		Kafka:         strings.Join(d.cfg.Kafka.Brokers, ","),
		Simulate:      d.cfg.Dev.Simulate,
		KafkaExternal: d.externalKafka, ClickHouseExternal: d.externalClickHouse,
		Durability: "survive a crash of the process; --fsync for power losses too",
	}
	if d.cfg.Dev.Fsync {
		b.Durability = "survive power losses: --fsync"
	}
	b.Data = d.data
	if abs, err := filepath.Abs(d.data); err == nil {
		b.Data = abs
	}
	if d.noConsole != nil {
		b.NoConsole = d.noConsole.Error()
	} else {
		b.Console = d.consoleURL()
	}
	if d.listeners.admin != nil {
		b.Operators = reachable("http", d.listeners.admin.Addr())
	}
	return b
}

func (d *dev) scheme() string {
	if d.cfg.Ingest.TLS.CertFile != "" {
		return "https"
	}
	return "http"
}

// reachable is the URL under which this machine reaches addr: a listener on all addresses is reached on loopback.
func reachable(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)
}
