package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/cmd/millrace/cli"
)

// commands are all that a user may run.
func commands() []string {
	return []string{
		"", "dev", "ingest", "consume", "consume analytics", "consume inventory", "consume notifications", "consume fulfillment", "consume erp", "consume forward", "consume orderstate", "consume translate", "consume saga", "console", "order", "order show", "order history", "order check", "topics", "topics plan", "topics apply", "topics check", "dlq", "dlq list", "dlq show", "dlq redrive", "dlq drop", "retry", "retry list", "saga", "saga list", "saga show", "saga retry", "saga abort",
		"clickhouse", "clickhouse migrate", "clickhouse status", "clickhouse rebuild", "config", "config check", "config dump", "version",
		"completion", "completion bash",
	}
}

func TestEveryCommandHasHelpWithTheExitCodes(t *testing.T) {
	t.Parallel()
	for _, command := range commands() {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(command), "--help")
			r := program(t.Context(), args...)
			if r.code != cli.ExitOK || r.stderr != "" {
				t.Errorf("millrace %v = %d, stderr %q", args, r.code, r.stderr)
			}
			for _, want := range []string{"Usage:\n  millrace", "Flags:", "Exit codes: 0 done"} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("millrace %v has no %q:\n%s", args, want, r.stdout)
				}
			}
			leaf := strings.Contains(command, " ") || command == "version" || command == "dev" || command == "ingest" || command == ""
			if leaf && !strings.Contains(command, "completion") && !strings.Contains(r.stdout, "Examples:\n  millrace") {
				t.Errorf("millrace %v has no example:\n%s", args, r.stdout)
			}
			for line := range strings.Lines(r.stdout) {
				if len(line) > 125 {
					t.Errorf("millrace %v: a line of %d characters: %s", args, len(line), line)
				}
			}
		})
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	r := program(t.Context(), "--help")
	for _, command := range commands() {
		if name, _, _ := strings.Cut(command, " "); !strings.Contains(r.stdout, "  "+name) {
			t.Errorf("help does not list %s:\n%s", name, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "  engine ") {
		t.Errorf("help lists the hidden engine command:\n%s", r.stdout)
	}
}

func TestSettingsAreGroupedAndOnlyThoseOfTheCommand(t *testing.T) {
	t.Parallel()
	r := program(t.Context(), "clickhouse", "migrate", "--help")
	section, log := strings.Index(r.stdout, "\nclickhouse:\n"), strings.Index(r.stdout, "\nlog:\n")
	if section < 0 || log < section {
		t.Errorf("want the sections clickhouse and log, in this order:\n%s", r.stdout)
	}
	if strings.Contains(r.stdout, "--ingest-listen") {
		t.Errorf("help shows a setting that the command does not use:\n%s", r.stdout)
	}
}

func TestWrongUsageEndsWithTwoAndSaysWhereToLook(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"foo":                            `unknown command "foo"`,
		"config chek":                    `unknown command "chek"`,
		"version now":                    `unknown command "now"`,
		"config check nosuch":            `invalid argument "nosuch"`,
		"version --nope":                 "unknown flag: --nope",
		"clickhouse migrate --ingest-x":  "unknown flag: --ingest-x",
		"config dump --ingest-listen":    "flag needs an argument: --ingest-listen",
		"clickhouse migrate --log-level": "flag needs an argument",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := program(t.Context(), strings.Fields(line)...)
			if r.code != cli.ExitUsage || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "--help` for what there is") {
				t.Errorf("millrace %s = %d, stderr %q; want 2 and %q", line, r.code, r.stderr, want)
			}
		})
	}
}

