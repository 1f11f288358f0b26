package backends

import (
	"net/http"

	"millrace/cmd/storesim/backends/faults"
)

// stepsOfPartners are requests in their order, for all answers that are not the same for every operation. The first of each are good
// ones.
func stepsOfPartners() map[string][]step {
	const (
		of    = `"shop":"` + acme + `","order_id":`
		lines = `"lines":[{"variant_id":"7","sku":"MUG","quantity":2},{"variant_id":"8","quantity":1}]`
		home  = `"address":{"name":"Ada","address1":"Main St 1","address2":null,"zip":"9000","city":"Ghent","country_code":"BE"}`
		post  = http.MethodPost
		get   = http.MethodGet
		put   = http.MethodPut
	)
	one := func(root string) string { return root + "/" + acme + "/1" }
	two := func(root string) string { return root + "/" + acme + "/2" }
	document := func(at string) string {
		return `{"version":"2026-11-23T` + at + `Z","document":{"id":1,"shop":"` + acme + `"}}`
	}
	const reservations, charges, shipments, orders, customers = "/v1/reservations", "/v1/charges", "/v1/shipments", "/v1/orders", "/v1/customers"
	var erp []step
	for _, path := range []string{one(orders), one(customers)} {
		erp = append(erp,
			step{method: put, path: path, key: path + "a", body: document("10:00:00"), status: 201},
			step{method: put, path: path, key: path + "b", body: document("11:00:00"), status: 200},
			step{method: put, path: path, key: path + "c", body: document("10:30:00"), status: 409},
			step{method: put, path: path, key: path + "a", body: document("10:30:00"), status: 422},
			step{method: put, path: path, key: path + "d", body: `{"version":"2026-11-23T10:00:00Z"}`, status: 422, malformed: true},
			step{method: put, path: path, key: path + "d", body: `{"version":7,"document":{}}`, status: 422, malformed: true},
		)
	}
	return map[string][]step{
		faults.Stock: {
			{method: post, path: reservations, key: "a", body: `{` + of + `"1",` + lines + `}`, status: 201},
			{method: post, path: one(reservations) + "/release", key: "b", body: `{"reason":"refunded","lines":[{"variant_id":"7","quantity":1}]}`, status: 200},
			{method: post, path: one(reservations) + "/release", key: "c", body: `{"reason":"cancelled","close":true}`, status: 200},
			{method: post, path: reservations, key: "d", body: `{` + of + `"1",` + lines + `}`, status: 409},
			{method: post, path: reservations, key: "e", body: `{` + of + `"2","lines":[{"sku":"RARE","quantity":1}]}`, status: 409},
			{method: post, path: reservations, key: "a", body: `{` + of + `"2",` + lines + `}`, status: 422},
			{method: post, path: reservations, key: "f", body: `{` + of + `"2","lines":[]}`, status: 422, malformed: true},
			{method: post, path: reservations, key: "f", body: `{` + of + `"2","lines":[{"quantity":1}]}`, status: 422, malformed: true},
			{method: post, path: reservations, key: "f", body: `{` + of + `2,` + lines + `}`, status: 422, malformed: true},
			{method: post, path: reservations, body: `{` + of + `"2",` + lines + `}`, status: 422, malformed: true},
			{method: post, path: two(reservations) + "/release", key: "g", body: `{"reason":"cancelled"}`, status: 404},
			{method: post, path: two(reservations) + "/release", key: "g", body: `{"reason":"bored"}`, status: 422, malformed: true},
		},
		faults.Payment: {
			{method: post, path: charges, key: "a", body: `{` + of + `"1","amount":"12.50","currency":"EUR"}`, status: 201},
			{method: get, path: one(charges), status: 200},
			{method: post, path: one(charges) + "/refund", key: "b", body: `{"reason":"returned","amount":"2.50"}`, status: 200},
			{method: get, path: one(charges), status: 200},
			{method: post, path: one(charges) + "/refund", key: "c", body: `{"amount":"","close":true}`, status: 200},
			{method: post, path: charges, key: "d", body: `{` + of + `"1","amount":"12.50","currency":"EUR"}`, status: 409},
			{method: post, path: charges, key: "a", body: `{` + of + `"1","amount":"12.51","currency":"EUR"}`, status: 422},
			{method: post, path: charges, key: "e", body: `{"shop":"refusing.example","order_id":"1","amount":"1","currency":"EUR"}`, status: 402},
			{method: post, path: charges, key: "f", body: `{` + of + `"2","amount":12.5,"currency":"EUR"}`, status: 422, malformed: true},
			{method: post, path: charges, key: "f", body: `{` + of + `"2","amount":"12,5","currency":"EUR"}`, status: 422, malformed: true},
			{method: post, path: charges, key: "f", body: `{` + of + `"2","amount":"12.5","currency":"euro"}`, status: 422, malformed: true},
			{method: get, path: two(charges), status: 404},
			{method: post, path: two(charges) + "/refund", key: "g", body: `{}`, status: 404},
			{method: post, path: two(charges) + "/refund", key: "g", body: `{"amount":"-1"}`, status: 422, malformed: true},
			{method: post, path: two(charges) + "/refund", key: "h", body: `{"close":true}`, status: 200},
		},
		faults.Carrier: { // what it takes leaves at once
			{method: post, path: shipments, key: "a", body: `{` + of + `"1","name":"#1001",` + lines + `,` + home + `}`, status: 201},
			{method: get, path: one(shipments), status: 200},
			{method: post, path: one(shipments) + "/cancel", key: "b", body: `{"reason":"compensated","close":true}`, status: 409},
			{method: get, path: two(shipments), status: 404},
			{method: post, path: two(shipments) + "/cancel", key: "c", body: `{}`, status: 404},
			{method: post, path: two(shipments) + "/cancel", key: "d", body: `{"reason":"compensated","close":true}`, status: 200},
			{method: post, path: shipments, key: "e", body: `{` + of + `"2",` + lines + `,` + home + `}`, status: 409},
			{method: post, path: shipments, key: "f", body: `{` + of + `"3",` + lines + `,"address":{}}`, status: 422},
			{method: post, path: shipments, key: "a", body: `{` + of + `"3",` + lines + `,` + home + `}`, status: 422},
			{method: post, path: shipments, key: "g", body: `{` + of + `"3",` + lines + `}`, status: 422, malformed: true},
			{method: post, path: two(shipments) + "/cancel", key: "h", body: `{"close":"yes"}`, status: 422, malformed: true},
		},
		faults.ERP: erp,
		faults.Hook: {
			{method: post, path: "/webhooks", key: "a", body: `{"id":1,"shop":"` + acme + `"}`, status: 200},
			{method: post, path: "/webhooks", key: "a", body: `{"id":2}`, status: 422},
			{method: post, path: "/webhooks", body: `{"id":1}`, status: 422, malformed: true},
		},
	}
}
