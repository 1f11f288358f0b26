package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

// A day of the inventory is replayed; the replay is killed in the middle and goes on. The stock is what it was, and nobody else has seen
// anything.
func TestAKilledReplayGoesOnAndHasNoEffectTwice(t *testing.T) {
	t.Parallel()
	t.Run("embedded broker", func(t *testing.T) {
		t.Parallel()
		killedReplay(t, newBroker(t))
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		killedReplay(t, flagsOf(kafkatest.Start(t).Brokers()[0]))
	})
}

func killedReplay(t *testing.T, kafka []string) {
	t.Helper()
	if r := program(t.Context(), append([]string{"topics", "apply"}, kafka...)...); r.code != cli.ExitOK {
		t.Fatalf("topics apply = %d:\n%s", r.code, r.stderr)
	}
	w := startWorld(t)
	r := startIngest(t, kafka)
	start(t, slices.Concat([]string{"consume", "inventory", "--admin-listen", "", "--inventory-stock-url", w.Stock}, kafka)...)
	start(t, slices.Concat([]string{"consume", "translate", "--admin-listen", ""}, kafka)...)
	const orders, events = 60, 140
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for id := 1; id <= orders; id++ {
		order := fmt.Sprintf(`{"id":%d,"name":"#%d","line_items":[{"id":%d,"variant_id":5,"sku":"TEA","quantity":2}]}`, id, id, 100+id)
		r.post(client, "orders/create", fmt.Sprint("create-", id), order)
		r.post(client, "orders/updated", fmt.Sprint("updated-", id), order)
		if id%3 == 0 {
			r.post(client, "orders/cancelled", fmt.Sprint("cancelled-", id), order)
		}
	}
	eventually(t, "all events done", func() (any, bool) { return lag(t, kafka[1], "millrace-inventory", "millrace-translate") })
	before, others := w.account(), othersEnds(t, kafka[1])
	if before.Stock.Reservations != orders {
		t.Fatalf("%d reservations, want %d", before.Stock.Reservations, orders)
	}

	flags := []string{"--kafka-brokers", kafka[1], "--log-format", "json"}
	dry := program(t.Context(), append([]string{"replay", "--service", "inventory", "--dry-run"}, flags...)...)
	if dry.code != cli.ExitOK || !strings.Contains(dry.stdout, "orders/cancelled  20\n") || !strings.Contains(dry.stdout, fmt.Sprintf("%d events to replay to inventory", events)) {
		t.Errorf("dry run = %d:\n%s%s", dry.code, dry.stdout, dry.stderr)
	}
	id := killHalfway(t, events, append([]string{"replay", "--service", "inventory", "--rate", "40", "--yes"}, flags...))
	resumed := program(t.Context(), append([]string{"replay", "--resume", id, "--rate", "0", "--yes", "--json"}, flags...)...)
	var got struct {
		Result          string
		Chosen, Written int64
		Skipped         map[string]int64
	}
	if err := json.Unmarshal([]byte(resumed.stdout), &got); err != nil || resumed.code != cli.ExitOK || got.Result != "done" || got.Chosen != events || got.Written != events || len(got.Skipped) != 0 {
		t.Errorf("resume = %d, %+v, %v:\n%s%s", resumed.code, got, err, resumed.stdout, resumed.stderr)
	}
	if !strings.Contains(resumed.stderr, `"msg":"replay done"`) || !strings.Contains(resumed.stderr, `"by":"`+cli.Whoami()+`"`) {
		t.Errorf("no audit:\n%s", resumed.stderr)
	}
	eventually(t, "all handled again", func() (any, bool) {
		waits := program(t.Context(), append([]string{"retry", "list", "--service", "inventory"}, flags...)...)
		return waits, strings.HasPrefix(waits.stdout, "0 events")
	})
	onceEach(t, kafka[1], id, events)
	if diff := cmp.Diff(before, w.account()); diff != "" {
		t.Errorf("the stock after the replay (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(others, othersEnds(t, kafka[1])); diff != "" {
		t.Errorf("topics that others read (-before +after):\n%s", diff)
	}
	list := program(t.Context(), append([]string{"replay", "--list"}, flags...)...)
	if list.code != cli.ExitOK || !strings.Contains(list.stdout, id+"  inventory") || !strings.Contains(list.stdout, "done") {
		t.Errorf("list = %d:\n%s%s", list.code, list.stdout, list.stderr)
	}
}

// killHalfway starts a replay in a process of its own and kills it.
func killHalfway(t *testing.T, events int64, args []string) (id string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "half of it is written", func() (any, bool) {
		list := program(t.Context(), append([]string{"replay", "--list", "--json"}, args[len(args)-4:]...)...)
		var run struct {
			ID      string
			Written int64
		}
		_ = json.Unmarshal([]byte(list.stdout), &run) // nothing yet
		id = run.ID
		return list, run.Written > events/4
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("it was done before it was killed:\n%s", &stderr)
	}
	return id
}

// othersEnds are the ends of the topics that are not the inventory's own, nor information.
func othersEnds(t *testing.T, broker string) map[string]int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) { sums[o.Topic] += o.Offset })
	maps.DeleteFunc(sums, func(topic string, _ int64) bool {
		return strings.Contains(topic, ".millrace-inventory.") || topic == schemas.ActivityTopic || strings.HasPrefix(topic, "__")
	})
	return sums
}

