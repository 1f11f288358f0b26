-- One row per outcome of an event in a service: which service did what with it, when. Written from the Kafka topic
-- millrace.activity, where the services put it; the fields are those of schemas.Activity.
--
-- ORDER BY (shop, entity, started), as events: the question is "the story of this order", and both tables answer it from
-- neighbouring rows. The source coordinates name the event in events; they are not unique here, since an event that is
-- tried three times has three rows.
--
-- It is information about what was done, and nothing is computed from it that must be right to the cent. So it ends after
-- 400 days: the same month of the year before can still be looked at. Whole parts are dropped, which costs nothing.
CREATE TABLE IF NOT EXISTS {{database}}.activity
(
    service LowCardinality(String),
    instance LowCardinality(String),
    source_topic LowCardinality(String),
    source_partition UInt32,
    source_offset UInt64 CODEC(Delta, ZSTD(1)),
    webhook_id String,
    shop LowCardinality(String),
    shopify_topic LowCardinality(String),
    subject String,
    entity_kind LowCardinality(String),
    entity_id String,
    received_time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    outcome LowCardinality(String),
    class LowCardinality(String),
    attempt UInt32,
    error String,
    note String,
    started DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    ended DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    due DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),

    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),

    INDEX by_webhook_id webhook_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_offset (SELECT _topic, _partition, _offset ORDER BY _topic, _partition, _offset)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started)
ORDER BY (shop, entity_kind, entity_id, started)
TTL toDateTime(started) + INTERVAL 400 DAY
SETTINGS
    non_replicated_deduplication_window = 100000,
    lightweight_mutation_projection_mode = 'rebuild',
    ttl_only_drop_parts = 1;
