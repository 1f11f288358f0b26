-- One row per Kafka record: every CloudEvents attribute, the body byte for byte, and the fields that most queries ask for.
--
-- ORDER BY (shop, entity, time): the look-up that the product is about is "the story of this order". The webhook id is
-- found by a bloom filter. Kafka's coordinates are found by the projection: a sink that recovers must read back exactly
-- its own offsets, and in this order of rows a min-max index over offsets would match nearly every granule.
--
-- The deduplication window is what makes a repeated insert harmless; its default is 0, which is off.
-- Times of the attributes keep the nanoseconds of Shopify's triggered-at.
CREATE TABLE IF NOT EXISTS {{database}}.events
(
    id String,
    type LowCardinality(String),
    shop LowCardinality(String),
    shopify_topic LowCardinality(String),
    subject String,
    entity_kind LowCardinality(String),
    entity_id String,
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    received_time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    content_type LowCardinality(String),
    event_id String,
    api_version LowCardinality(String),
    partition_key String,
    trace_parent String,
    body String CODEC(ZSTD(1)),

    order_id UInt64,
    customer_id UInt64,
    name String,
    currency LowCardinality(String),
    total_price Decimal(18, 4),
    current_total_price Decimal(18, 4),
    subtotal_price Decimal(18, 4),
    total_tax Decimal(18, 4),
    total_discounts Decimal(18, 4),
    financial_status LowCardinality(String),
    fulfillment_status LowCardinality(String),
    test Bool,
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    updated_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    cancelled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),

    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),

    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_offset (SELECT _topic, _partition, _offset ORDER BY _topic, _partition, _offset)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_time)
ORDER BY (shop, entity_kind, entity_id, time)
SETTINGS
    non_replicated_deduplication_window = 100000,
    lightweight_mutation_projection_mode = 'rebuild';
