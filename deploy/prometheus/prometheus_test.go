package prometheus_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"millrace/cmd/millrace/cli"
	"millrace/deploy/grafana"
)

// promtool runs Prometheus' own checker. It is in Debian's package prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatal("MILLRACE_TEST_SERVICES=required: promtool is not there; it is in the package prometheus")
		}
		t.Skip("promtool is not there; it is in the package prometheus")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestTheConfigurationAndTheRulesAreValid(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yml")
	promtool(t, "check", "rules", "rules/alerts.yml", "rules/recording.yml")
}

func TestEveryAlertFires(t *testing.T) {
	promtool(t, "test", "rules", "alerts.test.yml")
	tests := read(t, "alerts.test.yml")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read(t, "rules/alerts.yml"), -1)
	if len(alerts) < 10 {
		t.Errorf("only %d alerts were found", len(alerts))
	}
	for _, a := range alerts {
		if strings.Count(tests, `alertname="`+a[1]+`", alertstate="firing", `)+strings.Count(tests, `alertname="`+a[1]+`", alertstate="firing"}'`) < 3 {
			t.Errorf("alert %s has no test that sees it quiet and firing", a[1])
		}
	}
}

// Every name in a rule or a panel is one that a process of this program exports. It goes red when a metric is renamed.
func TestEveryMetricIsExported(t *testing.T) {
	known := exported(t)
	recorded := regexp.MustCompile(`(?m)^ +- record: (\S+)$`).FindAllStringSubmatch(read(t, "rules/recording.yml"), -1)
	for _, r := range recorded {
		known[r[1]] = true
	}
	exprs := expressions(t)
	if len(exprs) < 60 {
		t.Errorf("only %d expressions were found", len(exprs))
	}
	for where, expr := range exprs {
		names := metricNames(expr)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %s", where, expr)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: nothing exports %s", where, name)
			}
		}
	}
}

func TestEveryPanelsExpressionIsValid(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: panels\n    rules:\n")
	n := 0
	for where, expr := range expressions(t) {
		n++
		fmt.Fprintf(&rules, "      # %s\n      - record: panel:%d\n        expr: '%s'\n", where, n, strings.ReplaceAll(expr, "'", "''"))
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expressions are those of the rules and of the panels, by where they stand. Grafana puts a span in the place of $__rate_interval.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range []string{"rules/alerts.yml", "rules/recording.yml"} {
		for i, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(read(t, file), -1) {
			expr := m[1]
			if strings.HasPrefix(expr, "'") {
				expr = strings.ReplaceAll(strings.Trim(expr, "'"), "''", "'")
			}
			out[fmt.Sprintf("%s, %d", file, i+1)] = expr
		}
	}
	for _, d := range grafana.Dashboards() {
		for _, p := range d.Panels {
			for i, q := range p.Queries {
				if p.Source == grafana.Prometheus {
					out[fmt.Sprintf("%s, %s, %d", d.UID, p.Title, i+1)] = strings.ReplaceAll(q.Text, "$__rate_interval", "5m")
				}
			}
		}
	}
	return out
}

// metricNames finds the metrics in an expression: names outside of strings, braces and the label lists of by, which are not functions.
func metricNames(expr string) []string {
	expr = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring) *\([^)]*\)|"[^"]*"`).ReplaceAllString(expr, " ")
	var out []string
	for _, m := range regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\b *\(?`).FindAllString(expr, -1) {
		name := strings.TrimSpace(m)
		switch {
		case strings.HasSuffix(name, "("), name == "and", name == "or", name == "unless":
		default:
			out = append(out, name)
		}
	}
	return out
}

// exported are the names of everything that the program's processes export, series of histograms and summaries included.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{"up": true} // made by Prometheus itself
	table, err := cli.MetricsReference()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\w+) ").FindAllStringSubmatch(table, -1) {
		out[m[1]] = true
		if m[2] == "histogram" {
			out[m[1]+"_bucket"], out[m[1]+"_sum"], out[m[1]+"_count"] = true, true, true
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		out[f.GetName()] = true
	}
	return out
}

func TestMetricNamesAreFound(t *testing.T) {
	got := metricNames(`histogram_quantile(0.99, sum by (le, service) (rate(a_seconds_bucket{x="b_total"}[5m]))) > 2 and c:d == 0`)
	if len(got) != 2 || got[0] != "a_seconds_bucket" || got[1] != "c:d" {
		t.Errorf("metricNames() = %v", got)
	}
	if bytes.Contains([]byte(strings.Join(got, " ")), []byte("service")) {
		t.Error("a label was taken for a metric")
	}
}
