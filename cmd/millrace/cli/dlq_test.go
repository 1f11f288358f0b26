package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	"millrace/schemas"
)

// gaveUp is a broker with what two services gave up and put off.
type gaveUp struct {
	t     *testing.T
	flags []string
	cl    *kgo.Client
}

var failedAt = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newGaveUp(t *testing.T, groups ...string) *gaveUp {
	t.Helper()
	topics := []string{"shopify.orders"}
	for _, g := range groups {
		topics = append(topics, schemas.DeadLetterTopic("shopify.orders", g), schemas.RetryTopic("shopify.orders", g))
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &gaveUp{t, []string{"--kafka-brokers", c.ListenAddrs()[0]}, cl}
}

func (g *gaveUp) run(args ...string) result {
	g.t.Helper()
	return program(g.t.Context(), append(args, g.flags...)...)
}

func text(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func (g *gaveUp) write(topic string, partition int32, key, value []byte, headers ...kgo.RecordHeader) {
	g.t.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Key: key, Value: value, Headers: headers}
	if err := g.cl.ProduceSync(g.t.Context(), r).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
}

func origin(order, partition, offset int, topic string) (key []byte, headers []kgo.RecordHeader) {
	e := schemas.Event{
		ID: fmt.Sprintf("0000-%d", offset), Shop: "acme.myshopify.com", Topic: topic, Subject: fmt.Sprintf("order/%d", order),
		Time: failedAt, Received: failedAt, PartitionKey: fmt.Sprintf("acme.myshopify.com|order/%d", order), ContentType: "application/json",
	}
	headers = schemas.AppendHeaders[kgo.RecordHeader](nil, &e)
	return []byte(e.PartitionKey), append(headers, text(schemas.HeaderSourceTopic, "shopify.orders"),
		text(schemas.HeaderSourcePartition, strconv.Itoa(partition)), text(schemas.HeaderSourceOffset, strconv.Itoa(offset)))
}

func (g *gaveUp) letter(group string, order, partition, offset int, class, message string, body []byte) {
	g.t.Helper()
	key, headers := origin(order, partition, offset, "orders/updated")
	g.write(schemas.DeadLetterTopic("shopify.orders", group), int32(partition), key, body, append(headers,
		text(schemas.HeaderAttempts, "5"), text(schemas.HeaderFirstFailure, failedAt.Format(time.RFC3339Nano)),
		text(schemas.HeaderLastFailure, failedAt.Add(time.Duration(offset)*time.Second).Format(time.RFC3339Nano)),
		text(schemas.HeaderErrorClass, class), text(schemas.HeaderError, message))...)
}

func (g *gaveUp) settle(group string, order, partition, offset int) {
	g.t.Helper()
	key, headers := origin(order, partition, offset, "orders/updated")
	g.write(schemas.DeadLetterTopic("shopify.orders", group), int32(partition), key, nil, append(headers, text(schemas.HeaderResolution, schemas.ResolutionDropped),
		text(schemas.HeaderResolutionBy, "ann@desk"), text(schemas.HeaderResolutionTime, failedAt.Add(time.Hour).Format(time.RFC3339Nano)))...)
}

func (g *gaveUp) waiting(group string, order, partition, offset, attempts int, more ...kgo.RecordHeader) {
	g.t.Helper()
	key, headers := origin(order, partition, offset, "orders/updated")
	headers = append(append(headers, text(schemas.HeaderAttempts, strconv.Itoa(attempts)), text(schemas.HeaderFirstFailure, failedAt.Format(time.RFC3339Nano))), more...)
	g.write(schemas.RetryTopic("shopify.orders", group), int32(partition), schemas.RetryKey(key, int64(offset)), []byte(`{}`), headers...)
}

// some is the same letters for all golden files.
func some(t *testing.T, groups ...string) *gaveUp {
	t.Helper()
	g := newGaveUp(t, append(groups, "millrace-inventory")...)
	g.letter("millrace-inventory", 1, 0, 11, schemas.ClassPermanent, "stock API: 422 no such variant", []byte(`{"id":1,"note":"a\u001b[31mb"}`))
	g.letter("millrace-inventory", 2, 1, 5, schemas.ClassExhausted, "stock API: 503 \x1b[31m"+strings.Repeat("try later ", 10), []byte{0xff, 0xfe})
	g.letter("millrace-inventory", 1, 0, 12, schemas.ClassPermanent, "stock API: 422 no such variant", []byte(`not json`))
	g.letter("millrace-inventory", 3, 1, 9, schemas.ClassPanic, "index out of range", []byte(`{"id":3}`))
	g.settle("millrace-inventory", 3, 1, 9)
	g.waiting("millrace-inventory", 1, 0, 11, 5, text(schemas.HeaderRetryParked, "1"))
	g.waiting("millrace-inventory", 1, 0, 12, 0)
	g.waiting("millrace-inventory", 1, 0, 14, 0)
	g.waiting("millrace-inventory", 7, 1, 20, 2, text(schemas.HeaderRetryDue, failedAt.Add(time.Minute).Format(time.RFC3339Nano)), text(schemas.HeaderError, "stock API: 500"))
	g.waiting("millrace-inventory", 7, 1, 19, 0, text(schemas.HeaderRetryAside, "1"), text(schemas.HeaderRetryDue, failedAt.Add(time.Hour).Format(time.RFC3339Nano)), text(schemas.HeaderError, "its order has not come"))
	g.waiting("millrace-inventory", 8, 1, 21, 1, text(schemas.HeaderRetryDue, failedAt.Add(time.Second).Format(time.RFC3339Nano)), text(schemas.HeaderError, "stock API: 500"))
	return g
}

// golden compares with a file of testdata; -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update writes it:\n%s", name, diff)
	}
}

