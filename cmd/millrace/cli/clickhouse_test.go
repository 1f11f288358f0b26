package cli_test

import (
	"strings"
	"testing"

	"millrace/cmd/millrace/cli"
	"millrace/deploy/embedded/enginetest"
)

func TestRebuildOfReadModels(t *testing.T) {
	e := enginetest.Start(t)
	run := func(args ...string) result {
		return program(t.Context(), append([]string{"clickhouse"}, append(args, "--clickhouse-url", e.URL)...)...)
	}
	if r := run("rebuild", "orders", "--yes"); r.code != cli.ExitFailure || !strings.Contains(r.stderr, "millrace clickhouse migrate") {
		t.Errorf("rebuild without tables = %d: %s", r.code, r.stderr)
	}
	if r := run("migrate"); r.code != cli.ExitOK {
		t.Fatalf("migrate = %d: %s", r.code, r.stderr)
	}
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"rebuild --list", cli.ExitOK, "first_orders"},
		{"rebuild orders --dry-run", cli.ExitOK, "orders: 0 events to read in 0 pieces; the model has 0 rows, 0 MiB\ndry run: nothing was done\n"},
		{"rebuild orders customers --yes", cli.ExitOK, "customers: rebuilt from 0 events"},
		{"rebuild orders", cli.ExitUsage, "add --yes"},
		{"rebuild", cli.ExitUsage, "--all"},
		{"rebuild nonsense --yes", cli.ExitUsage, `no read model "nonsense"`},
		{"rebuild orders orders --yes", cli.ExitUsage, "named twice"},
		{"rebuild orders --all", cli.ExitUsage, "take no names"},
	} {
		if r := run(strings.Fields(tt.args)...); r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.says) {
			t.Errorf("clickhouse %s = %d, want %d and %q:\n%s%s", tt.args, r.code, tt.code, tt.says, r.stdout, r.stderr)
		}
	}
	if r := program(t.Context(), "__complete", "clickhouse", "rebuild", ""); !strings.Contains(r.stdout, "orders\n") {
		t.Errorf("completion offers %q", r.stdout)
	}
}
