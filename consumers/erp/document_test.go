package erp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	orderSample = `{"id":820982911946154508,"name":"#1001","email":"x@example.com","created_at":"2026-11-23T05:00:00-05:00","updated_at":"2026-11-23T05:00:01-05:00",
"processed_at":null,"currency":"EUR","taxes_included":true,"subtotal_price":"20.00","total_discounts":"1.50","total_tax":3.19,"total_price":"22.50","current_total_price":"22.50",
"financial_status":"paid","fulfillment_status":null,"note":null,"tags":"vip, ,gift","note_attributes":[{"name":"cost_centre","value":"K7"},{"name":"other","value":"x"}],
"customer":{"id":7,"email":"jo@example.com","first_name":"Jo","last_name":null,"default_address":{"city":"elsewhere"}},
"shipping_address":{"name":"Jo Doe","address1":"Ring 1","zip":"50667","city":"Köln","country_code":"DE","country":"Germany"},
"line_items":[{"id":11,"variant_id":111,"sku":"A","name":"Tea – 100 g","quantity":2,"current_quantity":0,"price":"10.00","total_discount":"1.50","tax_lines":[{"title":"VAT","rate":0.19,"price":"3.19"}]},
{"id":12,"quantity":1,"price":"0.00"}],
"shipping_lines":[{"title":"Standard","code":"std","price":"4.00"}],"tax_lines":[{"title":"VAT","rate":0.19,"price":"3.19"}],"discount_codes":[{"code":"TEA","amount":"1.50"}]}`
	customerSample = `{"id":7,"email":"jo@example.com","phone":null,"first_name":"Jo","last_name":"Doe","state":"enabled","currency":"EUR","tax_exempt":true,"tags":"b2b",
"created_at":"2026-11-23T05:00:00-05:00","updated_at":"2026-11-23T05:00:01-05:00","default_address":{"company":"Doe Ltd","city":"Köln","country_code":"DE"}}`
)

func TestADocumentHasWhatAnERPNeeds(t *testing.T) {
	for name, tc := range map[string]struct {
		kind       Kind
		body, want string
	}{
		"order": {Order, orderSample, `{"order_id":"820982911946154508","number":"#1001","created_at":"2026-11-23T10:00:00Z","financial_status":"paid","currency":"EUR","taxes_included":true,` +
			`"subtotal":"20.00","discounts":"1.50","tax":"3.19","total":"22.50","current_total":"22.50","discount_codes":["TEA"],"tags":["vip","gift"],` +
			`"customer":{"customer_id":"7","email":"jo@example.com","first_name":"Jo"},` +
			`"shipping_address":{"name":"Jo Doe","address1":"Ring 1","zip":"50667","city":"Köln","country_code":"DE"},` +
			`"lines":[{"line_id":"11","variant_id":"111","sku":"A","name":"Tea – 100 g","quantity":2,"current_quantity":0,"price":"10.00","discount":"1.50","taxes":[{"title":"VAT","rate":"0.19","amount":"3.19"}]},` +
			`{"line_id":"12","quantity":1,"price":"0.00"}],"shipping":[{"title":"Standard","code":"std","price":"4.00"}],"taxes":[{"title":"VAT","rate":"0.19","amount":"3.19"}]}`},
		"customer": {Customer, customerSample, `{"customer_id":"7","email":"jo@example.com","first_name":"Jo","last_name":"Doe","created_at":"2026-11-23T10:00:00Z","state":"enabled","currency":"EUR",` +
			`"tax_exempt":true,"tags":["b2b"],"address":{"company":"Doe Ltd","city":"Köln","country_code":"DE"}}`},
	} {
		s, err := read(tc.kind, []byte(tc.body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := mapping(nil).content(s.document, []byte(tc.body))
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, tc.want)
		}
	}
}

func TestFieldsAreMappedByPath(t *testing.T) {
	m, err := readMapping([]string{
		`cost_centre=note_attributes.#(name=="cost_centre").value`, "customer=", "total=total_price", " skus = line_items.#.sku ",
		"missing=no.such.thing", "note=note", "lines=no.such.thing",
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := read(Order, []byte(orderSample))
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.content(s.document, []byte(orderSample))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"cost_centre": `"K7"`, "customer": "", "total": `"22.50"`, "skus": `["A"]`, "missing": "", "note": "null", "lines": "", "number": `"#1001"`} {
		if string(got[field]) != want {
			t.Errorf("%s is %s, want %s", field, got[field], want)
		}
	}
	for range 20 {
		if again, err := m.content(s.document, []byte(orderSample)); err != nil || string(again) != string(text) {
			t.Fatalf("a repeat is %s, want %s (%v)", again, text, err)
		}
	}
}

// Every sample body of the topics concerned becomes a document. The collection is not part of the repository.
func TestEverySampleBodyBecomesADocument(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = "../../../shared/payloads"
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		t.Skipf("needs sample bodies (MILLRACE_PAYLOADS): %v", err)
	}
	n := 0
	for _, topic := range []string{
		"orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled",
		"customers/create", "customers/update", "customers/enable", "customers/disable",
	} {
		list, err := filepath.Glob(filepath.Join(dir, strings.ReplaceAll(topic, "/", "__"), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range list {
			n++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := read(kindOf(topic), text)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if o, ok := s.document.(orderDocument); ok && (len(o.Lines) == 0 || o.Currency == "" || o.Total == "") {
				t.Errorf("%s: %+v", path, o)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d sample bodies in %s", n, dir)
	}
}
