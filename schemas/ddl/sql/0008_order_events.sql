-- A copy of the event store, one row per record of the Kafka topic millrace.order_events: what happened to each order, by whom and
-- why. value is the record's value byte for byte, so what reads it (schemas.DecodeOrderEvent) brings old versions up to date as from
-- Kafka, and a change of the events' form needs no change here.
--
-- ORDER BY (shop, order_id, …): the question is always about one order, and all of an order's events are neighbours. Their order is
-- that of the store, which is one partition for one order: the offset's. Parts are by month of at, which says when it happened.
--
-- No TTL: the state of an order is what its events say. topics.order_events_retention may end the topic's records before.
CREATE TABLE IF NOT EXISTS {{database}}.order_events
(
    id String,
    shop LowCardinality(String),
    order_id String,
    type LowCardinality(String),
    version UInt32,
    at DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    received_time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    told_by LowCardinality(String),
    cause String,
    reason String,
    value String CODEC(ZSTD(1)),

    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),

    INDEX by_cause cause TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_offset (SELECT _topic, _partition, _offset ORDER BY _topic, _partition, _offset)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (shop, order_id, _partition, _offset)
SETTINGS
    non_replicated_deduplication_window = 100000,
    lightweight_mutation_projection_mode = 'rebuild';
