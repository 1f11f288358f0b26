-- How the pipeline is doing, from projections of events: a projection is written with its part and merged with it, so it
-- can neither lag nor double.
--
-- by_minute adds up per minute and Shopify topic: events, bytes, and two delays in milliseconds, of the delivery (triggered
-- by Shopify until received) and of the storing (received until inserted), each as sum, greatest, and the number of events
-- that took at most so long, from which quantiles can be read for any span. Bounds are those of the lists below.
-- (Lists and not a lambda, and toString around the body: else the engine does not recognise the expressions again.)
--
-- by_received is a narrow copy in the order of receipt, for the latest events and for deliveries that came twice.
--
-- A query uses by_minute only if it says the same as the projection, so ask the view events_by_minute, with conditions on
-- minute and shopify_topic.
ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_minute
(
    SELECT
        toStartOfMinute(received_time),
        shopify_topic,
        count(),
        sum(length(toString(body))),
        sum(toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time)),
        max(toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time)),
        sumForEach([toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 100, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 250, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 500, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 1000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 2500, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 5000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 15000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 60000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 600000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 3600000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 14400000]),
        sum(toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time)),
        max(toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time)),
        sumForEach([toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 100, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 250, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 500, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 1000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 2500, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 5000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 15000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 60000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 600000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 3600000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 14400000])
    GROUP BY toStartOfMinute(received_time), shopify_topic
);

ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_received
(
    SELECT received_time, time, inserted_at, shop, shopify_topic, id, entity_kind, entity_id, _topic, _partition, _offset
    ORDER BY received_time
);

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_minute;

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_received;

CREATE VIEW IF NOT EXISTS {{database}}.events_by_minute AS
SELECT
    toStartOfMinute(received_time) AS minute,
    shopify_topic,
    count() AS events,
    sum(length(toString(body))) AS bytes,
    sum(toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time)) AS delivery_ms,
    max(toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time)) AS delivery_max_ms,
    sumForEach([toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 100, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 250, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 500, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 1000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 2500, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 5000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 15000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 60000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 600000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 3600000, toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) <= 14400000]) AS delivery_le,
    sum(toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time)) AS storing_ms,
    max(toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time)) AS storing_max_ms,
    sumForEach([toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 100, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 250, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 500, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 1000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 2500, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 5000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 15000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 60000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 600000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 3600000, toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) <= 14400000]) AS storing_le
FROM {{database}}.events
GROUP BY minute, shopify_topic;

-- Webhooks that were delivered more than once, by the day of the first of the deliveries that are looked at.
CREATE VIEW IF NOT EXISTS {{database}}.repeated_deliveries AS
SELECT
    shop,
    id,
    any(shopify_topic) AS shopify_topic,
    count() AS deliveries,
    min(received_time) AS first_received,
    max(received_time) AS last_received
FROM {{database}}.events
WHERE received_time >= {since:DateTime64(3, 'UTC')} AND received_time < {until:DateTime64(3, 'UTC')}
GROUP BY shop, id
HAVING deliveries > 1;
