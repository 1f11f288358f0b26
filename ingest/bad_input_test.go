package ingest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/ingest"
	"millrace/schemas"
	"millrace/schemas/secret"
)

// Every way in which a request can be wrong, by name. No 2xx may come of what is not in Kafka.
func TestBadRequestsAreRefusedAndLeaveNothingInKafka(t *testing.T) {
	good := ingest.Sign(testSecret, []byte(orderBody))
	tests := map[string]struct {
		webhook webhook
		status  int
	}{
		"wrong HMAC":                 {webhook{body: orderBody, secret: "other"}, 401},
		"HMAC of another body":       {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": ingest.Sign(testSecret, []byte("{}"))}}, 401},
		"missing HMAC":               {webhook{body: orderBody, without: []string{"X-Shopify-Hmac-Sha256"}}, 401},
		"empty HMAC":                 {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": ""}}, 401},
		"truncated HMAC":             {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": good[:40]}}, 401},
		"HMAC of half a sum":         {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(make([]byte, 16))}}, 401},
		"HMAC that is not base64":    {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": strings.Repeat("!", 44)}}, 401},
		"HMAC in base64url":          {webhook{body: "{}", header: map[string]string{"X-Shopify-Hmac-Sha256": "--__" + good[4:]}}, 401},
		"HMAC with stray bits":       {webhook{body: orderBody, header: map[string]string{"X-Shopify-Hmac-Sha256": strayBits(good)}}, 401},
		"oversize with length":       {webhook{body: strings.Repeat("x", 2000)}, 413},
		"oversize chunked":           {webhook{body: strings.Repeat("x", 2000), chunked: true}, 413},
		"missing shop":               {webhook{body: orderBody, without: []string{"X-Shopify-Shop-Domain"}}, 400},
		"shop of another domain":     {webhook{body: orderBody, shop: "acme.example.com"}, 400},
		"shop with a path":           {webhook{body: orderBody, shop: "acme/x.myshopify.com"}, 400},
		"shop with a separator":      {webhook{body: orderBody, shop: "a|b.myshopify.com"}, 400},
		"shop that is only a suffix": {webhook{body: orderBody, shop: ".myshopify.com"}, 400},
		"shop beyond any length":     {webhook{body: orderBody, shop: strings.Repeat("a", 300) + ".myshopify.com"}, 400},
		"unknown path":               {webhook{body: orderBody, path: "/webhook"}, 404},
		"root":                       {webhook{body: orderBody, path: "/"}, 404},
	}
	h := start(t, func(c *ingest.Config) { c.MaxBodyBytes = 1000 })
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h.use(t)
			h.want(tt.status, tt.webhook)
		})
	}
	if n := h.count(); n != 0 {
		t.Errorf("Kafka holds %d records of refused requests", n)
	}
}

// strayBits sets the bits of the last base64 digit that no byte uses: the sum decodes the same, but it is not what
// Shopify sends.
func strayBits(s string) string {
	digits := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := len(s) - 2
	return s[:i] + string(digits[strings.IndexByte(digits, s[i])|1]) + s[i+1:]
}

