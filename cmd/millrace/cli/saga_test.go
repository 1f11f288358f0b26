package cli_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/cli"
	"millrace/partitioning"
	"millrace/schemas"
)

// sagas is a broker with the state of four runs.
func sagas(t *testing.T) *gaveUp {
	t.Helper()
	state := schemas.StateTopic(schemas.OrderEventsTopic, "millrace-saga")
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, schemas.OrderEventsTopic, state))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	g := &gaveUp{t, []string{"--kafka-brokers", c.ListenAddrs()[0]}, cl}
	for _, of := range []struct{ order, state string }{
		{"1", `{"v":1,"saga":"order","version":1,"phase":"running","seq":2,"since":"2026-11-23T10:00:00Z","steps":[{"name":"reserve"}]}`},
		{"1", `{"v":1,"saga":"order","version":1,"phase":"running","seq":9,"since":"2026-11-23T10:00:00Z",
			"steps":[{"name":"reserve","outcome":"done","attempts":1},{"name":"charge","outcome":"requested","attempts":3,"error":"answer 500"}],
			"asked":{"seq":9,"step":1,"attempt":3,"not_before":"2026-11-23T10:00:08Z","deadline":"2026-11-23T10:15:00Z"}}`},
		{"2", `{"v":1,"saga":"order","version":2,"phase":"parked","seq":20,"since":"2026-11-23T11:00:00Z","reason":"cancelled by the shop","problem":"answer 409 shipped",
			"steps":[{"name":"reserve","outcome":"done","attempts":1},{"name":"charge","outcome":"done","attempts":1,"ref":"ch-1"},{"name":"fulfil","outcome":"done","attempts":1,"error":"answer 409 shipped","ref":"shp-1"}]}`},
		{"3", `{"v":1,"saga":"order","version":2,"phase":"completed","seq":20,"since":"2026-11-23T11:00:00Z","steps":[{"name":"reserve","outcome":"done","attempts":1}]}`},
		{"4", `{"v":1,"cancelled":true}`},
	} {
		key := []byte("acme.myshopify.com|order/" + of.order)
		g.write(state, partitioning.Partition(key, 2), key, append([]byte{1, 2, 0}, of.state...)) // as the runtime keeps it
	}
	return g
}

func TestSagasAreListedAndShown(t *testing.T) {
	t.Parallel()
	g := sagas(t)
	for name, args := range map[string]string{
		"saga_list": "saga list", "saga_list_all": "saga list --all --limit 2", "saga_list_json": "saga list --parked --shop acme --json",
		"saga_show": "saga show acme 1", "saga_show_parked": "saga show acme.myshopify.com 2", "saga_show_json": "saga show acme 1 --json",
	} {
		r := g.run(strings.Fields(args)...)
		if r.code != cli.ExitOK {
			t.Errorf("%s = %d %s", args, r.code, r.stderr)
		}
		golden(t, name, r.stdout)
	}
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"saga list --shop nobody":             {cli.ExitOK, "0 sagas"},
		"saga list --phase sleeping":          {cli.ExitUsage, `"sleeping" is no phase, there are running,`},
		"saga list --parked --all":            {cli.ExitUsage, "exclude each other"},
		"saga list --group other":             {cli.ExitFailure, "millrace.order_events.other.state"},
		"saga show acme 4":                    {cli.ExitFailure, "cancelled before it began"},
		"saga show acme 5":                    {cli.ExitFailure, "the order has no run: 5 of acme.myshopify.com"},
		"saga show acme":                      {cli.ExitUsage, "2 arg"},
		"saga retry":                          {cli.ExitUsage, "it takes SHOP and ORDER, or --parked"},
		"saga retry acme":                     {cli.ExitUsage, "it takes SHOP and ORDER, or --parked"},
		"saga retry acme 1 --parked":          {cli.ExitUsage, "it takes SHOP and ORDER, or --parked"},
		"saga retry acme 3 --yes":             {cli.ExitFailure, "it is completed"},
		"saga abort acme 3 --yes":             {cli.ExitFailure, "cancel the order in the shop"},
		"saga abort acme 1":                   {cli.ExitUsage, "add --yes to do it"},
		"saga retry --parked --group nothing": {cli.ExitFailure, "nothing.state"},
	} {
		r := g.run(strings.Fields(args)...)
		if r.code != want.code || !strings.Contains(r.stdout+r.stderr, want.text) {
			t.Errorf("%s = %d, want %d with %q:\n%s%s", args, r.code, want.code, want.text, r.stdout, r.stderr)
		}
	}
}

func TestWhatAPersonWantsOfASagaIsAnEvent(t *testing.T) {
	t.Parallel()
	g := sagas(t)
	for _, args := range []string{"saga retry --parked --yes", "saga abort acme 1 --yes"} {
		if r := g.run(strings.Fields(args)...); r.code != cli.ExitOK || !strings.Contains(r.stdout, "1 saga\n") {
			t.Errorf("%s = %d %s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.flags[1]), kgo.ConsumeTopics(schemas.OrderEventsTopic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	got := map[string]string{}
	for len(got) < 2 {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			meta, err := schemas.ParseHeaders(r.Headers)
			if err != nil {
				t.Fatal(err)
			}
			e, err := schemas.DecodeOrderEvent(&meta, r.Value)
			if err != nil {
				t.Fatal(err)
			}
			if e.By != schemas.ByOperator || !strings.Contains(e.Reason, "@") || r.Partition != partitioning.Partition(r.Key, 2) {
				t.Errorf("%s by %q, reason %q, partition %d", e.Type(), e.By, e.Reason, r.Partition)
			}
			got[string(r.Key)] = e.Type()
		})
	}
	if got["acme.myshopify.com|order/2"] != "SagaRetryRequested" || got["acme.myshopify.com|order/1"] != "SagaAbortRequested" {
		t.Errorf("events %v", got)
	}
}
