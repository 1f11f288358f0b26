package schemas

// HeaderSpec describes one record header, for documentation.
type HeaderSpec struct {
	Name    string
	Always  bool   // whether every event has it
	Content string // what is in it, with an example where the form is not obvious
}

// Headers returns the record headers of an event, in the order in which AppendHeaders writes them, followed by those that
// only records in quarantine have. The table in README.md is made from it.
func Headers() []HeaderSpec {
	return []HeaderSpec{
		{HeaderSpecVersion, true, "CloudEvents version, always `1.0`"},
		{HeaderID, true, "webhook id, the deduplication key; a hash of shop, topic and body where Shopify sent none"},
		{HeaderType, true, "`com.shopify.` and the Shopify topic with dots: `com.shopify.orders.create`"},
		{HeaderSource, true, "`/shopify/` and the shop domain: `/shopify/acme.myshopify.com`"},
		{HeaderSubject, true, "entity, `<kind>/<id>` or `shop`: `order/820982911946154508`"},
		{HeaderTime, true, "when Shopify triggered the delivery, else when it was received; RFC 3339, UTC, nanoseconds"},
		{HeaderContentType, false, "media type of the value, as Shopify sent it: `application/json`"},
		{HeaderShopifyTopic, true, "Shopify topic as sent: `orders/create`"},
		{HeaderShopifyEventID, false, "id shared by all deliveries of one merchant action: for correlation, never for deduplication"},
		{HeaderShopifyAPIVersion, false, "API version that serialised the body: `2026-10`"},
		{HeaderReceivedTime, true, "when the receiver had the whole body; RFC 3339, UTC, nanoseconds"},
		{HeaderPartitionKey, true, "the record key: `acme.myshopify.com|order/820982911946154508`"},
		{HeaderOrigin, false, "who made the event, where it was not a webhook: `reconcile`, from what the store's Admin API says"},
		{HeaderTraceParent, false, "W3C trace context of the request that brought the event"},
		{HeaderQuarantineReason, false, "only in `shopify.quarantine`: why the record is there, one sentence"},
		{HeaderQuarantineTopic, false, "only in `shopify.quarantine`, set by consumers: Kafka topic that the record was read from"},
		{HeaderQuarantinePartition, false, "only in `shopify.quarantine`, set by consumers: its partition, decimal"},
		{HeaderQuarantineOffset, false, "only in `shopify.quarantine`, set by consumers: its offset, decimal"},
	}
}

// GroupHeaders returns the headers that a consumer group adds to a record that it puts off or gives up, and those of the records
// that settle one. An event on its way back has none of them but what a retry record needs.
func GroupHeaders() []HeaderSpec {
	return []HeaderSpec{
		{HeaderSourceTopic, true, "Kafka topic that the event was read from"},
		{HeaderSourcePartition, true, "its partition, decimal"},
		{HeaderSourceOffset, true, "its offset, decimal; with the two above it names the event, and a dead letter within its group"},
		{HeaderAttempts, false, "tries that burned an attempt, decimal"},
		{HeaderFirstFailure, false, "when the first try failed; RFC 3339, UTC, nanoseconds, as all times here"},
		{HeaderLastFailure, false, "when the last try failed"},
		{HeaderErrorClass, false, "why: `permanent`, `exhausted`, `not_ready`, `panic`, `unreadable` or `too_large` (then the letter has the event's key, but neither its value nor its headers)"},
		{HeaderError, false, "the error's text, cut at 1000 bytes"},
		{HeaderRetryDue, false, "only in a retry topic: when the next try is due; missing while the event stands behind another of its key"},
		{HeaderRetrySince, false, "only in a retry topic: since when the event is put off without burning an attempt"},
		{HeaderRetryAside, false, "only in a retry topic: `1` where the event waits for another one and lets the later ones of its key pass"},
		{HeaderRetryParked, false, "only in a retry topic: `1` where a dead letter keeps its key's place; the value is empty, not null"},
		{HeaderRetryBy, false, "only in a retry topic: a person has sent the event back (`redrive`), has it handled once more (`replay`) or has given it up for good (`drop`, no value)"},
		{HeaderReplay, false, "the id of the replay (`millrace replay`) for which the event is handled once more"},
		{HeaderResolution, false, "only in a dead-letter topic, on a record without a value: the letter is `redriven` or `dropped`"},
		{HeaderResolutionBy, false, "by whom, `user@host`"},
		{HeaderResolutionTime, false, "and when"},
	}
}
