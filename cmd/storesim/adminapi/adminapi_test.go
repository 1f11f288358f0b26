package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

const shop = "acme.myshopify.com"

type bench struct {
	t     *testing.T
	now   time.Time
	shops *Catalogue
	api   http.Handler
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), shops: NewCatalogue()}
	b.shops.PutShop(shop, Object{"id": GID("Shop", 1), "name": "acme", "myshopifyDomain": shop}, Object{"id": GID("Location", 7), "name": "W", "isActive": true})
	s, err := New(Config{Token: "hush", Bucket: 1000, Restore: 50, Version: "2026-10"}, b.shops, func() time.Time { return b.now })
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	b.api = s.Handler()
	return b
}

func (b *bench) order(id int64, updated time.Time, lines int) {
	all := Connection{}
	for i := range lines {
		all = append(all, Object{"id": GID("LineItem", int64(i+1)), "sku": fmt.Sprint("S", i)})
	}
	b.shops.PutOrder(shop, Order{ID: id, Created: b.now, Updated: updated, Node: Object{"id": GID("Order", id), "updatedAt": Time(updated), "lineItems": all}})
}

type reply struct {
	Data struct {
		Orders struct {
			Nodes []struct {
				ID        string
				LineItems struct{ Nodes []struct{ SKU string } }
			}
			PageInfo struct {
				HasNextPage bool
				EndCursor   string
			}
		}
	}
	Errors []struct {
		Message    string
		Extensions struct{ Code string }
	}
	Extensions struct {
		Cost *struct {
			RequestedQueryCost int
			ActualQueryCost    *int
			ThrottleStatus     struct{ CurrentlyAvailable int }
		}
	}
}

func (b *bench) post(path, token, query string, vars map[string]any) (*httptest.ResponseRecorder, reply) {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	r.Header.Set("X-Shopify-Access-Token", token)
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	var v reply
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			b.t.Fatalf("answer %s: %v", w.Body, err)
		}
	}
	return w, v
}

func (b *bench) ask(query string, vars map[string]any) reply {
	b.t.Helper()
	w, v := b.post("/shops/"+shop+"/admin/api/2026-10/graphql.json", "hush", query, vars)
	if w.Code != http.StatusOK {
		b.t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return v
}

const list = `query($after: String, $query: String) { orders(first: 2, after: $after, query: $query, sortKey: UPDATED_AT) { nodes { id } pageInfo { hasNextPage endCursor } } }`

func TestOrdersArePagedByWhenTheyChangedAlsoWhileTheyChange(t *testing.T) {
	b := setup(t)
	for id := range int64(5) {
		b.order(id+1, b.now.Add(time.Duration(id)*time.Minute), 0)
	}
	var got []string
	after := any(nil)
	for page := range 10 {
		v := b.ask(list, map[string]any{"after": after, "query": "updated_at:>='2026-11-26T12:01:00Z'"})
		for _, n := range v.Data.Orders.Nodes {
			got = append(got, strings.TrimPrefix(n.ID, "gid://shopify/Order/"))
		}
		if page == 0 {
			b.order(2, b.now.Add(time.Hour), 0) // moves to the end, and takes nobody's place
		}
		if !v.Data.Orders.PageInfo.HasNextPage {
			break
		}
		after = v.Data.Orders.PageInfo.EndCursor
	}
	if want := []string{"2", "3", "4", "5", "2"}; !slices.Equal(got, want) {
		t.Errorf("orders %v, want %v", got, want)
	}
}

func TestARequestIsRefusedAsShopifyDoes(t *testing.T) {
	b := setup(t)
	for _, tc := range []struct {
		path, token string
		code        int
		version     string
	}{
		{"/shops/" + shop + "/admin/api/2026-10/graphql.json", "wrong", 401, ""},
		{"/shops/other.myshopify.com/admin/api/2026-10/graphql.json", "hush", 404, ""},
		{"/shops/" + shop + "/admin/api/2027-01/graphql.json", "hush", 404, ""},
		{"/shops/" + shop + "/admin/api/2026-11/graphql.json", "hush", 404, ""},
		{"/shops/" + shop + "/admin/api/2024-01/graphql.json", "hush", 200, "2026-01"},
		{"http://" + shop + "/admin/api/2026-07/graphql.json", "hush", 200, "2026-07"},
	} {
		w, _ := b.post(tc.path, tc.token, list, nil)
		if w.Code != tc.code || w.Header().Get("X-Shopify-API-Version") != tc.version {
			t.Errorf("%s with %q: %d, version %q; want %d, %q", tc.path, tc.token, w.Code, w.Header().Get("X-Shopify-API-Version"), tc.code, tc.version)
		}
	}
	for query, want := range map[string]string{
		`{ orders(first: 2) { nodes { total } } }`:                                  "Cannot query field",
		`{ orders { nodes { id } } }`:                                               "first or last",
		`{ orders(first: 251) { nodes { id } } }`:                                   "from 1 to 250",
		`{ orders(first: 2, query: "tag:x") { nodes { id } } }`:                     "no filter",
		`{ orders(first: 2, query: "updated_at:>=yesterday") { nodes { id } } }`:    "is not a time",
		`{ orders(first: 2, after: "x") { nodes { id } } }`:                         "invalid cursor",
		`{ orders(first: 250) { nodes { lineItems(first: 5) { nodes { id } } } } }`: "Query cost is 2002, which exceeds",
	} {
		if v := b.ask(query, nil); len(v.Errors) == 0 || !strings.Contains(v.Errors[0].Message, want) {
			t.Errorf("%s: %+v, want an error that says %q", query, v.Errors, want)
		}
	}
}

func TestWhatAQueryDoesNotUseIsGivenBackAndWhatTheBucketCannotPayIsThrottled(t *testing.T) {
	b := setup(t)
	b.order(1, b.now, 3)
	query := `{ orders(first: 20) { nodes { id lineItems(first: 40) { nodes { sku } } } } }`
	v := b.ask(query, nil)
	// 2 + 20 × (1 + 2 + 40 × 1) asked for; 2 + 1 × (1 + 2 + 3) found.
	if c := v.Extensions.Cost; c == nil || c.RequestedQueryCost != 862 || *c.ActualQueryCost != 8 || c.ThrottleStatus.CurrentlyAvailable != 992 {
		t.Fatalf("cost %+v", c)
	}
	if n := v.Data.Orders.Nodes; len(n) != 1 || len(n[0].LineItems.Nodes) != 3 || n[0].LineItems.Nodes[2].SKU != "S2" {
		t.Errorf("orders %+v", n)
	}
	for range 17 {
		b.ask(query, nil)
	}
	v = b.ask(query, nil) // 1000 - 18 × 8 = 856 < 862
	if len(v.Errors) != 1 || v.Errors[0].Extensions.Code != "THROTTLED" || v.Extensions.Cost.ActualQueryCost != nil || v.Extensions.Cost.ThrottleStatus.CurrentlyAvailable != 856 {
		t.Fatalf("answer %+v", v)
	}
	b.now = b.now.Add(time.Second)
	if v = b.ask(query, nil); len(v.Errors) != 0 {
		t.Errorf("a second later: %+v", v.Errors)
	}
}
