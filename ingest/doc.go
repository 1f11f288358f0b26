// Package ingest is the HTTP receiver: it checks that a webhook is authentic, routes it, has it durable in Kafka and only
// then answers 200. It does nothing else: no parsing beyond the id that keys the event, no deduplication, no state.
//
// Guarantees:
//   - never a 2xx for what Kafka has not acknowledged with acks=all;
//   - never a non-2xx for an authentic delivery that is durable when the answer is written (a delivery whose
//     acknowledgement is late is answered 503 and may be stored twice: deduplicate on the webhook id);
//   - never a 3xx (Shopify counts it as a failure);
//   - the body reaches Kafka byte for byte;
//   - connections, requests, bytes and time in flight are bounded; beyond the bounds of requests and bytes the answer is an
//     immediate 503 with Retry-After;
//   - a Kafka topic that takes nothing is answered 503 for itself and does not use up the room of the others.
//
// It is not a gateway for the public: it has no rate limit per client and no list of addresses. What it does against
// strangers is to bound connections, bytes and time, and to read no body whose signature cannot be right.
package ingest