// What is authentic is kept whatever it holds, and answered 200: in its domain's topic when it can be routed, in
// quarantine when not. A non-2xx would cost the subscription.
func TestAuthenticBodiesAreStoredWhateverTheyHold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		webhook webhook
		topic   string
		subject string // "" where the test does not say
		reason  string // part of the quarantine reason
	}{
		"an order":                     {webhook{body: orderBody}, "shopify.orders", "order/820982911946154508", ""},
		"topic in the path":            {webhook{body: orderBody, path: "/webhooks/orders/paid", without: []string{"X-Shopify-Topic"}}, "shopify.orders", "order/820982911946154508", ""},
		"header before path":           {webhook{body: orderBody, path: "/webhooks/products/update"}, "shopify.orders", "order/820982911946154508", ""},
		"path with a trailing slash":   {webhook{body: orderBody, path: "/webhooks/"}, "shopify.orders", "order/820982911946154508", ""},
		"chunked":                      {webhook{body: orderBody, chunked: true}, "shopify.orders", "order/820982911946154508", ""},
		"shop in capitals":             {webhook{body: orderBody, shop: "ACME.myshopify.com"}, "shopify.orders", "order/820982911946154508", ""},
		"id above 2^53":                {webhook{body: `{"id":9007199254740993}`}, "shopify.orders", "order/9007199254740993", ""},
		"id as a gid":                  {webhook{body: `{"id":"gid://shopify/Order/9007199254740993"}`}, "shopify.orders", "order/9007199254740993", ""},
		"duplicate keys":               {webhook{body: `{"id":1,"id":2}`}, "shopify.orders", "order/1", ""},
		"NUL in a string, escaped":     {webhook{body: `{"id":1,"note":"a\u0000b"}`}, "shopify.orders", "order/1", ""},
		"invalid UTF-8":                {webhook{body: "{\"id\":1,\"note\":\"\xff\xfe\"}"}, "shopify.orders", "order/1", ""},
		"unknown topic":                {webhook{body: `{"id":1}`, topic: "moons/rise"}, "shopify.shop", "", ""},
		"missing webhook id":           {webhook{body: orderBody, without: []string{"X-Shopify-Webhook-Id"}}, "shopify.orders", "order/820982911946154508", ""},
		"no headers but the three":     {webhook{body: orderBody, without: []string{"X-Shopify-Webhook-Id", "X-Shopify-Event-Id", "X-Shopify-Api-Version", "X-Shopify-Triggered-At", "Content-Type"}}, "shopify.orders", "order/820982911946154508", ""},
		"triggered-at that is no time": {webhook{body: orderBody, header: map[string]string{"X-Shopify-Triggered-At": "yesterday"}}, "shopify.orders", "order/820982911946154508", ""},
		"triggered-at in year 9999":    {webhook{body: orderBody, header: map[string]string{"X-Shopify-Triggered-At": "9999-12-31T23:59:59Z"}}, "shopify.orders", "order/820982911946154508", ""},
		"empty body":                   {webhook{body: ""}, "shopify.quarantine", "", ""},
		"broken JSON":                  {webhook{body: `{"id":1`}, "shopify.quarantine", "", ""},
		"not JSON":                     {webhook{body: "id=1&x=2"}, "shopify.quarantine", "", ""},
		"NUL, raw":                     {webhook{body: "{\"id\":1,\"note\":\"a\x00b\"}"}, "shopify.quarantine", "", ""},
		"deep JSON":                    {webhook{body: strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)}, "shopify.quarantine", "", ""},
		"deep broken JSON":             {webhook{body: strings.Repeat(`{"a":`, 100_000)}, "shopify.quarantine", "", ""},
		"missing topic":                {webhook{body: orderBody, without: []string{"X-Shopify-Topic"}}, "shopify.quarantine", "", "no Shopify topic"},
		"topic that is no topic":       {webhook{body: orderBody, topic: "orders/create/../../x y"}, "shopify.quarantine", "", "no Shopify topic"},
		"line break in the path topic": {webhook{body: orderBody, path: "/webhooks/orders%0d%0aX-Evil:%201", without: []string{"X-Shopify-Topic"}}, "shopify.quarantine", "", "no Shopify topic"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, nil)
			status, _, answer := h.post(tt.webhook)
			if status != http.StatusOK || answer != `{"received":true}` {
				t.Fatalf("answer %d %q, want 200 {\"received\":true}", status, answer)
			}
			rec := h.records(tt.topic, 1)[0]
			if n := h.count(); n != 1 {
				t.Errorf("Kafka holds %d records, want 1", n)
			}
			if string(rec.Value) != tt.webhook.body {
				t.Errorf("the body is not what was posted: %d bytes, want %d", len(rec.Value), len(tt.webhook.body))
			}
			event, err := schemas.ParseHeaders(rec.Headers)
			if err != nil {
				t.Fatalf("ParseHeaders() error: %v", err)
			}
			if tt.subject != "" && event.Subject != tt.subject {
				t.Errorf("subject %q, want %q", event.Subject, tt.subject)
			}
			if event.Shop != testShop || event.ID == "" || string(rec.Key) != event.PartitionKey || event.PartitionKey != testShop+"|"+event.Subject {
				t.Errorf("shop %q, id %q, record key %q, partition key %q, subject %q", event.Shop, event.ID, rec.Key, event.PartitionKey, event.Subject)
			}
			reason := headerOf(rec.Headers, schemas.HeaderQuarantineReason)
			if (tt.topic == "shopify.quarantine") != (reason != "") || !strings.Contains(reason, tt.reason) {
				t.Errorf("quarantine reason %q, want %q", reason, tt.reason)
			}
		})
	}
}

func TestEqualDeliveriesWithoutAWebhookIDGetEqualIDs(t *testing.T) {
	h := start(t, nil)
	without := []string{"X-Shopify-Webhook-Id"}
	h.want(200, webhook{body: orderBody, without: without})
	h.want(200, webhook{body: orderBody, without: without})
	h.want(200, webhook{body: orderBody, topic: "orders/paid", without: without})
	ids := map[string]int{}
	for _, r := range h.records("shopify.orders", 3) {
		e, err := schemas.ParseHeaders(r.Headers)
		if err != nil {
			t.Fatal(err)
		}
		ids[e.ID]++
	}
	if len(ids) != 2 {
		t.Errorf("ids %v, want one for the two equal deliveries and another for the third", ids)
	}
}

func TestASecretOfOneShopDoesNotOpenAnother(t *testing.T) {
	file := writeSecrets(t, "shops:\n  acme.myshopify.com: [acme-key]\n  Other.myshopify.com: [other-key]\n")
	h := start(t, func(c *ingest.Config) { c.SecretsFile = file })
	h.want(200, webhook{body: orderBody, secret: "acme-key"})
	h.want(200, webhook{body: orderBody, secret: "other-key", shop: "other.myshopify.com"})
	h.want(200, webhook{body: orderBody, secret: testSecret}) // the app's secret is good for every shop
	h.want(401, webhook{body: orderBody, secret: "other-key"})
	h.want(401, webhook{body: orderBody, secret: "acme-key", shop: "third.myshopify.com"})
}

