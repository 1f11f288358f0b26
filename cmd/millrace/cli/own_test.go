package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"go/format"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// The service of one's own that README shows: its file and its line are put into a copy of the module that exists only for the compiler,
// and the program that comes out of it does what README says.
func TestTheServiceThatReadmeShowsIsBuiltAndRun(t *testing.T) {
	t.Parallel()
	bin := buildWithOwn(t)
	kafka := newBroker(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("millrace %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run(append([]string{"topics", "apply"}, kafka...)...); !strings.Contains(out, "shopify.orders.millrace-bigorders.state") {
		t.Errorf("topics apply does not name its topics:\n%s", out)
	}
	r := startIngest(t, kafka)
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	r.post(client, "orders/create", "w-1", `{"id":1,"currency":"EUR","total_price":"1250.00"}`)
	r.post(client, "orders/updated", "w-2", `{"id":1,"currency":"EUR","total_price":"1250.00"}`) // marked already
	r.post(client, "orders/create", "w-3", `{"id":2,"currency":"EUR","total_price":"12.50"}`)
	r.post(client, "orders/create", "w-4", `{"id":3,"total_price":{}}`)

	consume := exec.CommandContext(t.Context(), bin, append([]string{"consume", "bigorders", "--own-consumer-concurrency", "8", "--admin-listen", ""}, kafka...)...)
	var log bytes.Buffer
	consume.Stdout, consume.Stderr = &log, &log
	if err := consume.Start(); err != nil {
		t.Fatal(err)
	}
	story := activity(t, kafka[1], 4)
	if err := consume.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := consume.Wait(); err != nil {
		t.Errorf("consume bigorders: %v\n%s", err, &log)
	}
	want := map[string]string{"w-1": "done large order: 1250.00 EUR", "w-2": "done ", "w-3": "done ", "w-4": "dead_lettered "}
	for id, told := range want {
		if story[id] != told {
			t.Errorf("event %s: %q, want %q", id, story[id], told)
		}
	}
	if out := run("dlq", "list", "--service", "bigorders", "--kafka-brokers", kafka[1]); !strings.Contains(out, "orders/create") {
		t.Errorf("dlq list does not have its dead letter:\n%s", out)
	}
}

// buildWithOwn builds the program with what README shows, and returns its path.
func buildWithOwn(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	service := shownIn(t, "bigorders.go")
	if formatted, err := format.Source([]byte(service)); err != nil || string(formatted) != service {
		t.Errorf("bigorders.go in README.md is not formatted, %v", err)
	}
	wiring, err := os.ReadFile("own.go")
	if err != nil {
		t.Fatal(err)
	}
	const here = "return []keyedService{\n"
	wired := strings.Replace(string(wiring), "import (\n", "import (\n\t\"millrace/consumers/bigorders\"\n", 1)
	wired = strings.Replace(wired, here, here+shownIn(t, "own.go"), 1)

	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	for path, text := range map[string]string{"consumers/bigorders/bigorders.go": service, "cmd/millrace/cli/own.go": wired} {
		file := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(root, path)] = file
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "millrace")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bin, "./cmd/millrace")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build what README shows: %v\n%s", err, out)
	}
	return bin
}

// activity waits until a service has told of n events, and returns outcome and note of each by its webhook id.
func activity(t *testing.T, broker string, n int) map[string]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(schemas.ActivityTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	story := map[string]string{}
	for len(story) < n && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			a, err := schemas.ParseActivity(r.Value)
			if err != nil {
				t.Error(err)
				return
			}
			story[a.WebhookID] = a.Outcome + " " + a.Note
		})
	}
	if len(story) < n {
		t.Errorf("the service has told of %v, want %d events", story, n)
	}
	return story
}
