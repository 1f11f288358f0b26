package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// APIVersion is the version the simulated store serialises bodies in.
const APIVersion = "2026-10"

// UserAgent is what Shopify's deliveries call themselves.
const UserAgent = "Shopify-Captain-Hook"

// Sign returns what Shopify puts into X-Shopify-Hmac-Sha256: the base64 HMAC-SHA256 of the raw body under the app's
// client secret. Headers are not signed.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// header returns the headers of one delivery of e. They are the same on every attempt.
func header(e *Event, signature string) http.Header {
	h := make(http.Header, 10)
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", UserAgent)
	h.Set("X-Shopify-Topic", e.Topic)
	h.Set("X-Shopify-Shop-Domain", e.Shop)
	h.Set("X-Shopify-Hmac-Sha256", signature)
	h.Set("X-Shopify-Webhook-Id", e.WebhookID)
	h.Set("X-Shopify-Event-Id", e.EventID)
	h.Set("X-Shopify-Api-Version", APIVersion)
	h.Set("X-Shopify-Triggered-At", e.TriggeredAt.UTC().Format(triggeredLayout))
	return h
}

// triggeredLayout has nanoseconds, as in Shopify's documentation.
const triggeredLayout = "2006-01-02T15:04:05.000000000Z"