func TestWhatIsShownOfDeadLetters(t *testing.T) {
	t.Parallel()
	g := some(t)
	for name, args := range map[string]string{
		"dlq-list":           "dlq list",
		"dlq-list-all":       "dlq list --all --service inventory",
		"dlq-list-limit":     "dlq list --limit 1",
		"dlq-list-filtered":  "dlq list --shop acme --class permanent --entity 1 --since 2026-11-23T10:00:12Z",
		"dlq-list-none":      "dlq list --shop other",
		"dlq-list-json":      "dlq list --json --all",
		"dlq-show":           "dlq show shopify.orders/0@11",
		"dlq-show-settled":   "dlq show shopify.orders/1@9",
		"dlq-show-binary":    "dlq show --id shopify.orders/1@5 shopify.orders/0@12",
		"dlq-show-json":      "dlq show shopify.orders/0@11 --json",
		"dlq-redrive-dry":    "dlq redrive --dry-run",
		"dlq-redrive-json":   "dlq redrive --dry-run --json shopify.orders/0@11 shopify.orders/1@9",
		"dlq-drop-dry":       "dlq drop --dry-run shopify.orders/0@11 shopify.orders/1@9",
		"dlq-redrive-done":   "dlq redrive shopify.orders/1@9",
		"retry-list":         "retry list",
		"retry-list-keys":    "retry list --keys --limit 2",
		"retry-list-json":    "retry list --json --limit 3",
		"retry-list-nothing": "retry list --entity order/99",
	} {
		r := g.run(strings.Fields(args)...)
		if r.code != cli.ExitOK || r.stderr != "" {
			t.Errorf("millrace %s = %d, %s", args, r.code, r.stderr)
		}
		golden(t, name, "$ millrace "+args+"\n"+anonymous(t, r.stdout))
		if strings.Contains(r.stdout, "\x1b") {
			t.Errorf("millrace %s passes on an escape sequence", args)
		}
	}
	if r := g.run("dlq", "show", "shopify.orders/1@5", "--raw"); r.stdout != "\xff\xfe" || r.code != cli.ExitOK {
		t.Errorf("--raw gave %q, %d", r.stdout, r.code)
	}
}

