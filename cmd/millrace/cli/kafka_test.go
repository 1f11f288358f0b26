package cli_test

import (
	"log/slog"
	"strings"
	"testing"

	"millrace/cmd/millrace/cli"
	"millrace/deploy/embedded"
)

// newBroker runs a broker for the test and returns the flags that point at it, with a plan that fits it.
func newBroker(t *testing.T) []string {
	t.Helper()
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	broker, err := embedded.NewBroker(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Errorf("close broker: %v", err)
		}
	})
	return flagsOf(broker.Addr())
}

// flagsOf point at a single broker, with a plan that fits it.
func flagsOf(broker string) []string {
	return []string{
		"--kafka-brokers", broker,
		"--topics-partitions", "6", "--topics-replication", "1", "--topics-min-insync-replicas", "1", "--log-level", "error",
	}
}

func TestTopicsArePlannedAppliedAndChecked(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	for _, step := range []struct {
		verb  string
		extra []string
		code  int
		says  string
	}{
		{"check", nil, cli.ExitDifferences, "shopify.orders"},
		{"plan", nil, cli.ExitOK, "shopify.quarantine"},
		{"check", nil, cli.ExitDifferences, "shopify.orders"}, // plan has changed nothing
		{"apply", nil, cli.ExitOK, "shopify.orders"},
		{"check", nil, cli.ExitOK, ""},
		{"apply", nil, cli.ExitOK, ""},
		{"check", []string{"--topics-retention", "48h"}, cli.ExitDifferences, "retention.ms"},
		{"check", []string{"--topics-partitions", "12"}, cli.ExitDifferences, "partitions"},
		{"apply", []string{"--topics-partitions", "12"}, cli.ExitFailure, "partitions"},
		{"check", nil, cli.ExitOK, ""}, // the conflict has changed nothing
	} {
		args := append(append([]string{"topics", step.verb}, kafka...), step.extra...)
		r := program(t.Context(), args...)
		if r.code != step.code || !strings.Contains(r.stdout+r.stderr, step.says) {
			t.Errorf("topics %s %v = %d, want %d and %q:\n%s%s", step.verb, step.extra, r.code, step.code, step.says, r.stdout, r.stderr)
		}
	}
}

func TestIngestRefusesTopicsThatAreNotAsPlanned(t *testing.T) {
	t.Parallel()
	kafka := newBroker(t)
	args := append([]string{"ingest", "--ingest-listen", "127.0.0.1:0", "--ingest-secrets", "hush", "--admin-listen", ""}, kafka...)
	if r := program(t.Context(), args...); r.code != cli.ExitFailure || !strings.Contains(r.stderr, "topics apply") {
		t.Errorf("ingest without topics = %d, want 1 and what to do:\n%s", r.code, r.stderr)
	}
	if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	if r := program(t.Context(), append(args, "--topics-partitions", "12")...); r.code != cli.ExitFailure || !strings.Contains(r.stderr, "partitions") {
		t.Errorf("ingest on another number of partitions = %d, want 1 and why:\n%s", r.code, r.stderr)
	}
	b := start(t, append(args, "--log-level", "info")...)
	b.until(b.stderr, `"msg":"started"`)
	if code, _ := b.stopped(); code != cli.ExitOK {
		t.Errorf("stop of ingest = %d, want 0:\n%s", code, b.stderr)
	}
	if strings.Contains(b.stderr.String(), "hush") {
		t.Errorf("the log has the secret:\n%s", b.stderr)
	}
}

func TestIngestWaitsForKafkaAndSaysSo(t *testing.T) {
	t.Parallel()
	// Port 1 of loopback: nothing listens there.
	b := start(t, "ingest", "--kafka-brokers", "127.0.0.1:1", "--ingest-listen", "127.0.0.1:0", "--ingest-secrets", "hush", "--admin-listen", "127.0.0.1:0")
	b.until(b.stderr, "waiting for kafka")
	if code, _ := b.stopped(); code != cli.ExitOK {
		t.Errorf("stop while waiting = %d, want 0:\n%s", code, b.stderr)
	}
}

func TestKafkaAwayIsAFailureOfTopics(t *testing.T) {
	t.Parallel()
	r := program(t.Context(), "topics", "check", "--kafka-brokers", "127.0.0.1:1", "--log-level", "error")
	if r.code != cli.ExitFailure || !strings.Contains(r.stderr, "127.0.0.1:1") {
		t.Errorf("topics check = %d %s, want 1 and the address", r.code, r.stderr)
	}
}
