package cli_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/cmd/millrace/cli"
	"millrace/cmd/millrace/config"
	storesim "millrace/cmd/storesim/cli"
	"millrace/deploy/embedded/enginetest"
)

var update = flag.Bool("update", false, "rewrite the generated parts of README.md")

const readme = "../../../README.md"

// The tables of README.md come from the code; -update (make generate) writes them.
func TestReadmeTablesAreWhatTheCodeSays(t *testing.T) {
	metrics, err := cli.MetricsReference()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	now := string(text)
	for name, table := range map[string]string{"metrics": metrics, "config": config.Reference()} {
		before, rest, ok := strings.Cut(now, "<!-- "+name+":begin")
		head, rest, ok2 := strings.Cut(rest, "-->\n")
		_, after, ok3 := strings.Cut(rest, "<!-- "+name+":end")
		if !ok || !ok2 || !ok3 {
			t.Fatalf("README.md has no %s:begin and %s:end", name, name)
		}
		now = before + "<!-- " + name + ":begin" + head + "-->\n" + strings.TrimSpace(table) + "\n<!-- " + name + ":end" + after
	}
	if now == string(text) {
		return
	}
	if !*update {
		t.Fatal("README.md is behind the code; run `make generate`")
	}
	if err := os.WriteFile(readme, []byte(now), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every module that the program or its tests name has a line in README.md that says why it is there.
func TestReadmeSaysWhyEachDependencyIsThere(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Dependencies")
	n := 0
	for line := range strings.Lines(string(mod)) {
		name, version, ok := strings.Cut(strings.TrimSpace(line), " v")
		if !ok || !strings.HasPrefix(line, "\t") || strings.HasSuffix(strings.TrimSpace(version), "// indirect") {
			continue
		}
		n++
		parts := strings.Split(name, "/")
		last := parts[len(parts)-1]
		if strings.HasPrefix(last, "v") && len(last) <= 3 {
			last = parts[len(parts)-2]
		}
		if !strings.Contains(table, last) {
			t.Errorf("README.md does not say why %s is there", name)
		}
	}
	if n < 20 {
		t.Errorf("%d modules found in go.mod", n)
	}
}

// The tour of README.md is the banner of `millrace dev`, whose commands another test pastes into a shell.
func TestReadmeTourHasTheCommandsOfTheBanner(t *testing.T) {
	enginetest.Library(t)
	e := startDev(t, t.TempDir())
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	tour := strings.NewReplacer(e.webhooks, "http://127.0.0.1:8080/webhooks", e.clickHouse, "http://127.0.0.1:8123").Replace(e.stdout.String())
	_, commands, _ := strings.Cut(tour, "from another terminal:")
	n := 0
	for line := range strings.Lines(commands) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasSuffix(line, ":") || strings.HasPrefix(line, "SECRET=") || strings.HasPrefix(line, "Ctrl-C") {
			continue
		}
		n++
		if !strings.Contains(string(text), line) {
			t.Errorf("README.md lacks a line of the banner: %s", line)
		}
	}
	if n < 8 {
		t.Errorf("only %d lines of commands in the banner:\n%s", n, tour)
	}
}

// The commands with which README.md sends a simulated store's webhooks and verifies them.
func TestStoresimFindsEverythingThatItSent(t *testing.T) {
	enginetest.Library(t)
	e := startDev(t, t.TempDir())
	ledger := filepath.Join(t.TempDir(), "ledger.jsonl")
	for _, args := range [][]string{
		{
			"send", "--url", e.webhooks, "--secret", e.secret, "--shops", "20", "--events", "500", "--rate", "0",
			"--duplicates", "0.05", "--disorder", "0.05", "--ledger", ledger,
		},
		{"verify", "--ledger", ledger, "--clickhouse", e.clickHouse, "--wait", "30s"},
	} {
		var stdout, stderr bytes.Buffer
		if code := storesim.Run(t.Context(), storesim.Process{Args: args, Getenv: func(string) string { return "" }, Stdout: &stdout, Stderr: &stderr}); code != 0 {
			t.Fatalf("storesim %s = %d:\n%s%s", args[0], code, &stdout, &stderr)
		}
		fmt.Fprintln(t.Output(), stdout.String())
	}
}
