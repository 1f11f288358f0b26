package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"millrace/schemas"
)

// Bounds of what is taken over from headers; Shopify's values are far below.
const (
	maxTopicLen  = 128
	maxShopLen   = 128
	maxHeaderLen = 256
)

// shopSuffix is how the permanent domain of every shop ends.
const shopSuffix = ".myshopify.com"

// Header names in Go's canonical form. Shopify's "Events" deliveries use the same names without the X-.
const (
	headerHMAC        = "X-Shopify-Hmac-Sha256"
	headerTopic       = "X-Shopify-Topic"
	headerShop        = "X-Shopify-Shop-Domain"
	headerWebhookID   = "X-Shopify-Webhook-Id"
	headerEventID     = "X-Shopify-Event-Id"
	headerAPIVersion  = "X-Shopify-Api-Version"
	headerTriggeredAt = "X-Shopify-Triggered-At"
)

// shopifyHeader returns a header's first value under its X-Shopify- name, else under its Shopify- name, else "".
func shopifyHeader(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if v := h[name[len("X-"):]]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// shopDomain returns a permanent shop domain in lower case, and whether it is one: letters, digits and hyphens, then
// .myshopify.com.
func shopDomain(s string) (string, bool) {
	s = lower(s)
	name, ok := strings.CutSuffix(s, shopSuffix)
	if !ok || name == "" || len(s) > maxShopLen || name[0] == '-' {
		return "", false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "", false
		}
	}
	return s, true
}

// shopifyTopic returns a topic in lower case, and whether it has the form of one: words of letters, digits, dots, hyphens
// and underscores, with at most one slash. Topic names are not signed, so what does not look like one goes no further.
func shopifyTopic(s string) (string, bool) {
	s = lower(strings.Trim(s, "/"))
	if s == "" || len(s) > maxTopicLen || strings.Count(s, "/") > 1 {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' && c != '/' {
			return "", false
		}
	}
	return s, true
}

// lower is strings.ToLower for ASCII; it allocates only where there is something to change.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// printable returns s when it is short printable ASCII, else "": such a header was not written by Shopify.
func printable(s string) string {
	if len(s) > maxHeaderLen {
		return ""
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return ""
		}
	}
	return s
}

// newEvent builds an event's metadata from a request's headers; subject and key come with the route.
// fallback tells that the request had no webhook id.
func newEvent(h http.Header, shop, topic string, text []byte, received time.Time) (e schemas.Event, fallback bool) {
	e = schemas.Event{
		ID:                printable(shopifyHeader(h, headerWebhookID)),
		Shop:              shop,
		Topic:             topic,
		Time:              received,
		Received:          received,
		ShopifyEventID:    printable(shopifyHeader(h, headerEventID)),
		ShopifyAPIVersion: printable(shopifyHeader(h, headerAPIVersion)),
		TraceParent:       traceParent(h),
	}
	if v := h["Content-Type"]; len(v) > 0 {
		e.ContentType = printable(v[0])
	}
	if v := shopifyHeader(h, headerTriggeredAt); v != "" {
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil && plausible(t) {
			e.Time = t.UTC()
		}
	}
	if e.ID == "" {
		e.ID = contentID(shop, topic, text)
		return e, true
	}
	return e, false
}

// plausible keeps out years that no later reader (ClickHouse's DateTime64 among them) can hold.
func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2200 }

// contentID stands in for a missing webhook id: equal deliveries get equal ids.
func contentID(shop, topic string, text []byte) string {
	h := sha256.New()
	h.Write([]byte(shop + "\n" + topic + "\n"))
	h.Write(text)
	return "sha256-" + hex.EncodeToString(h.Sum(nil))
}

// traceParent returns the W3C trace context of the request when it is well formed
// (https://www.w3.org/TR/trace-context/#traceparent-header): 55 characters, four hexadecimal fields.
func traceParent(h http.Header) string {
	v := h["Traceparent"]
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(v) == 0 || len(v[0]) != length {
		return ""
	}
	for i := range length {
		c := v[0][i]
		if i == 2 || i == 35 || i == 52 {
			if c != '-' {
				return ""
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return v[0]
}