func TestABadConfigurationEndsWithTwoAndTellsEverything(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "millrace.yaml")
	if err := os.WriteFile(file, []byte("ingest: {max_in_flight: 0}\nlogg: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := program(t.Context(), "MILLRACE_CONFIG="+file, "MILLRACE_INGEST_LISTN=:1", "config", "check", "--log-level", "loud", "--analytics-batch-rows", "many")
	if r.code != cli.ExitUsage {
		t.Errorf("code %d, want 2", r.code)
	}
	for _, want := range []string{
		"logg.level is not a setting (from file " + file + "); did you mean log.level?",
		"MILLRACE_INGEST_LISTN is not a setting (from environment); did you mean MILLRACE_INGEST_LISTEN?",
		`analytics.batch_rows must be a whole number, is "many" (from flag --analytics-batch-rows)`,
	} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in:\n%s", want, r.stderr)
		}
	}
	// With what does not parse out of the way, what is not valid is told, of all sections at once.
	if err := os.WriteFile(file, []byte("ingest: {max_in_flight: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = program(t.Context(), "config", "check", "--config", file, "--log-level", "loud")
	for _, want := range []string{
		"ingest.secrets must hold the app's client secret (or set secrets_file): without one no delivery can be told from a forgery; it is not set: use MILLRACE_INGEST_SECRETS, --ingest-secrets or the file",
		"ingest.max_in_flight must be at least 1, is 0 (from file " + file + ")",
		`log.level must be debug, info, warn or error, is "loud" (from flag --log-level)`,
	} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in:\n%s", want, r.stderr)
		}
	}
	if r := program(t.Context(), "config", "check", "--config", file, "log", "clickhouse"); r.code != cli.ExitOK {
		t.Errorf("check of two good sections = %d %s, want 0", r.code, r.stderr)
	}
}

func TestConfigDumpMasksSecretsAndIsTheSameWhenItIsLoaded(t *testing.T) {
	t.Parallel()
	r := program(t.Context(), "MILLRACE_CLICKHOUSE_PASSWORD=hush-hush", "MILLRACE_INGEST_SECRETS=hush-one,hush-two", "config", "dump")
	if r.code != cli.ExitOK || strings.Contains(r.stdout, "hush") || !strings.Contains(r.stdout, "# environment MILLRACE_CLICKHOUSE_PASSWORD") {
		t.Errorf("dump = %d, want no secret and its origin:\n%s%s", r.code, r.stdout, r.stderr)
	}
	first := program(t.Context(), "config", "dump", "--log-level", "debug")
	file := filepath.Join(t.TempDir(), "dump.yaml")
	if err := os.WriteFile(file, []byte(first.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	again := program(t.Context(), "config", "dump", "--config", file)
	if values(first.stdout) != values(again.stdout) {
		t.Errorf("the dump of a dump differs:\n%s\n---\n%s%s", first.stdout, again.stdout, again.stderr)
	}
}

// values is a dump without its comments.
func values(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		value, _, _ := strings.Cut(line, " # ")
		b.WriteString(strings.TrimSpace(value) + "\n")
	}
	return b.String()
}

func TestVersionAndCompletionPrint(t *testing.T) {
	t.Parallel()
	if r := program(t.Context(), "version"); r.code != cli.ExitOK || !strings.HasPrefix(r.stdout, "millrace ") {
		t.Errorf("version = %d %q", r.code, r.stdout)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := program(t.Context(), "completion", shell); r.code != cli.ExitOK || !strings.Contains(r.stdout, "millrace") {
			t.Errorf("completion %s = %d, %d bytes", shell, r.code, len(r.stdout))
		}
	}
	r := program(t.Context(), "__complete", "clickhouse", "migrate", "--log-level", "")
	if !strings.Contains(r.stdout, "debug\ninfo\nwarn\nerror\n") {
		t.Errorf("completion of --log-level offers %q", r.stdout)
	}
	if r := program(t.Context(), "__complete", "clickhouse", "migrate", "--clickhouse-p"); !strings.Contains(r.stdout, "--clickhouse-password") {
		t.Errorf("completion of --clickhouse-p offers %q", r.stdout)
	}
}

func TestClickHouseAwayIsAFailureAndAnInterruptIsToldApart(t *testing.T) {
	t.Parallel()
	// Port 1 of loopback: nothing listens there.
	r := program(t.Context(), "clickhouse", "status", "--clickhouse-url", "http://127.0.0.1:1")
	if r.code != cli.ExitFailure || !strings.Contains(r.stderr, "127.0.0.1:1") {
		t.Errorf("status = %d %q, want 1 and the address", r.code, r.stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := program(ctx, "clickhouse", "status", "--clickhouse-url", "http://127.0.0.1:1"); r.code != cli.ExitInterrupted {
		t.Errorf("interrupted status = %d %q, want 130", r.code, r.stderr)
	}
}
