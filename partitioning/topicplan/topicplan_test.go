package topicplan_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"millrace/partitioning/kafkatest"
	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBothKafkas runs a test on the broker that is embedded and on a real one, single both.
func onBothKafkas(t *testing.T, test func(t *testing.T, cl *kgo.Client)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		test(t, cl)
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		test(t, kafkatest.Start(t).Client(t))
	})
}

// singleBrokerPlan is the real plan, made to fit one broker.
func singleBrokerPlan(t *testing.T) []schemas.TopicSpec {
	t.Helper()
	o := schemas.DefaultPlanOptions()
	o.Partitions, o.Replication, o.MinInsyncReplicas = 6, 1, 1
	plan, err := schemas.TopicPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func makePlan(t *testing.T, cl *kgo.Client, wanted []schemas.TopicSpec) topicplan.Plan {
	t.Helper()
	p, err := topicplan.Make(deadline(t), cl, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apply(t *testing.T, cl *kgo.Client, wanted []schemas.TopicSpec) {
	t.Helper()
	if err := topicplan.Apply(deadline(t), cl, makePlan(t, cl, wanted)); err != nil {
		t.Fatal(err)
	}
}

func changes(t *testing.T, p topicplan.Plan, want ...topicplan.Change) {
	t.Helper()
	if diff := cmp.Diff(want, p.Changes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestPlanIsAppliedOnceAndThenEmpty(t *testing.T) {
	t.Parallel()
	onBothKafkas(t, func(t *testing.T, cl *kgo.Client) {
		t.Helper()
		wanted := singleBrokerPlan(t)
		p, err := topicplan.Check(deadline(t), cl, wanted)
		if !errors.Is(err, topicplan.ErrMissing) || !strings.Contains(err.Error(), "millrace topics apply") {
			t.Errorf("Check of an empty cluster: %v", err)
		}
		if p.Empty() || len(p.Changes) != len(wanted) {
			t.Errorf("%d changes for %d missing topics", len(p.Changes), len(wanted))
		}
		for i, c := range p.Changes {
			want := topicplan.Change{Kind: topicplan.Create, Topic: wanted[i].Name, Want: "6 partitions, 1 replicas"}
			if c != want {
				t.Errorf("got %+v, want %+v", c, want)
			}
		}
		if err := topicplan.Apply(deadline(t), cl, p); err != nil {
			t.Fatal(err)
		}
		// The same plan again, as by a second process that read the cluster at the same time.
		if err := topicplan.Apply(deadline(t), cl, p); err != nil {
			t.Errorf("applied again: %v", err)
		}
		if p := makePlan(t, cl, wanted); !p.Empty() {
			t.Errorf("after Apply there is still %+v", p.Changes)
		}
		if _, err := topicplan.Check(deadline(t), cl, wanted); err != nil {
			t.Errorf("Check after Apply: %v", err)
		}
	})
}

func TestChangedSettingsAreSetAndOthersKept(t *testing.T) {
	t.Parallel()
	onBothKafkas(t, func(t *testing.T, cl *kgo.Client) {
		t.Helper()
		wanted := singleBrokerPlan(t)[:2]
		apply(t, cl, wanted)
		name := wanted[1].Name
		alter(t, cl, name, map[string]string{"retention.ms": "1000", "segment.bytes": "104857600"})

		p, err := topicplan.Check(deadline(t), cl, wanted)
		if err != nil {
			t.Errorf("a setting that differs keeps programs from starting: %v", err)
		}
		changes(t, p, topicplan.Change{
			Kind: topicplan.SetConfig, Topic: name, Setting: "retention.ms", Have: "1000", Want: wanted[1].Configs["retention.ms"],
		})
		apply(t, cl, wanted)
		changes(t, makePlan(t, cl, wanted))
		wanted[1].Configs = maps.Clone(wanted[1].Configs)
		wanted[1].Configs["segment.bytes"] = "104857600"
		changes(t, makePlan(t, cl, wanted)) // what the operator set is still there
	})
}

func alter(t *testing.T, cl *kgo.Client, topic string, configs map[string]string) {
	t.Helper()
	var list []kadm.AlterConfig
	for k, v := range configs {
		list = append(list, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
	}
	ctx, adm := deadline(t), kadm.NewClient(cl)
	rs, err := adm.AlterTopicConfigs(ctx, list, topic)
	if err == nil {
		err = rs[0].Err
	}
	for seen := 0; err == nil && seen < len(configs); { // the broker learns of it after the controller has answered
		var described kadm.ResourceConfigs
		if described, err = adm.DescribeTopicConfigs(ctx, topic); err != nil {
			break
		}
		seen = 0
		for _, c := range described[0].Configs {
			if want, ok := configs[c.Key]; ok && c.MaybeValue() == want {
				seen++
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOtherPartitionCountIsAConflictAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	onBothKafkas(t, func(t *testing.T, cl *kgo.Client) {
		t.Helper()
		wanted := singleBrokerPlan(t)[:2]
		apply(t, cl, wanted[:1])
		wanted[0].Partitions, wanted[1].Partitions = 24, 24
		p, err := topicplan.Check(deadline(t), cl, wanted)
		if !errors.Is(err, topicplan.ErrConflict) || !errors.Is(err, topicplan.ErrMissing) || !strings.Contains(err.Error(), "set topics.partitions to 6") {
			t.Errorf("Check: %v", err)
		}
		want := []topicplan.Change{
			{Kind: topicplan.Conflict, Topic: wanted[0].Name, Setting: "partitions", Have: "6", Want: "24"},
			{Kind: topicplan.Create, Topic: wanted[1].Name, Want: "24 partitions, 1 replicas"},
		}
		changes(t, p, want...)
		if err := topicplan.Apply(deadline(t), cl, p); !errors.Is(err, topicplan.ErrConflict) {
			t.Errorf("Apply: %v", err)
		}
		changes(t, makePlan(t, cl, wanted), want...)
	})
}

func TestReplicationIsAWarningWhereItDiffersAndAConflictWhereItCannotBe(t *testing.T) {
	t.Parallel()
	onBothKafkas(t, func(t *testing.T, cl *kgo.Client) {
		t.Helper()
		wanted := singleBrokerPlan(t)[:2]
		apply(t, cl, wanted[:1])
		wanted[0].Replication, wanted[1].Replication = 3, 3
		p := makePlan(t, cl, wanted)
		changes(
			t, p,
			topicplan.Change{Kind: topicplan.Warning, Topic: wanted[0].Name, Setting: "replication", Have: "1", Want: "3"},
			topicplan.Change{Kind: topicplan.Create, Topic: wanted[1].Name, Want: "6 partitions, 3 replicas"},
			topicplan.Change{Kind: topicplan.Conflict, Topic: wanted[1].Name, Setting: "replication", Have: "1 brokers", Want: "3"},
		)
		if err := p.Err(); !errors.Is(err, topicplan.ErrConflict) || !strings.Contains(err.Error(), "set topics.replication") {
			t.Errorf("Err: %v", err)
		}
		p, err := topicplan.Check(deadline(t), cl, wanted[:1])
		if err != nil || !p.Empty() {
			t.Errorf("a warning alone: %v, empty %t", err, p.Empty())
		}
	})
}

func TestApplyTellsWhatTheBrokerSaysAndGoesOn(t *testing.T) {
	t.Parallel()
	cl := kafkatest.Start(t).Client(t)
	wanted := singleBrokerPlan(t)[:2]
	wanted[0].Configs = map[string]string{"retention.ms": "a week"}
	err := topicplan.Apply(deadline(t), cl, makePlan(t, cl, wanted))
	if err == nil || !strings.Contains(err.Error(), wanted[0].Name) || !strings.Contains(err.Error(), "a week") {
		t.Errorf("got %v, want the broker's complaint", err)
	}
	if p := makePlan(t, cl, wanted[1:]); !p.Empty() {
		t.Errorf("the topic after the broken one was not created: %+v", p.Changes)
	}
}

func TestMakeTellsThatKafkaDoesNotAnswer(t *testing.T) {
	t.Parallel()
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := topicplan.Check(deadline(t), cl, singleBrokerPlan(t)); err == nil || !strings.Contains(err.Error(), "ask kafka for its topics") {
		t.Errorf("got %v", err)
	}
}

func TestTableShowsChangesAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plan topicplan.Plan
		want string
	}{
		"nothing to do": {topicplan.Plan{}, "All 0 topics are as planned.\n"},
		"every kind": {
			topicplan.Plan{Changes: []topicplan.Change{
				{Kind: topicplan.Create, Topic: "shopify.orders", Want: "24 partitions, 3 replicas"},
				{Kind: topicplan.SetConfig, Topic: "shopify.shop", Setting: "retention.ms", Have: "1000", Want: "604800000"},
				{Kind: topicplan.Conflict, Topic: "shopify.shop", Setting: "partitions", Have: "6", Want: "24"},
				{Kind: topicplan.Warning, Topic: "shopify.shop", Setting: "replication", Have: "1", Want: "3"},
			}},
			`TOPIC           CHANGE    SETTING       CLUSTER  PLAN
shopify.orders  create    -             -        24 partitions, 3 replicas
shopify.shop    set       retention.ms  1000     604800000
shopify.shop    CONFLICT  partitions    6        24
shopify.shop    warning   replication   1        3

CONFLICT: topic shopify.shop has 6 partitions, the plan wants 24. Changing the count of a topic in use would break the order of events already written: set topics.partitions to 6, or, if the topic may be lost, delete it and apply the plan again.
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := tc.plan.WriteTable(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, b.String()); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyReportsATopicThatSomebodyMadeOtherwiseMeanwhile(t *testing.T) {
	t.Parallel()
	onBothKafkas(t, func(t *testing.T, cl *kgo.Client) {
		t.Helper()
		wanted := singleBrokerPlan(t)[:1]
		p := makePlan(t, cl, wanted)
		if _, err := kadm.NewClient(cl).CreateTopic(deadline(t), 3, 1, nil, wanted[0].Name); err != nil {
			t.Fatal(err)
		}
		if err := topicplan.Apply(deadline(t), cl, p); !errors.Is(err, topicplan.ErrConflict) {
			t.Errorf("Apply: %v", err)
		}
	})
}
