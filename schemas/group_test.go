package schemas_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

func TestGroupTopicsStandBesideTheirSource(t *testing.T) {
	const forever = schemas.RetentionForever
	o := schemas.PlanOptions{Partitions: 12, Replication: 3, MinInsyncReplicas: 2, Retention: forever, QuarantineRetention: forever, ActivityRetention: forever, OrderEventsRetention: forever}
	for _, state := range []bool{false, true} {
		plan, err := schemas.GroupTopics("inventory", []string{"shopify.orders", "shopify.inventory"}, state, o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range plan {
			got = append(got, s.Name)
			if s.Partitions != 12 || s.Replication != 3 || s.Configs["min.insync.replicas"] != "2" {
				t.Errorf("%s has %d partitions, %d replicas, %v; want those of the source", s.Name, s.Partitions, s.Replication, s.Configs)
			}
			if size, err := strconv.Atoi(s.Configs["max.message.bytes"]); err != nil || size <= schemas.MaxMessageBytes+1000 {
				t.Errorf("%s takes %s bytes: no room for the added headers", s.Name, s.Configs["max.message.bytes"])
			}
			dead := strings.HasSuffix(s.Name, ".dlq")
			if compacted := s.Configs["cleanup.policy"] == "compact"; compacted == dead {
				t.Errorf("%s has cleanup.policy %q", s.Name, s.Configs["cleanup.policy"])
			}
			if dead && s.Configs["retention.ms"] != "-1" {
				t.Errorf("%s loses letters after %s ms", s.Name, s.Configs["retention.ms"])
			}
		}
		want := []string{
			"shopify.orders.inventory.retry", "shopify.orders.inventory.dlq", "shopify.orders.inventory.state",
			"shopify.inventory.inventory.retry", "shopify.inventory.inventory.dlq", "shopify.inventory.inventory.state",
		}
		if !state {
			want = []string{want[0], want[1], want[3], want[4]}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("state %v (-want +got):\n%s", state, diff)
		}
	}
	only, err := schemas.DeadLetterTopics("inventory", []string{"shopify.orders", "shopify.inventory"}, o)
	plan, _ := schemas.GroupTopics("inventory", []string{"shopify.orders", "shopify.inventory"}, false, o)
	if diff := cmp.Diff([]schemas.TopicSpec{plan[1], plan[3]}, only); diff != "" || err != nil {
		t.Errorf("dead-letter topics alone, error %v (-want +got):\n%s", err, diff)
	}
	if _, err := schemas.DeadLetterTopics("inventory", nil, schemas.PlanOptions{}); err == nil || !strings.Contains(err.Error(), "inventory") {
		t.Errorf("bad options gave %v, want an error that names the group", err)
	}
	if _, err := schemas.GroupTopics("inventory", []string{"shopify.orders"}, true, schemas.PlanOptions{}); err == nil || !strings.Contains(err.Error(), "inventory") {
		t.Errorf("bad options gave %v, want an error that names the group", err)
	}
}

func TestATopicOfAServiceIsKeptAsLongAsTheDomains(t *testing.T) {
	o := schemas.DefaultPlanOptions()
	own, err := schemas.ServiceTopic("millrace.fulfillment.tasks", o)
	domains, _ := schemas.TopicPlan(o)
	domains[0].Name = own.Name
	if diff := cmp.Diff(domains[0], own); diff != "" || err != nil {
		t.Errorf("ServiceTopic(), error %v (-want +got):\n%s", err, diff)
	}
	if _, err := schemas.ServiceTopic("tasks", schemas.PlanOptions{}); err == nil || !strings.Contains(err.Error(), "tasks") {
		t.Errorf("bad options gave %v, want an error that names the topic", err)
	}
}

func TestRetryKeysOfOneKeyDiffer(t *testing.T) {
	if got := string(schemas.RetryKey([]byte("acme.myshopify.com|order/1"), 42)); got != "acme.myshopify.com|order/1#42" {
		t.Errorf("RetryKey gave %s", got)
	}
	if a, b := schemas.RetryKey(nil, 1), schemas.RetryKey(nil, 2); string(a) == string(b) {
		t.Error("two offsets without a key share a retry key")
	}
}

func TestGroupHeadersListsEveryConstantInOrder(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "group.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var constants, classes []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		switch name := spec.Names[0].Name; {
		case strings.HasPrefix(name, "Header"):
			constants = append(constants, value)
		case strings.HasPrefix(name, "Class"):
			classes = append(classes, value)
		}
		return true
	})
	var listed []string
	for _, h := range schemas.GroupHeaders() {
		listed = append(listed, h.Name)
	}
	if diff := cmp.Diff(constants, listed); diff != "" || len(listed) == 0 {
		t.Errorf("GroupHeaders() differs from the constants (-constants +listed):\n%s", diff)
	}
	if diff := cmp.Diff(classes, schemas.ErrorClasses()); diff != "" || len(classes) == 0 {
		t.Errorf("ErrorClasses() differs from the constants (-constants +listed):\n%s", diff)
	}
}

func TestREADMEListsTheHeadersOfAGroup(t *testing.T) {
	var want strings.Builder
	want.WriteString("| header | present | content |\n|---|---|---|\n")
	for _, h := range schemas.GroupHeaders() {
		present := "sometimes"
		if h.Always {
			present = "always"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", h.Name, present, h.Content)
	}
	listed(t, "group-headers", want.String())
}