// onceEach checks that each event of the orders was given to the inventory once.
func onceEach(t *testing.T, broker, id string, events int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(schemas.RetryTopic("shopify.orders", "millrace-inventory")),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	times := map[string]int{}
	eventually(t, "all that was written is read", func() (any, bool) {
		client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key == schemas.HeaderReplay && string(h.Value) == id {
					times[fmt.Sprintf("%d/%s", r.Partition, r.Key)]++
				}
			}
		})
		return len(times), len(times) == events
	})
	for key, n := range times {
		if n != 1 {
			t.Errorf("%s was given %d times", key, n)
		}
	}
}

func TestMistakesOfAReplayAreTold(t *testing.T) {
	t.Parallel()
	g := newGaveUp(t)
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"replay":                     {cli.ExitUsage, "--service: inventory"},
		"replay --service nosuch":    {cli.ExitUsage, "--service: inventory"},
		"replay --service analytics": {cli.ExitUsage, "millrace clickhouse rebuild"},
		"replay --service inventory --topic orders/create": {cli.ExitUsage, "--shopify-topic"},
		"replay --service inventory --from yesterday":      {cli.ExitUsage, "--from"},
		"replay --service inventory --from 1h --to 2h":     {cli.ExitUsage, "before"},
		"replay --service inventory --rate -1":             {cli.ExitUsage, "--rate"},
		"replay --resume x --shop acme":                    {cli.ExitUsage, "no selection"},
		"replay --resume nosuch":                           {cli.ExitFailure, "no such replay: nosuch"},
		"replay --service inventory":                       {cli.ExitFailure, "topics apply"},
	} {
		r := g.run(strings.Fields(args)...)
		if r.code != want.code || !strings.Contains(r.stderr, want.says) {
			t.Errorf("millrace %s = %d, %s; want %d and %q", args, r.code, r.stderr, want.code, want.says)
		}
	}
	if r := g.run("replay", "--list"); r.code != cli.ExitOK || !strings.Contains(r.stdout, "no replay") {
		t.Errorf("list of nothing = %d, %s%s", r.code, r.stdout, r.stderr)
	}
	some := newGaveUp(t, "millrace-inventory")
	key, headers := origin(1, 0, 0, "orders/create")
	some.write("shopify.orders", 0, key, []byte(`{}`), headers...)
	some.settled("millrace-inventory", 1)
	// Nobody can answer: it says what it would do, does nothing and exits with 2.
	r := some.run("replay", "--service", "inventory")
	if r.code != cli.ExitUsage || !strings.Contains(r.stderr, "--yes") || !strings.Contains(r.stdout, "1 event to replay to inventory (millrace-inventory), in 1s or more") {
		t.Errorf("replay without --yes = %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := some.run("replay", "--list"); !strings.Contains(r.stdout, "no replay") {
		t.Errorf("it has begun all the same:\n%s", r.stdout)
	}
}

// settled makes a group have handled the first events of partition 0.
func (g *gaveUp) settled(group string, n int64) {
	g.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset("shopify.orders", 0, n, -1)
	if err := kadm.NewClient(g.cl).CommitAllOffsets(g.t.Context(), group, offsets); err != nil {
		g.t.Fatal(err)
	}
}
