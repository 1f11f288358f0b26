package cli

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/schemas/secret"
)

// metricsCommand is hidden: it is for whoever writes README.
func (a *app) metricsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "metrics", Short: "Print the table of all metrics in Markdown", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			text, err := MetricsReference()
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.p.Stdout, text)
			return err
		},
	}
}

// MetricsReference is the table of the program's own metrics as README shows it, in Markdown. It asks the parts
// themselves: it builds each, with the default configuration, and lists what they registered. Those of the Go runtime,
// the process and the Kafka client are not in it.
func MetricsReference() (string, error) {
	cfg := config.Default()
	cfg.Ingest.Secrets = []secret.Secret{"none: nothing is started"}
	s := &service{cfg: cfg, log: slog.New(slog.DiscardHandler), registry: newRegistry(build{})}
	db, err := cfg.ClickHouse.Open() // connects to nothing
	if err != nil {
		return "", fmt.Errorf("open clickhouse: %w", err)
	}
	defer func() { _ = db.Close() }()
	if _, err := s.receiver(); err != nil {
		return "", err
	}
	if _, err := s.sink(db); err != nil {
		return "", err
	}
	for _, k := range keyedServices() {
		if _, err := s.keyed(k); err != nil {
			return "", err
		}
	}
	r, err := s.reconciler(db)
	if err != nil {
		return "", err
	}
	r.Close()
	page, err := s.console(db, 0)
	if err != nil {
		return "", err
	}
	page.close()
	return metricsTable(s.registry)
}

func metricsTable(registry prometheus.Gatherer) (string, error) {
	families, err := registry.Gather()
	if err != nil {
		return "", fmt.Errorf("gather metrics: %w", err)
	}
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it counts |\n|---|---|---|---|\n")
	for _, f := range families { // sorted by name
		if !strings.HasPrefix(f.GetName(), "millrace_") {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labelsOf(f), strings.ReplaceAll(f.GetHelp(), "|", "\\|"))
	}
	return b.String(), nil
}

// labelsOf lists a family's labels. The parts prime every label set, so the first metric has them all.
func labelsOf(f *dto.MetricFamily) string {
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if name := "`" + l.GetName() + "`"; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}