func anonymous(t *testing.T, s string) string {
	t.Helper()
	return strings.ReplaceAll(s, cli.Whoami(), "USER@HOST")
}

func TestWithSeveralServicesTheListTellsWhichAndTheRestAsks(t *testing.T) {
	t.Parallel()
	g := some(t, "millrace-notifications")
	g.letter("millrace-notifications", 5, 0, 3, schemas.ClassPermanent, "550 no such mailbox", []byte(`{}`))
	r := g.run("dlq", "list")
	golden(t, "dlq-list-services", r.stdout)
	for _, args := range []string{"dlq redrive --yes", "dlq drop --yes", "dlq show shopify.orders/0@3"} {
		if r := g.run(strings.Fields(args)...); r.code != cli.ExitUsage || !strings.Contains(r.stderr, "millrace-inventory, millrace-notifications") {
			t.Errorf("millrace %s = %d, %s; want 2 and the services", args, r.code, r.stderr)
		}
	}
	r = g.run("dlq", "redrive", "--service", "notifications", "--yes")
	if r.code != cli.ExitOK || !strings.Contains(r.stdout, "1 redriven, 0 skipped, 0 failed") {
		t.Errorf("redrive = %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = g.run("__complete", "dlq", "list", "--group", "")
	if !strings.Contains(r.stdout, "millrace-inventory\nmillrace-notifications\n") {
		// Flags after the word to complete are not read: the brokers must come before it.
		r = program(t.Context(), append(append([]string{"__complete", "dlq", "list"}, g.flags...), "--group", "")...)
	}
	if !strings.Contains(r.stdout, "millrace-inventory\nmillrace-notifications\n") {
		t.Errorf("completion of --group offers %q", r.stdout)
	}
}

func TestRedriveAsksFirstAndTellsWhatItDid(t *testing.T) {
	t.Parallel()
	g := some(t)
	// Nobody can answer: it says what it would do, does nothing and exits with 2.
	r := g.run("dlq", "redrive", "--class", "permanent")
	if r.code != cli.ExitUsage || !strings.Contains(r.stderr, "--yes") || !strings.Contains(r.stdout, "shopify.orders/0@11") || strings.Contains(r.stderr, "--help") {
		t.Errorf("redrive without --yes = %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := g.run("dlq", "list", "--json"); strings.Count(r.stdout, "\n") != 3 {
		t.Fatalf("%d letters are open after that, want 3", strings.Count(r.stdout, "\n"))
	}
	r = g.run("dlq", "redrive", "--class", "permanent", "--yes", "--log-format", "json")
	if r.code != cli.ExitOK || r.stdout != "2 open dead letters of millrace-inventory to redrive, of 1 entity: 2 permanent\n2 redriven, 0 skipped, 0 failed\n" {
		t.Errorf("redrive = %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	var audit []string
	for line := range strings.Lines(r.stderr) {
		var l struct{ Msg, Group, ID, Key, Class, By string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("audit line %q: %v", line, err)
		}
		audit = append(audit, anonymous(t, strings.Join([]string{l.Msg, l.Group, l.ID, l.Key, l.Class, l.By}, " ")))
	}
	if diff := cmp.Diff([]string{
		"dead letter redriven millrace-inventory shopify.orders/0@11 acme.myshopify.com|order/1 permanent USER@HOST",
		"dead letter redriven millrace-inventory shopify.orders/0@12 acme.myshopify.com|order/1 permanent USER@HOST",
	}, audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	r = g.run("dlq", "drop", "shopify.orders/1@5", "shopify.orders/0@11", "--yes", "--json")
	want := `{"id":"shopify.orders/0@11","group":"millrace-inventory","result":"skipped","class":"permanent","by":"USER@HOST"}
{"id":"shopify.orders/1@5","group":"millrace-inventory","result":"dropped","class":"exhausted","key":"acme.myshopify.com|order/2","by":"USER@HOST"}
`
	if diff := cmp.Diff(want, anonymous(t, r.stdout)); diff != "" || r.code != cli.ExitOK || r.stderr != "" {
		t.Errorf("drop = %d %s (-want +got):\n%s", r.code, r.stderr, diff)
	}
	if r = g.run("dlq", "redrive", "--yes"); r.code != cli.ExitOK || !strings.Contains(r.stdout, "nothing to redrive") {
		t.Errorf("redrive of nothing = %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	// What has gone back waits ahead of what came later.
	if r = g.run("dlq", "show", "shopify.orders/0@11"); !strings.Contains(r.stdout, "on its way back; 2 later events of its entity wait") {
		t.Errorf("show says:\n%s", r.stdout)
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	g := some(t)
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"dlq show shopify.orders/0@99":            {cli.ExitFailure, "millrace-inventory has no dead letter shopify.orders/0@99"},
		"dlq redrive --yes shopify.orders/0@99":   {cli.ExitFailure, "millrace-inventory has no dead letter shopify.orders/0@99"},
		"dlq show 99":                             {cli.ExitUsage, "topic/partition@offset"},
		"dlq show":                                {cli.ExitUsage, "requires at least 1 arg"},
		"dlq show --raw shopify.orders/0@1 t/1@1": {cli.ExitUsage, "one id"},
		"dlq list --since yesterday":              {cli.ExitUsage, "--since"},
		"dlq list --until 1.13.2026":              {cli.ExitUsage, "--until"},
		"dlq redrive --rate -1":                   {cli.ExitUsage, "--rate"},
		"dlq list --service nosuch":               {cli.ExitUsage, "there are analytics, inventory, notifications, fulfillment, erp, forward, orderstate, translate, saga"},
		"dlq list --service inventory --group g":  {cli.ExitUsage, "give one"},
		"dlq list --service notifications":        {cli.ExitFailure, "groups that have one: millrace-inventory"},
		"retry list --group nosuch":               {cli.ExitFailure, "groups that have one: millrace-inventory"},
	} {
		r := g.run(strings.Fields(args)...)
		if r.code != want.code || !strings.Contains(r.stderr, want.says) {
			t.Errorf("millrace %s = %d, %s; want %d and %q", args, r.code, r.stderr, want.code, want.says)
		}
	}
	empty := newGaveUp(t)
	if r := empty.run("dlq", "list"); r.code != cli.ExitFailure || !strings.Contains(r.stderr, "topics apply") {
		t.Errorf("list without any service = %d, %s", r.code, r.stderr)
	}
}

func TestHelpOfDeadLetterCommands(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"dlq", "dlq list", "dlq show", "dlq redrive", "dlq drop", "retry", "retry list", "replay"} {
		r := program(t.Context(), append(strings.Fields(command), "--help")...)
		if r.code != cli.ExitOK || !strings.Contains(r.stdout, "Exit codes: 0 done") {
			t.Errorf("millrace %s --help = %d:\n%s", command, r.code, r.stdout)
		}
		if strings.Contains(command, " ") && !strings.Contains(r.stdout, "Examples:\n  millrace "+command) {
			t.Errorf("millrace %s --help has no example:\n%s", command, r.stdout)
		}
		for line := range strings.Lines(r.stdout) {
			if len(line) > 125 {
				t.Errorf("millrace %s --help: a line of %d characters: %s", command, len(line), line)
			}
		}
	}
}

func TestWordsOfFiltersAreCompleted(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--service":       "inventory\nnotifications\nfulfillment\nerp\nforward\norderstate\ntranslate\nsaga\n",
		"--class":         "permanent\nexhausted\nnot_ready\npanic\nunreadable\ntoo_large\n",
		"--topic":         "shopify.orders\nshopify.inventory\n",
		"--shopify-topic": "orders/create\n",
	} {
		for _, command := range []string{"dlq list", "dlq redrive", "dlq drop", "retry list"} {
			r := program(t.Context(), append(append([]string{"__complete"}, strings.Fields(command)...), flag, "")...)
			if !strings.Contains(r.stdout, want) {
				t.Errorf("completion of %s %s offers %q", command, flag, r.stdout)
			}
		}
	}
}
