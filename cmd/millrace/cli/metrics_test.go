package cli_test

import (
	"strings"
	"testing"

	"millrace/cmd/millrace/cli"
)

func TestMetricsReferenceListsThoseOfEveryPart(t *testing.T) {
	t.Parallel()
	text, err := cli.MetricsReference()
	if err != nil {
		t.Fatalf("MetricsReference() error: %v", err)
	}
	for _, want := range []string{
		"| `millrace_build_info` | gauge | `go_version`, `revision`, `version` |",
		"| `millrace_ingest_requests_total` | counter | `outcome` |",
		"| `millrace_analytics_rows_inserted_total` | counter |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "go_goroutines") {
		t.Errorf("the reference has the runtime's metrics:\n%s", text)
	}
	if r := program(t.Context(), "metrics"); r.stdout != text {
		t.Errorf("millrace metrics = %d, another text than MetricsReference:\n%s%s", r.code, r.stdout, r.stderr)
	}
}
