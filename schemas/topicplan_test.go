package schemas_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

func TestTheDefaultPlanIsOneTopicPerDomainAndAQuarantine(t *testing.T) {
	plan, err := schemas.TopicPlan(schemas.DefaultPlanOptions())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, spec := range plan {
		names = append(names, spec.Name)
	}
	want := []string{
		"shopify.orders", "shopify.inventory", "shopify.products", "shopify.customers", "shopify.checkouts", "shopify.shop",
		"shopify.quarantine",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("topics (-want +got):\n%s", diff)
	}
	orders := schemas.TopicSpec{
		Name: "shopify.orders", Partitions: 24, Replication: 3,
		Configs: map[string]string{
			"cleanup.policy": "delete", "compression.type": "producer", "max.message.bytes": "10551296", "min.insync.replicas": "2",
			"retention.ms": "604800000",
		},
	}
	if diff := cmp.Diff(orders, plan[0]); diff != "" {
		t.Errorf("shopify.orders (-want +got):\n%s", diff)
	}
	if got := plan[len(plan)-1].Configs["retention.ms"]; got != "2592000000" {
		t.Errorf("quarantine keeps records for %s ms, want 30 days", got)
	}
}

func TestEveryTopicTakesTheLargestBodyWithItsHeaders(t *testing.T) {
	plan, err := schemas.TopicPlan(schemas.DefaultPlanOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range plan {
		limit, err := strconv.Atoi(spec.Configs["max.message.bytes"])
		if err != nil || limit < 10<<20+64<<10 || limit <= schemas.MaxBodyBytes {
			t.Errorf("%s takes %d bytes (%v), want 10 MiB and room for headers", spec.Name, limit, err)
		}
	}
}

func TestForeverIsMinusOneToKafka(t *testing.T) {
	o := schemas.DefaultPlanOptions()
	o.Retention, o.QuarantineRetention = schemas.RetentionForever, schemas.RetentionForever
	plan, err := schemas.TopicPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range plan {
		if got := spec.Configs["retention.ms"]; got != "-1" {
			t.Errorf("%s: retention.ms is %s, want -1", spec.Name, got)
		}
	}
}

func TestTheTopicOfActivityHasTheDomainsPartitionsAndItsOwnRetention(t *testing.T) {
	o := schemas.DefaultPlanOptions()
	o.ActivityRetention = 48 * time.Hour
	got, err := schemas.ActivityTopics(o)
	want := []schemas.TopicSpec{{
		Name: "millrace.activity", Partitions: 24, Replication: 3,
		Configs: map[string]string{
			"cleanup.policy": "delete", "compression.type": "producer", "max.message.bytes": "1048576", "min.insync.replicas": "2",
			"retention.ms": "172800000",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("topics (-want +got), error %v:\n%s", err, diff)
	}
	if _, err := schemas.ActivityTopics(schemas.PlanOptions{}); err == nil || !strings.Contains(err.Error(), "millrace.activity") {
		t.Errorf("bad options gave %v, want an error that names the topic", err)
	}
}

func TestTheEventStoreIsKeptForeverAndNeverCompacted(t *testing.T) {
	o := schemas.DefaultPlanOptions()
	got, err := schemas.OrderEventsTopics(o)
	want := []schemas.TopicSpec{{
		Name: "millrace.order_events", Partitions: 24, Replication: 3,
		Configs: map[string]string{
			"cleanup.policy": "delete", "compression.type": "producer", "max.message.bytes": "10551296", "min.insync.replicas": "2",
			"retention.ms": "-1",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("topics (-want +got), error %v:\n%s", err, diff)
	}
	o.OrderEventsRetention = 48 * time.Hour
	if got, err := schemas.OrderEventsTopics(o); err != nil || got[0].Configs["retention.ms"] != "172800000" {
		t.Errorf("with a retention of two days: %v, %v", got, err)
	}
	if _, err := schemas.OrderEventsTopics(schemas.PlanOptions{}); err == nil || !strings.Contains(err.Error(), "millrace.order_events") {
		t.Errorf("bad options gave %v, want an error that names the topic", err)
	}
}

func TestASingleBrokerPlanIsValid(t *testing.T) {
	o := schemas.DefaultPlanOptions()
	o.Partitions, o.Replication, o.MinInsyncReplicas = 6, 1, 1
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestAllMistakesInAPlanAreReportedAtOnce(t *testing.T) {
	o := schemas.PlanOptions{Partitions: 0, Replication: -1, MinInsyncReplicas: 0, Retention: time.Minute, QuarantineRetention: -2, ActivityRetention: time.Second, OrderEventsRetention: -3}
	plan, err := schemas.TopicPlan(o)
	if err == nil || plan != nil {
		t.Fatalf("plan %v, error %v", plan, err)
	}
	for _, problem := range []string{
		"partitions must be from 1 to 10000, is 0",
		"replication must be from 1 to 16, is -1",
		"min_insync_replicas must be from 1 to replication (-1), is 0",
		"retention must be at least 10m0s, or -1ns for no limit, is 1m0s",
		"quarantine_retention must be at least 10m0s, or -1ns for no limit, is -2ns",
		"activity_retention must be at least 10m0s, or -1ns for no limit, is 1s",
		"order_events_retention must be at least 10m0s, or -1ns for no limit, is -3ns",
	} {
		if !strings.Contains(err.Error(), problem) {
			t.Errorf("error lacks %q:\n%v", problem, err)
		}
	}
}

func TestEachMistakeInAPlanIsReportedUnderItsKey(t *testing.T) {
	tests := map[string]func(*schemas.PlanOptions){
		"partitions ":             func(o *schemas.PlanOptions) { o.Partitions = 10_001 },
		"replication ":            func(o *schemas.PlanOptions) { o.Replication = 17 },
		"min_insync_replicas ":    func(o *schemas.PlanOptions) { o.MinInsyncReplicas = 4 },
		"retention ":              func(o *schemas.PlanOptions) { o.Retention = 0 },
		"quarantine_retention ":   func(o *schemas.PlanOptions) { o.QuarantineRetention = 0 },
		"activity_retention ":     func(o *schemas.PlanOptions) { o.ActivityRetention = 0 },
		"order_events_retention ": func(o *schemas.PlanOptions) { o.OrderEventsRetention = 0 },
	}
	for prefix, spoil := range tests {
		o := schemas.DefaultPlanOptions()
		spoil(&o)
		if err := o.Validate(); err == nil || !strings.HasPrefix(err.Error(), prefix) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Validate() = %v, want one problem that begins with %q", err, prefix)
		}
	}
	if err := schemas.DefaultPlanOptions().Validate(); err != nil {
		t.Errorf("the defaults are invalid: %v", err)
	}
}
