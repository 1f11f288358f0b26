-- How the pipeline is doing, from projections of events: a projection is written with its part and merged with it, so it
-- can neither lag nor double.
--
-- by_minute adds up per minute and Shopify topic: events, bytes, and two delays in milliseconds, of the delivery (triggered
-- by Shopify until received) and of the storing (received until inserted), each as sum, greatest, and the number of events
-- that took at most so long, from which quantiles can be read for any span. Bounds are those of the lists below.
-- (Lists and not a lambda, and toString around the body: else the engine does not recognise the expressions again.) The two
-- delays are columns that are computed when a row is inserted.
--
-- by_hour is the same per hour: over months of 100 million events, by_minute has two million rows of arrays, by_hour a sixtieth.
-- by_shop is which shops there are.
--
-- by_received is a narrow copy in the order of receipt, for the latest events and for deliveries that came twice.
--
-- A query uses by_minute only if it says the same as the projection, so ask the view events_by_minute, with conditions on
-- minute and shopify_topic.
ALTER TABLE {{database}}.events ADD COLUMN IF NOT EXISTS delivery Int64 MATERIALIZED toUnixTimestamp64Milli(received_time) - toUnixTimestamp64Milli(time) CODEC(T64, ZSTD(1));

ALTER TABLE {{database}}.events ADD COLUMN IF NOT EXISTS storing Int64 MATERIALIZED toUnixTimestamp64Milli(inserted_at) - toUnixTimestamp64Milli(received_time) CODEC(T64, ZSTD(1));

ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_minute
(
    SELECT
        toStartOfMinute(received_time),
        shopify_topic,
        count(),
        sum(length(toString(body))),
        sum(delivery),
        max(delivery),
        sumForEach([delivery <= 100, delivery <= 250, delivery <= 500, delivery <= 1000, delivery <= 2500, delivery <= 5000, delivery <= 15000, delivery <= 60000, delivery <= 600000, delivery <= 3600000, delivery <= 14400000]),
        sum(storing),
        max(storing),
        sumForEach([storing <= 100, storing <= 250, storing <= 500, storing <= 1000, storing <= 2500, storing <= 5000, storing <= 15000, storing <= 60000, storing <= 600000, storing <= 3600000, storing <= 14400000])
    GROUP BY toStartOfMinute(received_time), shopify_topic
);

ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_hour
(
    SELECT
        toStartOfHour(received_time),
        shopify_topic,
        count(),
        sum(length(toString(body))),
        sum(delivery),
        max(delivery),
        sumForEach([delivery <= 100, delivery <= 250, delivery <= 500, delivery <= 1000, delivery <= 2500, delivery <= 5000, delivery <= 15000, delivery <= 60000, delivery <= 600000, delivery <= 3600000, delivery <= 14400000]),
        sum(storing),
        max(storing),
        sumForEach([storing <= 100, storing <= 250, storing <= 500, storing <= 1000, storing <= 2500, storing <= 5000, storing <= 15000, storing <= 60000, storing <= 600000, storing <= 3600000, storing <= 14400000])
    GROUP BY toStartOfHour(received_time), shopify_topic
);

ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_received
(
    SELECT received_time, time, inserted_at, shop, shopify_topic, id, entity_kind, entity_id, _topic, _partition, _offset
    ORDER BY received_time
);

ALTER TABLE {{database}}.events ADD PROJECTION IF NOT EXISTS by_shop (SELECT shop, count() GROUP BY shop);

-- What is searched for by what a person knows of an order, its number or its name, whatever the shop.
ALTER TABLE {{database}}.events ADD INDEX IF NOT EXISTS by_entity entity_id TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE {{database}}.events ADD INDEX IF NOT EXISTS by_name name TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE {{database}}.events MATERIALIZE INDEX IF EXISTS by_entity;

ALTER TABLE {{database}}.events MATERIALIZE INDEX IF EXISTS by_name;

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_minute;

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_hour;

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_shop;

ALTER TABLE {{database}}.events MATERIALIZE PROJECTION IF EXISTS by_received;

CREATE VIEW IF NOT EXISTS {{database}}.events_by_minute AS
SELECT
    toStartOfMinute(received_time) AS minute,
    shopify_topic,
    count() AS events,
    sum(length(toString(body))) AS bytes,
    sum(delivery) AS delivery_ms,
    max(delivery) AS delivery_max_ms,
    sumForEach([delivery <= 100, delivery <= 250, delivery <= 500, delivery <= 1000, delivery <= 2500, delivery <= 5000, delivery <= 15000, delivery <= 60000, delivery <= 600000, delivery <= 3600000, delivery <= 14400000]) AS delivery_le,
    sum(storing) AS storing_ms,
    max(storing) AS storing_max_ms,
    sumForEach([storing <= 100, storing <= 250, storing <= 500, storing <= 1000, storing <= 2500, storing <= 5000, storing <= 15000, storing <= 60000, storing <= 600000, storing <= 3600000, storing <= 14400000]) AS storing_le
FROM {{database}}.events
GROUP BY minute, shopify_topic;

CREATE VIEW IF NOT EXISTS {{database}}.events_by_hour AS
SELECT
    toStartOfHour(received_time) AS hour,
    shopify_topic,
    count() AS events,
    sum(length(toString(body))) AS bytes,
    sum(delivery) AS delivery_ms,
    max(delivery) AS delivery_max_ms,
    sumForEach([delivery <= 100, delivery <= 250, delivery <= 500, delivery <= 1000, delivery <= 2500, delivery <= 5000, delivery <= 15000, delivery <= 60000, delivery <= 600000, delivery <= 3600000, delivery <= 14400000]) AS delivery_le,
    sum(storing) AS storing_ms,
    max(storing) AS storing_max_ms,
    sumForEach([storing <= 100, storing <= 250, storing <= 500, storing <= 1000, storing <= 2500, storing <= 5000, storing <= 15000, storing <= 60000, storing <= 600000, storing <= 3600000, storing <= 14400000]) AS storing_le
FROM {{database}}.events
GROUP BY hour, shopify_topic;

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