func TestBothSecretsOfARotationAreTaken(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.Secrets = []secret.Secret{"new", "old"} })
	h.want(200, webhook{body: orderBody, secret: "old"})
	h.want(200, webhook{body: orderBody, secret: "new"})
	h.want(401, webhook{body: orderBody, secret: "older"})
}

func TestHeadersWithoutTheXAreRead(t *testing.T) {
	h := start(t, nil)
	h.want(200, webhook{
		body:    orderBody,
		without: []string{"X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-Hmac-Sha256", "X-Shopify-Webhook-Id"},
		header: map[string]string{
			"Shopify-Topic": "orders/create", "Shopify-Shop-Domain": testShop, "Shopify-Webhook-Id": "w-1",
			"Shopify-Hmac-Sha256": ingest.Sign(testSecret, []byte(orderBody)),
		},
	})
	e, err := schemas.ParseHeaders(h.records("shopify.orders", 1)[0].Headers)
	if err != nil || e.ID != "w-1" {
		t.Errorf("event %+v, error %v; want id w-1", e, err)
	}
}

func TestOtherMethodsAreRefusedWithoutARedirect(t *testing.T) {
	h := start(t, nil)
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"} {
		r := webhook{body: orderBody}.request(t.Context(), h.url)
		r.Method = method
		resp, err := h.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d, want 405", method, resp.StatusCode)
		}
	}
	if n := h.count(); n != 0 {
		t.Errorf("Kafka holds %d records", n)
	}
}

func TestHTTP10IsServed(t *testing.T) {
	h := start(t, nil)
	got := h.raw("POST /webhooks HTTP/1.0\r\n" + signedHeaders(orderBody) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(orderBody), orderBody))
	if !strings.Contains(got, " 200 OK\r\n") {
		t.Errorf("answer %q, want 200", got)
	}
	if n := h.count(); n != 1 {
		t.Errorf("Kafka holds %d records, want 1", n)
	}
}

func TestInjectedHeadersNeverReachKafka(t *testing.T) {
	h := start(t, nil)
	tests := map[string]string{
		"NUL in a value":          "X-Shopify-Webhook-Id: a\x00b\r\n",
		"bare CR in a value":      "X-Shopify-Webhook-Id: a\rX-Evil: 1\r\n",
		"line folding":            "X-Shopify-Webhook-Id: a\r\n X-Evil: 1\r\n",
		"two lengths":             "Content-Length: 5\r\n",
		"length beside chunking":  "Transfer-Encoding: chunked\r\n",
		"name with a space":       "X-Shopify-Webhook-Id : a\r\n",
		"headers beyond any size": "X-Big: " + strings.Repeat("x", 64<<10) + "\r\n",
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			h.use(t)
			got := h.raw("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + header + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(orderBody), orderBody))
			if strings.Contains(got, " 200 ") && name != "line folding" && name != "bare CR in a value" {
				t.Errorf("answer %q, want a refusal", got)
			}
		})
	}
	for _, topic := range topicNames() {
		for p := range int32(3) {
			if h.kafka.PartitionInfo(topic, p).HighWatermark == 0 {
				continue
			}
			for _, r := range h.records(topic, 1) {
				for _, hd := range r.Headers {
					if strings.ContainsAny(string(hd.Value), "\r\n\x00") || strings.Contains(hd.Key, "Evil") {
						t.Errorf("header %q: %q reached Kafka", hd.Key, hd.Value)
					}
				}
			}
		}
	}
}

func TestASlowBodyIsCutOff(t *testing.T) {
	h := start(t, func(c *ingest.Config) { c.BodyTimeout = 150 * time.Millisecond })
	begin := time.Now()
	got := h.raw("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + "Content-Length: 1000\r\n\r\n{")
	if !strings.Contains(got, " 408 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("answer %q, want 408 and the connection closed", got)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("cut off after %v", d)
	}
	if n := h.gauge("millrace_ingest_in_flight_bytes"); n != 0 {
		t.Errorf("%v bytes still held", n)
	}
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	h := start(t, nil)
	got := h.raw("POST /webhooks HTTP/1.1\r\nHost: x\r\n" + signedHeaders(orderBody) + "Transfer-Encoding: chunked\r\n\r\nZZZ\r\n")
	if !strings.Contains(got, " 400 ") {
		t.Errorf("answer %q, want 400", got)
	}
}

// signedHeaders are the headers of a good delivery, for requests written by hand.
func signedHeaders(body string) string {
	return "X-Shopify-Topic: orders/create\r\nX-Shopify-Shop-Domain: " + testShop + "\r\nX-Shopify-Hmac-Sha256: " + ingest.Sign(testSecret, []byte(body)) + "\r\n"
}
