package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/config"
	"millrace/consumers/group/deadletter"
)

func (a *app) dlqCommand() *cobra.Command {
	return group("dlq", "See dead letters, send them back or settle them", a.dlqList(), a.dlqShow(), a.dlqRedrive(), a.dlqDrop())
}

// errUsage makes the program exit with ExitUsage for what only turns out after a command has begun.
var errUsage = errors.New("not done")

// desk is what a command about dead letters works with.
type desk struct {
	app   *app
	log   *slog.Logger
	bar   *progress
	cfg   config.Config
	books []*deadletter.Book
}

// openDesk opens the books of the group, or, where none is named, of all groups there are: one only, unless several may.
func (a *app) openDesk(ctx context.Context, cfg config.Config, groupID string, several bool) (*desk, error) {
	d := &desk{app: a, cfg: cfg, bar: &progress{out: a.p.Stderr}}
	if cfg.Log.Format == "auto" && isTerminal(a.p.Stderr) {
		cfg.Log.Format = "text"
	}
	d.log = newLogger(cfg.Log, d.bar)
	options, err := cfg.Kafka.Options(d.log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	groups := []string{groupID}
	if groupID == "" {
		if groups, err = deadletter.Groups(ctx, options); err != nil {
			return nil, err
		}
		if len(groups) > 1 && !several {
			return nil, fmt.Errorf("%w: say whose with --service or --group; there are the groups %s", errUsage, strings.Join(groups, ", "))
		}
		if len(groups) == 0 {
			return nil, errors.New("there is no dead-letter topic (<topic>.<group>.dlq), or this user may not see it; `millrace topics apply` makes those of the services")
		}
	}
	for _, g := range groups {
		b, err := deadletter.Open(ctx, options, g, deadletter.Options{Progress: d.bar.show, NoWayBack: g == cfg.Analytics.Group})
		if err != nil {
			d.close()
			return nil, err
		}
		d.books = append(d.books, b)
	}
	return d, nil
}

func (d *desk) close() {
	d.bar.clear()
	for _, b := range d.books {
		b.Close()
	}
}

// choose reads the letters that the filter chooses, and says what is odd.
func (d *desk) choose(ctx context.Context, b *deadletter.Book, f deadletter.Filter) (*deadletter.Selection, error) {
	s, err := b.Select(ctx, f)
	if err != nil {
		return nil, err
	}
	d.bar.clear()
	if n := s.Foreign(); n > 0 {
		d.log.WarnContext(ctx, "records that are no dead letters are passed over", "group", b.Group(), "records", n)
	}
	return s, nil
}

// dlqVerb completes a command about dead letters.
func (a *app) dlqVerb(cmd *cobra.Command, several bool, do func(context.Context, *desk, deadletter.Filter) error) *cobra.Command {
	filter := &filterFlags{}
	filter.register(cmd)
	s := a.use(cmd, []string{"kafka", "log"}, nil, nil)
	filter.settings = s
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		f, err := filter.filter(args, time.Now())
		if err != nil {
			return err
		}
		groupID, err := filter.groupID(&l.Config)
		if err != nil {
			return err
		}
		d, err := a.openDesk(cmd.Context(), l.Config, groupID, several)
		if err != nil {
			return err
		}
		defer d.close()
		return do(cmd.Context(), d, f)
	}
	return cmd
}

// whoami is user@host, for the record of who settled what.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// groupsFor completes --group with what there is; nothing when Kafka does not answer at once.
func groupsFor(ctx context.Context, s *settings) []string {
	l, err := s.checked()
	if err != nil {
		return nil
	}
	options, err := l.Config.Kafka.Options(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	groups, _ := deadletter.Groups(ctx, append(options, kgo.RequestRetries(0))) // no answer, no words
	return groups
}
