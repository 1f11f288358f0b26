package forward

import (
	"slices"
	"strings"
	"testing"

	"millrace/schemas"
)

func TestAStarStandsForAnyText(t *testing.T) {
	for _, tc := range []struct {
		pattern, topic string
		want           bool
	}{
		{"orders/create", "orders/create", true},
		{"orders/create", "orders/created", false},
		{"orders/*", "orders/create", true},
		{"orders/*", "orders/archived", true}, // one that Shopify adds tomorrow
		{"orders/*", "draft_orders/create", false},
		{"*", "customer.tags_added", true},
		{"*/create", "orders/create", true},
		{"*/create", "orders/create_more", false},
		{"*orders*/*d", "draft_orders/updated", true},
		{"orders/c*c*e", "orders/create", false}, // not the same letter twice
		{"", "orders/create", false},
	} {
		if got := match(tc.pattern, tc.topic); got != tc.want {
			t.Errorf("%s matches %s: %v, want %v", tc.pattern, tc.topic, got, tc.want)
		}
	}
}

func TestTheKafkaTopicsAreThoseOfTheChosenShopifyTopics(t *testing.T) {
	var all []string
	for _, d := range schemas.Domains() {
		all = append(all, d.KafkaTopic())
	}
	for named, want := range map[string][]string{
		"orders/create":                   {"shopify.orders"},
		"products/*,orders/*":             {"shopify.orders", "shopify.products"},
		"customers/*":                     {"shopify.customers", "shopify.shop"}, // compliance is the shop's
		"inventory_levels/update,carts/*": {"shopify.inventory", "shopify.checkouts"},
		"*":                               all,
	} {
		got, err := Topics(strings.Split(named, ","))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Topics(%s) = %v, %v; want %v", named, got, err, want)
		}
	}
}

func TestANameThatShopifyHasNotIsAMistake(t *testing.T) {
	_, err := Topics([]string{"orders/created", "orders/paid", "widgets/*"})
	want := `topics[0] "orders/created" is no Shopify topic; did you mean orders/create?` + "\n" +
		`topics[2] "widgets/*" is no Shopify topic; * stands for any text, as in orders/*`
	if err == nil || err.Error() != want {
		t.Errorf("Topics() error:\n%v\nwant:\n%s", err, want)
	}
	if _, err := Topics(nil); err == nil || !strings.HasPrefix(err.Error(), "topics ") {
		t.Errorf("no topics: %v", err)
	}
}
