-- The current state of each order: of all versions of (shop, order_id) the greatest `version` stays.
--
-- version orders by deletion, then Shopify's updated_at, then triggered-at, then offset, each in its own bits: updated_at
-- has a resolution of one second, so ties are normal, and a repeat of the same record has the same version. A deletion
-- outranks every update, since order ids are never used again and orders/delete carries no updated_at.
--
-- Merges choose in their own time, so read orders_current, which chooses at read time.
CREATE TABLE IF NOT EXISTS {{database}}.orders
(
    shop LowCardinality(String),
    order_id UInt64,
    name String,
    customer_id UInt64,
    currency LowCardinality(String),
    total_price Decimal(18, 4),
    current_total_price Decimal(18, 4),
    subtotal_price Decimal(18, 4),
    total_tax Decimal(18, 4),
    total_discounts Decimal(18, 4),
    financial_status LowCardinality(String),
    fulfillment_status LowCardinality(String),
    test Bool,
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    cancelled_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    deleted UInt8,
    version UInt256,
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (shop, order_id)
SETTINGS non_replicated_deduplication_window = 100000;

-- Fed from events by a view and not by a second insert of the sink: one INSERT, one token and one retry then cover both
-- tables, no crash can leave the sink between the two, and a rebuild is this SELECT over events. The body is not parsed
-- again: the columns come from the typed extracts.
-- A body without updated_at (the id-only form that replaces oversized ones) says nothing of the order and is passed over.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.orders_feed TO {{database}}.orders AS
SELECT
    shop,
    order_id,
    name,
    customer_id,
    currency,
    total_price,
    current_total_price,
    subtotal_price,
    total_tax,
    total_discounts,
    financial_status,
    fulfillment_status,
    test,
    created_at,
    updated_at,
    cancelled_at,
    shopify_topic,
    time,
    shopify_topic = 'orders/delete' AS deleted,
    bitShiftLeft(toUInt256(shopify_topic = 'orders/delete'), 192)
        + bitShiftLeft(toUInt256(greatest(toUnixTimestamp64Milli(updated_at), 0)), 128)
        + bitShiftLeft(toUInt256(greatest(toUnixTimestamp64Nano(time), 0)), 64)
        + toUInt256(_offset) AS version,
    _topic,
    _partition,
    _offset
FROM {{database}}.events
WHERE order_id != 0
    AND (shopify_topic = 'orders/delete'
        OR (updated_at > toDateTime64(0, 3, 'UTC')
            AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')));

-- FINAL here is one merge by the sorting key, in one table without partitions. Orders and revenue per shop:
--   SELECT shop, currency, count() AS orders, sum(total_price) AS revenue FROM orders_current GROUP BY shop, currency
CREATE VIEW IF NOT EXISTS {{database}}.orders_current AS
SELECT * EXCEPT (deleted, version)
FROM {{database}}.orders FINAL
WHERE deleted = 0;
