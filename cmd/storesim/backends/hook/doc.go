// Package hook is the simulated endpoint of a user's that events are forwarded to. What it has in common with partners is in package
// partner.
//
//	POST on any path  200 {"received":true}
//
// The body is the event's, of any kind; X-Millrace-Signature is base64 of the HMAC-SHA256 of the body under the secret. Whose event
// it is, it reads from the headers of CloudEvents (HTTP binary mode): ce-source is /shopify/<shop>, ce-subject is order/1.
//
// Permanent: 401 bad_signature. It is keyed by Idempotency-Key, the event's id, which stays the same at every try.
package hook
