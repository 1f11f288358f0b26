package partitioning_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"millrace/partitioning"
	"millrace/schemas"
)

// withoutEntity are the sample bodies that go under the shop although their topic has an entity, with the reason.
func withoutEntity() map[string]string {
	const idIsNull = "the id is null in the sample and nothing else identifies the resource"
	return map[string]string{
		"collection_publications/delete/1.json": idIsNull + "; a deleted publication does not name its collection",
		"metafield_definitions/create/1.json":   idIsNull + "; namespace and key together would, but not with the deletion, which has a gid",
		"metafield_definitions/update/1.json":   idIsNull + "; namespace and key together would, but not with the deletion, which has a gid",
		"orders/risk_assessment_changed/1.json": "order_id and admin_graphql_api_order_id are null in the sample",
		"product_feeds/create/1.json":           "the gid in the sample ends without an id: gid://shopify/ProductFeed/",
		"product_feeds/update/1.json":           "the gid in the sample ends without an id: gid://shopify/ProductFeed/",
		"product_publications/delete/1.json":    idIsNull + "; a deleted publication does not name its product",
		"tax_services/create/1.json":            idIsNull,
		"tax_services/update/1.json":            idIsNull,
	}
}

// TestEverySampleBodyHasASensibleKey compares the routes of all sample bodies with a golden file. Above 2^53 the numbers in
// the samples were rounded by whoever collected them; gids were not. So number and gid of a sample may differ, in real bodies
// they do not.
func TestEverySampleBodyHasASensibleKey(t *testing.T) {
	dir := payloads(t)
	const golden = "testdata/payload_keys.tsv"
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample bodies in %s (%v)", dir, err)
	}
	var got strings.Builder
	got.WriteString("# Shopify topic\tfile\tKafka topic\tsubject\twhy under the shop\n")
	reasons := withoutEntity()
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(filepath.Base(filepath.Dir(file)), "__", "/")
		r, err := partitioning.For(shop, name, body)
		if err != nil || !r.Known {
			t.Errorf("%s: known %v, error %v", file, r.Known, err)
			continue
		}
		id := name + "/" + filepath.Base(file)
		topic, _ := schemas.Lookup(name)
		fellBack := r.Subject == schemas.KindShop && topic.Entity[0].Kind != schemas.KindShop
		if _, expected := reasons[id]; expected != fellBack {
			t.Errorf("%s: goes under the shop: %v, listed as such: %v", id, fellBack, expected)
		}
		fmt.Fprintf(&got, "%s\t%s\t%s\t%s\t%s\n", name, filepath.Base(file), r.Topic, r.Subject, reasons[id])
		delete(reasons, id)
	}
	for id := range reasons {
		t.Errorf("%s is listed but has no sample body", id)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("routes of the sample bodies (-golden +got); run with -update if this is meant:\n%s", diff)
	}
}

// payloads returns the folder of sample bodies, one folder per Shopify topic ("orders__create"). They are not part of the
// repository: the test is skipped where they are missing, unless the environment says that everything must be there.
func payloads(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "payloads")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("the sample bodies are missing: %v (MILLRACE_PAYLOADS names their folder)", err)
		}
		t.Skipf("the sample bodies are missing: %v (MILLRACE_PAYLOADS names their folder)", err)
	}
	return dir
}
