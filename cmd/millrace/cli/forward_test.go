package cli_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/cmd/millrace/cli"
)

// example is deploy/examples/forward.py, running.
type example struct {
	url string

	mu    sync.Mutex
	lines []string // "orders/create order/1 204", in the order of the answers
}

func startExample(t *testing.T, secret string) *example {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		t.Skipf("needs python3: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), python, "../../../deploy/examples/forward.py", "0")
	cmd.Env = []string{"FORWARD_SECRET=" + secret}
	cmd.WaitDelay = limit
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := newWatched()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewScanner(out)
	if !read.Scan() {
		t.Fatalf("the example ended: %v\n%s", cmd.Wait(), stderr.String())
	}
	e := &example{url: "http://127.0.0.1:" + strings.TrimPrefix(read.Text(), "listening on port ")}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for read.Scan() {
			e.mu.Lock()
			e.lines = append(e.lines, read.Text())
			e.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait() // killed
		if text := stderr.String(); strings.Contains(text, "Traceback") {
			t.Errorf("the example failed:\n%s", text)
		}
	})
	return e
}

// seen returns what was answered so far.
func (e *example) seen() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

// The example that README shows: signed webhooks go through Kafka to a handler in Python, in the order of each entity, and a refund that
// came before its order is handled after it.
func TestAHandlerInPythonGetsTheEventsInOrder(t *testing.T) {
	t.Parallel()
	endpoint := startExample(t, "hush hush")
	kafka := newBroker(t)
	const topics = "orders/*,refunds/create"
	apply := append([]string{"MILLRACE_FORWARD_NAME=crm", "MILLRACE_FORWARD_TOPICS=" + topics, "topics", "apply"}, kafka...)
	if r := program(t.Context(), apply...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	r := startIngest(t, kafka)
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	const orders = 5
	for id := 1; id <= orders; id++ {
		body := fmt.Sprintf(`{"id":%d}`, id)
		r.post(client, "refunds/create", fmt.Sprint("refund-", id), fmt.Sprintf(`{"id":%d,"order_id":%d}`, 100+id, id))
		for _, topic := range []string{"orders/create", "orders/create", "orders/updated", "orders/paid"} {
			r.post(client, topic, fmt.Sprint(topic, id), body)
		}
		r.post(client, "products/update", fmt.Sprint("product-", id), body)
	}
	b := start(t, slices.Concat([]string{
		"consume", "forward", "--forward-name", "crm", "--forward-topics", topics,
		"--forward-url", endpoint.url, "--forward-secret", "hush hush", "--admin-listen", "",
	}, kafka)...)
	eventually(t, "all events done", func() (any, bool) {
		seen := endpoint.seen()
		done := 0
		for _, line := range seen {
			if strings.HasSuffix(line, " 204") {
				done++
			}
		}
		return seen, done >= 4*orders
	})
	eventually(t, "all events committed", func() (any, bool) { return lag(t, kafka[1], "millrace-forward-crm") })
	seen := endpoint.seen()
	for id := 1; id <= orders; id++ {
		var story []string
		for _, line := range seen {
			f := strings.Fields(line)
			if f[1] == fmt.Sprint("order/", id) && f[2] == "204" {
				story = append(story, f[0])
			}
		}
		i := slices.Index(story, "refunds/create")
		if i < 1 {
			t.Errorf("order %d: %v, want its refund after it", id, story)
			continue
		}
		story = slices.Delete(story, i, i+1)
		if want := []string{"orders/create", "orders/updated", "orders/paid"}; !slices.Equal(story, want) {
			t.Errorf("order %d: %v, want %v", id, story, want)
		}
	}
	if !slices.Contains(seen, "refunds/create order/1 409") {
		t.Errorf("no refund was refused before its order: %v", seen)
	}
	if code, took := b.stopped(); code != cli.ExitOK || took > 10*time.Second || strings.Contains(b.stderr.String(), `"level":"ERROR"`) {
		t.Errorf("stop = %d after %v, want 0 within 10s, without errors:\n%s", code, took, b.stderr)
	}
}

func TestAForwardSaysWhatIsWrongWithItsTopics(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"consume", "forward", "--forward-topics", "orders/created"},
		{"MILLRACE_FORWARD_TOPICS=orders/created", "topics", "plan", "--kafka-brokers", "127.0.0.1:1"},
	} {
		r := program(t.Context(), args...)
		if want := `forward.topics[0] "orders/created" is no Shopify topic`; r.code == cli.ExitOK || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "did you mean orders/create?") {
			t.Errorf("millrace %v = %d %s, want %s and the name that was meant", args, r.code, r.stderr, want)
		}
	}
}

func TestReadmeShowsTheExampleInPython(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../deploy/examples/forward.py")
	if err != nil {
		t.Fatal(err)
	}
	if shown := shownIn(t, "forward.py"); shown != string(text) {
		t.Errorf("README.md shows another forward.py:\n%s", shown)
	}
}

// shownIn returns the block of README.md between the comments name:begin and name:end, without its indentation.
func shownIn(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(text), "<!-- "+name+":begin -->\n")
	block, _, ends := strings.Cut(rest, "<!-- "+name+":end -->\n")
	if !begins || !ends {
		t.Fatalf("README.md has no %s:begin and %s:end", name, name)
	}
	var shown strings.Builder
	for line := range strings.Lines(block) {
		shown.WriteString(strings.TrimPrefix(line, "    "))
	}
	return shown.String()
}
