-- The read models: what an order, a refund, a product … is now. Each is fed from events by one materialized view, so that
-- one INSERT, one token and one retry cover all, and a rebuild is the view's SELECT over events. Definitions: README.md.
--
-- Every table keeps of all versions of an entity the one with the greatest `version`: Shopify's updated_at in milliseconds
-- (42 bits), then triggered-at in nanoseconds (62), then the low 24 bits of the offset. updated_at mostly has a resolution
-- of one second, so ties are normal; what agrees in triggered-at too is the same delivery again, and a repeat of a record
-- has the same version. Not in 256 bits with the whole offset, because every FINAL reads and compares all versions.
-- Merges choose in their own time: read the views <model>_current, which choose at read time. To write a row twice is
-- harmless, so each feed may be run again over any part of events.
--
-- Tables of which reports add up millions of rows are sorted and partitioned by created_at, which Shopify never changes:
-- all versions of an entity are in one partition, so FINAL works partition by partition, and costs next to nothing where
-- a partition is one part. Old partitions are merged into one part in time.
--
-- An amount that a body has as text is converted exactly. One that is a JSON number (the amounts of a refund's lines) is
-- exact up to 15 digits. A time is read where it begins like 2026-, since the parser takes any number for one. What is missing, null or of another type is zero, and no body whatever stops an insert: no
-- conversion here may throw.

DROP VIEW IF EXISTS {{database}}.orders_feed;
DROP VIEW IF EXISTS {{database}}.orders_current;
DROP TABLE IF EXISTS {{database}}.orders;

-- What was deleted stays deleted, whatever comes before or after: Shopify never uses an id again. In a table of its own,
-- because a deletion carries no created_at, which the models are sorted by.
CREATE TABLE IF NOT EXISTS {{database}}.deletions
(
    kind LowCardinality(String),
    shop LowCardinality(String),
    entity_id UInt64,
    deleted_at DateTime64(9, 'UTC'),
    version UInt128,
    shopify_topic LowCardinality(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, shop, entity_id)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS {{database}}.orders
(
    shop LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    order_id UInt64,
    version UInt128,
    customer_id UInt64,
    currency LowCardinality(String),
    test Bool,
    financial_status LowCardinality(String),
    fulfillment_status LowCardinality(String),
    cancelled_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    fulfilled_at DateTime64(3, 'UTC'),
    total_price Decimal(18, 4),
    current_total_price Decimal(18, 4),
    refunded Decimal(18, 4),
    written_off Decimal(18, 4),
    subtotal_price Decimal(18, 4),
    total_tax Decimal(18, 4),
    total_discounts Decimal(18, 4),
    total_shipping Decimal(18, 4),
    total_tips Decimal(18, 4),
    gift_cards Decimal(18, 4),
    name String,
    source_name LowCardinality(String),
    cancel_reason LowCardinality(String),
    line_ids Array(UInt64),
    line_product_ids Array(UInt64),
    line_variant_ids Array(UInt64),
    line_skus Array(String),
    line_titles Array(String),
    line_prices Array(Decimal(18, 4)),
    line_quantities Array(Int32),
    line_current_quantities Array(Int32),
    line_amounts Array(Decimal(18, 4)),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (shop, created_at, order_id)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

-- The first order of each customer: of all orders seen the one with the least created_at, then the least id. The version
-- counts downwards, so that the earliest wins.
CREATE TABLE IF NOT EXISTS {{database}}.first_orders
(
    shop LowCardinality(String),
    customer_id UInt64,
    version UInt128,
    order_id UInt64,
    created_at DateTime64(3, 'UTC'),
    currency LowCardinality(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (shop, customer_id)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS {{database}}.refunds
(
    shop LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    refund_id UInt64,
    version UInt128,
    order_id UInt64,
    currency LowCardinality(String),
    test Bool,
    amount Decimal(18, 4),
    units Int64,
    line_ids Array(UInt64),
    line_quantities Array(Int32),
    processed_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (shop, created_at, refund_id)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS {{database}}.fulfillments
(
    shop LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    fulfillment_id UInt64,
    version UInt128,
    order_id UInt64,
    name String,
    status LowCardinality(String),
    shipment_status LowCardinality(String),
    service LowCardinality(String),
    location_id UInt64,
    tracking_company LowCardinality(String),
    tracking_number String,
    units Int64,
    updated_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (shop, created_at, fulfillment_id)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS {{database}}.checkouts
(
    shop LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    token String,
    version UInt128,
    checkout_id UInt64,
    customer_id UInt64,
    currency LowCardinality(String),
    total_price Decimal(18, 4),
    updated_at DateTime64(3, 'UTC'),
    completed_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (shop, created_at, token)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS {{database}}.products
(
    shop LowCardinality(String),
    product_id UInt64,
    version UInt128,
    title String,
    handle String,
    vendor String,
    product_type String,
    status LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    published_at DateTime64(3, 'UTC'),
    variant_ids Array(UInt64),
    variant_skus Array(String),
    variant_titles Array(String),
    variant_prices Array(Decimal(18, 4)),
    variant_inventory_item_ids Array(UInt64),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (shop, product_id)
SETTINGS non_replicated_deduplication_window = 100000;

-- No name, address, e-mail or telephone number: who may be asked to erase a person should not have to look in more places.
CREATE TABLE IF NOT EXISTS {{database}}.customers
(
    shop LowCardinality(String),
    customer_id UInt64,
    version UInt128,
    state LowCardinality(String),
    currency LowCardinality(String),
    orders_count Int64,
    total_spent Decimal(18, 4),
    verified_email Bool,
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (shop, customer_id)
SETTINGS non_replicated_deduplication_window = 100000;

-- A level is a relation of item and location, which may be cut and made again: so the newest event decides, and a cut is a
-- version like others (connected = false), placed by triggered-at since it carries no updated_at.
CREATE TABLE IF NOT EXISTS {{database}}.inventory_levels
(
    shop LowCardinality(String),
    inventory_item_id UInt64,
    location_id UInt64,
    version UInt128,
    available Nullable(Int64),
    connected Bool,
    updated_at DateTime64(3, 'UTC'),
    shopify_topic LowCardinality(String),
    time DateTime64(9, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (shop, inventory_item_id, location_id)
SETTINGS non_replicated_deduplication_window = 100000;

-- ClickHouse runs every view of a table at every insert, and to run one of the feeds costs 10 to 40 ms before it has seen a
-- row: all of them together made an insert of one row take 80 ms instead of 15. So a feed does not stand at events but at a
-- table that stores nothing (<model>_intake), to which a view that costs next to nothing (<model>_route) passes the rows that
-- the feed may take, and of those only the columns that it reads. A feed to which nothing is passed is not run. Measured, one
-- row: 80 to 30 ms for a stock level, 65 for an order.
-- What a feed takes is decided by its own conditions; a route may pass more, never less.
CREATE TABLE IF NOT EXISTS {{database}}.deletions_intake ENGINE = Null AS
SELECT shop, shopify_topic, entity_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.deletions_route TO {{database}}.deletions_intake AS
SELECT shop, shopify_topic, entity_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('orders/delete', 'products/delete', 'checkouts/delete', 'inventory_items/delete', 'customers/delete', 'customers/redact', 'customers/merge');

CREATE TABLE IF NOT EXISTS {{database}}.orders_intake ENGINE = Null AS
SELECT shop, shopify_topic, order_id, customer_id, time, created_at, updated_at, cancelled_at, currency, test, financial_status, fulfillment_status, total_price,
    current_total_price, subtotal_price, total_tax, total_discounts, name, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.orders_route TO {{database}}.orders_intake AS
SELECT shop, shopify_topic, order_id, customer_id, time, created_at, updated_at, cancelled_at, currency, test, financial_status, fulfillment_status, total_price,
    current_total_price, subtotal_price, total_tax, total_discounts, name, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0 AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled');

CREATE TABLE IF NOT EXISTS {{database}}.refunds_intake ENGINE = Null AS
SELECT shop, shopify_topic, order_id, time, updated_at, currency, test, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.refunds_route TO {{database}}.refunds_intake AS
SELECT shop, shopify_topic, order_id, time, updated_at, currency, test, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0
    AND (shopify_topic = 'refunds/create'
        OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
            AND (position(body, '"refunds":[]') = 0 OR position(body, '"refunds":[{') != 0)));

CREATE TABLE IF NOT EXISTS {{database}}.fulfillments_intake ENGINE = Null AS
SELECT shop, shopify_topic, order_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.fulfillments_route TO {{database}}.fulfillments_intake AS
SELECT shop, shopify_topic, order_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0
    AND (shopify_topic IN ('fulfillments/create', 'fulfillments/update')
        OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
            AND (position(body, '"fulfillments":[]') = 0 OR position(body, '"fulfillments":[{') != 0)));

CREATE TABLE IF NOT EXISTS {{database}}.checkouts_intake ENGINE = Null AS
SELECT shop, shopify_topic, customer_id, time, created_at, updated_at, currency, total_price, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.checkouts_route TO {{database}}.checkouts_intake AS
SELECT shop, shopify_topic, customer_id, time, created_at, updated_at, currency, total_price, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('checkouts/create', 'checkouts/update');

CREATE TABLE IF NOT EXISTS {{database}}.products_intake ENGINE = Null AS
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.products_route TO {{database}}.products_intake AS
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('products/create', 'products/update');

CREATE TABLE IF NOT EXISTS {{database}}.customers_intake ENGINE = Null AS
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, currency, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.customers_route TO {{database}}.customers_intake AS
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, currency, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('customers/create', 'customers/update', 'customers/enable', 'customers/disable');

CREATE TABLE IF NOT EXISTS {{database}}.inventory_levels_intake ENGINE = Null AS
SELECT shop, shopify_topic, time, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
LIMIT 0;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.inventory_levels_route TO {{database}}.inventory_levels_intake AS
SELECT shop, shopify_topic, time, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('inventory_levels/update', 'inventory_levels/connect', 'inventory_levels/disconnect');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.deletions_feed TO {{database}}.deletions AS
SELECT
    transform(shopify_topic, ['orders/delete', 'products/delete', 'checkouts/delete', 'inventory_items/delete'], ['order', 'product', 'checkout', 'inventory_item'], 'customer') AS kind,
    shop,
    if(shopify_topic = 'customers/merge',
        toUInt64OrZero(extract(JSONExtractString(body, 'admin_graphql_api_customer_deleted_id'), '([0-9]+)$')),
        toUInt64OrZero(events.entity_id)) AS entity_id,
    time AS deleted_at,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24) + toUInt128(bitAnd(_offset, 16777215)) AS version,
    shopify_topic,
    _topic,
    _partition,
    _offset
FROM {{database}}.deletions_intake AS events
WHERE (shopify_topic IN ('orders/delete', 'products/delete', 'checkouts/delete', 'inventory_items/delete', 'customers/delete', 'customers/redact')
        AND toUInt64OrZero(events.entity_id) != 0)
    OR (shopify_topic = 'customers/merge' AND JSONExtractString(body, 'status') = 'completed');

-- A body without updated_at or created_at (the id-only form that replaces oversized ones) says nothing of the order and is
-- passed over. So is one that was created before 2000 or after 2099: each such month would be a partition of its own.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.orders_feed TO {{database}}.orders AS
SELECT
    shop,
    created_at,
    order_id,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(updated_at), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    customer_id,
    currency,
    test,
    financial_status,
    fulfillment_status,
    cancelled_at,
    updated_at,
    arrayMin(arrayFilter(t -> t > toDateTime64(0, 3, 'UTC'),
        arrayMap(f -> parseDateTime64BestEffortOrZero(if(substring(f.created_at, 5, 1) = '-', f.created_at, ''), 3, 'UTC'), arrayFilter(f -> f.status = 'success', b.fulfillments)))) AS fulfilled_at,
    total_price,
    if(isNull(b.current_total_price), toDecimal64OrZero(toString(total_price - money_back), 4), current_total) AS current_total_price,
    toDecimal64OrZero(toString(money_back), 4) AS refunded,
    if(isNull(b.current_total_price), toDecimal64(0, 4),
        toDecimal64OrZero(toString(greatest(toDecimal128(0, 4), total_price - current_total - money_back)), 4)) AS written_off,
    subtotal_price,
    total_tax,
    total_discounts,
    toDecimal64OrZero(b.total_shipping_price_set.shop_money.amount, 4) AS total_shipping,
    toDecimal64OrZero(b.total_tip_received, 4) AS total_tips,
    toDecimal64OrZero(toString(arraySum(l -> if(l.gift_card, toDecimal128OrZero(l.price, 4) * l.quantity, toDecimal128(0, 4)), b.line_items)), 4) AS gift_cards,
    name,
    if(length(b.source_name) <= 64, b.source_name, '') AS source_name,
    if(length(b.cancel_reason) <= 64, b.cancel_reason, '') AS cancel_reason,
    tupleElement(b.line_items, 'id') AS line_ids,
    tupleElement(b.line_items, 'product_id') AS line_product_ids,
    tupleElement(b.line_items, 'variant_id') AS line_variant_ids,
    tupleElement(b.line_items, 'sku') AS line_skus,
    tupleElement(b.line_items, 'title') AS line_titles,
    arrayMap(l -> toDecimal64OrZero(l.price, 4), b.line_items) AS line_prices,
    tupleElement(b.line_items, 'quantity') AS line_quantities,
    arrayMap(l -> ifNull(l.current_quantity, l.quantity), b.line_items) AS line_current_quantities,
    arrayMap(l -> toDecimal64OrZero(toString(
        toDecimal128OrZero(l.price, 4) * l.quantity - arraySum(a -> toDecimal128OrZero(a.amount, 4), l.discount_allocations)), 4), b.line_items) AS line_amounts,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM
(
    SELECT
        *,
        arraySum(r -> arraySum(t -> multiIf(
            t.kind != 'refund' OR t.status != 'success', toDecimal128(0, 4),
            t.amount_set.shop_money.currency_code = currency, toDecimal128OrZero(t.amount_set.shop_money.amount, 4),
            t.currency = currency OR t.currency = '', toDecimal128OrZero(t.amount, 4),
            toDecimal128(0, 4)), r.transactions), b.refunds) AS money_back
    FROM
    (
        SELECT
            *,
            current_total_price AS current_total,
            JSONExtract(body, 'Tuple(
                current_total_price Nullable(String),
                total_tip_received String,
                total_shipping_price_set Tuple(shop_money Tuple(amount String)),
                source_name String,
                cancel_reason String,
                line_items Array(Tuple(
                    id UInt64, product_id UInt64, variant_id UInt64, sku String, title String, price String, quantity Int32, current_quantity Nullable(Int32), gift_card Bool,
                    discount_allocations Array(Tuple(amount String)))),
                fulfillments Array(Tuple(status String, created_at String)),
                refunds Array(Tuple(transactions Array(Tuple(
                    kind String, status String, amount String, currency String, amount_set Tuple(shop_money Tuple(amount String, currency_code String)))))))') AS b
        FROM {{database}}.orders_intake
        WHERE order_id != 0
            AND updated_at > toDateTime64(0, 3, 'UTC')
            AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
            AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
    )
);

-- version: the complement of created_at, then of the id, in 64 bits each.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.first_orders_feed TO {{database}}.first_orders AS
SELECT
    shop,
    customer_id,
    bitShiftLeft(toUInt128(bitNot(toUInt64(greatest(toUnixTimestamp64Milli(created_at), 0)))), 64) + toUInt128(bitNot(order_id)) AS version,
    order_id,
    created_at,
    currency,
    _topic,
    _partition,
    _offset
FROM {{database}}.orders_intake AS events
WHERE order_id != 0 AND customer_id != 0 AND NOT test
    AND updated_at > toDateTime64(0, 3, 'UTC')
    AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
    AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled');

-- A refund comes as refunds/create and again in every later body of its order, where it may have changed (a transaction
-- that was pending has succeeded): the order's updated_at places those, created_at the first. Amounts are in the shop's
-- currency; see README.md for transactions in another.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.refunds_feed TO {{database}}.refunds AS
SELECT
    shop,
    created AS created_at,
    r.id AS refund_id,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(if(own, created, order_updated_at)), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    order_id,
    shop_currency AS currency,
    if(own, arrayExists(t -> t.test, r.transactions), order_test) AS test,
    toDecimal64OrZero(toString(arraySum(t -> multiIf(
        t.kind != 'refund' OR t.status != 'success', toDecimal128(0, 4),
        t.amount_set.shop_money.currency_code = shop_currency, toDecimal128OrZero(t.amount_set.shop_money.amount, 4),
        t.currency = shop_currency OR t.currency = '', toDecimal128OrZero(t.amount, 4),
        toDecimal128(0, 4)), r.transactions)), 4) AS amount,
    arraySum(q -> toInt64(q), tupleElement(r.refund_line_items, 'quantity')) AS units,
    tupleElement(r.refund_line_items, 'line_item_id') AS line_ids,
    tupleElement(r.refund_line_items, 'quantity') AS line_quantities,
    parseDateTime64BestEffortOrZero(if(substring(r.processed_at, 5, 1) = '-', r.processed_at, ''), 3, 'UTC') AS processed_at,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM
(
    SELECT
        *,
        parseDateTime64BestEffortOrZero(if(substring(r.created_at, 5, 1) = '-', r.created_at, ''), 3, 'UTC') AS created,
        arrayFirst(c -> c != '' AND length(c) <= 64, arrayConcat(
            [if(own, '', toString(order_currency)), r.total_duties_set.shop_money.currency_code],
            arrayMap(l -> l.subtotal_set.shop_money.currency_code, r.refund_line_items),
            arrayMap(t -> t.amount_set.shop_money.currency_code, r.transactions),
            arrayMap(t -> t.currency, r.transactions))) AS shop_currency
    FROM
    (
        SELECT
            shop, order_id, shopify_topic, time, _topic, _partition, _offset,
            shopify_topic = 'refunds/create' AS own,
            updated_at AS order_updated_at,
            currency AS order_currency,
            test AS order_test,
            arrayJoin(JSONExtract(if(own, concat('{"refunds":[', body, ']}'), body), 'refunds', 'Array(Tuple(id UInt64, created_at String, processed_at String,
                total_duties_set Tuple(shop_money Tuple(currency_code String)),
                refund_line_items Array(Tuple(line_item_id UInt64, quantity Int32, subtotal_set Tuple(shop_money Tuple(currency_code String)))),
                transactions Array(Tuple(kind String, status String, amount String, currency String, test Bool, amount_set Tuple(shop_money Tuple(amount String, currency_code String))))))')) AS r
        FROM {{database}}.refunds_intake
        WHERE order_id != 0
            AND (shopify_topic = 'refunds/create'
                OR (updated_at > toDateTime64(0, 3, 'UTC')
                    AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
                    AND (position(body, '"refunds":[]') = 0 OR position(body, '"refunds":[{') != 0)))
    )
    WHERE r.id != 0
)
WHERE created >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created < toDateTime64('2100-01-01 00:00:00', 3, 'UTC');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.fulfillments_feed TO {{database}}.fulfillments AS
SELECT
    shop,
    created AS created_at,
    f.id AS fulfillment_id,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(updated), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    order_id,
    f.name AS name,
    if(length(f.status) <= 64, f.status, '') AS status,
    if(length(f.shipment_status) <= 64, f.shipment_status, '') AS shipment_status,
    if(length(f.service) <= 64, f.service, '') AS service,
    f.location_id AS location_id,
    if(length(f.tracking_company) <= 64, f.tracking_company, '') AS tracking_company,
    f.tracking_number AS tracking_number,
    arraySum(q -> toInt64(q), tupleElement(f.line_items, 'quantity')) AS units,
    updated AS updated_at,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM
(
    SELECT
        *,
        parseDateTime64BestEffortOrZero(if(substring(f.created_at, 5, 1) = '-', f.created_at, ''), 3, 'UTC') AS created,
        parseDateTime64BestEffortOrZero(if(substring(f.updated_at, 5, 1) = '-', f.updated_at, ''), 3, 'UTC') AS updated
    FROM
    (
        SELECT
            shop, order_id, shopify_topic, time, _topic, _partition, _offset,
            arrayJoin(JSONExtract(if(shopify_topic IN ('fulfillments/create', 'fulfillments/update'), concat('{"fulfillments":[', body, ']}'), body), 'fulfillments', 'Array(Tuple(
                id UInt64, name String, status String, shipment_status String, service String, location_id UInt64, tracking_company String, tracking_number String,
                created_at String, updated_at String, line_items Array(Tuple(quantity Int32))))')) AS f
        FROM {{database}}.fulfillments_intake
        WHERE order_id != 0
            AND (shopify_topic IN ('fulfillments/create', 'fulfillments/update')
                OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
                    AND (position(body, '"fulfillments":[]') = 0 OR position(body, '"fulfillments":[{') != 0)))
    )
    WHERE f.id != 0
)
WHERE created >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created < toDateTime64('2100-01-01 00:00:00', 3, 'UTC');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.checkouts_feed TO {{database}}.checkouts AS
WITH JSONExtract(body, 'Tuple(id UInt64, token String, completed_at String)') AS b
SELECT
    shop,
    created_at,
    b.token AS token,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(updated_at), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    b.id AS checkout_id,
    customer_id,
    currency,
    total_price,
    updated_at,
    parseDateTime64BestEffortOrZero(if(substring(b.completed_at, 5, 1) = '-', b.completed_at, ''), 3, 'UTC') AS completed_at,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM {{database}}.checkouts_intake AS events
WHERE shopify_topic IN ('checkouts/create', 'checkouts/update')
    AND b.token != ''
    AND updated_at > toDateTime64(0, 3, 'UTC')
    AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.products_feed TO {{database}}.products AS
WITH JSONExtract(body, 'Tuple(title String, handle String, vendor String, product_type String, status String, published_at String,
    variants Array(Tuple(id UInt64, sku String, title String, price String, inventory_item_id UInt64)))') AS b
SELECT
    shop,
    toUInt64OrZero(entity_id) AS product_id,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(updated_at), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    b.title AS title,
    b.handle AS handle,
    b.vendor AS vendor,
    b.product_type AS product_type,
    if(length(b.status) <= 64, b.status, '') AS status,
    created_at,
    updated_at,
    parseDateTime64BestEffortOrZero(if(substring(b.published_at, 5, 1) = '-', b.published_at, ''), 3, 'UTC') AS published_at,
    tupleElement(b.variants, 'id') AS variant_ids,
    tupleElement(b.variants, 'sku') AS variant_skus,
    tupleElement(b.variants, 'title') AS variant_titles,
    arrayMap(v -> toDecimal64OrZero(v.price, 4), b.variants) AS variant_prices,
    tupleElement(b.variants, 'inventory_item_id') AS variant_inventory_item_ids,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM {{database}}.products_intake AS events
WHERE shopify_topic IN ('products/create', 'products/update')
    AND toUInt64OrZero(entity_id) != 0
    AND updated_at > toDateTime64(0, 3, 'UTC');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.customers_feed TO {{database}}.customers AS
WITH JSONExtract(body, 'Tuple(state String, orders_count Int64, total_spent String, verified_email Bool)') AS b
SELECT
    shop,
    toUInt64OrZero(entity_id) AS customer_id,
    bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(updated_at), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    if(length(b.state) <= 64, b.state, '') AS state,
    currency,
    b.orders_count AS orders_count,
    toDecimal64OrZero(b.total_spent, 4) AS total_spent,
    b.verified_email AS verified_email,
    created_at,
    updated_at,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM {{database}}.customers_intake AS events
WHERE shopify_topic IN ('customers/create', 'customers/update', 'customers/enable', 'customers/disable')
    AND toUInt64OrZero(entity_id) != 0
    AND updated_at > toDateTime64(0, 3, 'UTC');

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.inventory_levels_feed TO {{database}}.inventory_levels AS
WITH JSONExtract(body, 'Tuple(inventory_item_id UInt64, location_id UInt64, available Nullable(Int64))') AS b
SELECT
    shop,
    b.inventory_item_id AS inventory_item_id,
    b.location_id AS location_id,
    bitShiftLeft(toUInt128(least(greatest(if(shopify_topic = 'inventory_levels/disconnect', toUnixTimestamp64Milli(toDateTime64(time, 3)), toUnixTimestamp64Milli(updated_at)), 0), 4398046511103)), 86)
        + bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Nano(time), 0), 4611686018427387903)), 24)
        + toUInt128(bitAnd(_offset, 16777215)) AS version,
    b.available AS available,
    shopify_topic != 'inventory_levels/disconnect' AS connected,
    updated_at,
    shopify_topic,
    time,
    _topic,
    _partition,
    _offset
FROM {{database}}.inventory_levels_intake AS events
WHERE shopify_topic IN ('inventory_levels/update', 'inventory_levels/connect', 'inventory_levels/disconnect')
    AND b.inventory_item_id != 0 AND b.location_id != 0
    AND (updated_at > toDateTime64(0, 3, 'UTC') OR shopify_topic = 'inventory_levels/disconnect');

-- What was deleted is left out by the hash of the shop and not by the shop: a pair of two numbers is looked up three times
-- as fast as one with a text, and two shops with the same hash would in addition have to have the same id.
CREATE VIEW IF NOT EXISTS {{database}}.orders_current AS
SELECT * EXCEPT (version)
FROM {{database}}.orders FINAL
WHERE (order_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'order');

-- The lines are a part of the order's row, so that they are those of its newest version: a line that an edit has taken out
-- of the body is out here as well.
CREATE VIEW IF NOT EXISTS {{database}}.order_lines_current AS
SELECT
    shop,
    created_at,
    order_id,
    currency,
    test,
    cancelled_at,
    line_id,
    product_id,
    variant_id,
    sku,
    title,
    price,
    quantity,
    current_quantity,
    amount
FROM {{database}}.orders_current
ARRAY JOIN
    line_ids AS line_id,
    line_product_ids AS product_id,
    line_variant_ids AS variant_id,
    line_skus AS sku,
    line_titles AS title,
    line_prices AS price,
    line_quantities AS quantity,
    line_current_quantities AS current_quantity,
    line_amounts AS amount;

CREATE VIEW IF NOT EXISTS {{database}}.first_orders_current AS
SELECT * EXCEPT (version)
FROM {{database}}.first_orders FINAL
WHERE (order_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'order');

CREATE VIEW IF NOT EXISTS {{database}}.refunds_current AS
SELECT * EXCEPT (version)
FROM {{database}}.refunds FINAL
WHERE (order_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'order');

CREATE VIEW IF NOT EXISTS {{database}}.fulfillments_current AS
SELECT * EXCEPT (version)
FROM {{database}}.fulfillments FINAL
WHERE (order_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'order');

CREATE VIEW IF NOT EXISTS {{database}}.checkouts_current AS
SELECT * EXCEPT (version)
FROM {{database}}.checkouts FINAL
WHERE (checkout_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'checkout');

CREATE VIEW IF NOT EXISTS {{database}}.products_current AS
SELECT * EXCEPT (version)
FROM {{database}}.products FINAL
WHERE (product_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'product');

CREATE VIEW IF NOT EXISTS {{database}}.customers_current AS
SELECT * EXCEPT (version)
FROM {{database}}.customers FINAL
WHERE (customer_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'customer');

CREATE VIEW IF NOT EXISTS {{database}}.inventory_levels_current AS
SELECT * EXCEPT (version, connected)
FROM {{database}}.inventory_levels FINAL
WHERE connected AND (inventory_item_id, cityHash64(shop)) NOT IN (SELECT entity_id, cityHash64(shop) FROM {{database}}.deletions WHERE kind = 'inventory_item');

-- What the merchant's books show, one row per booking: an order on the moment it was created, a refund on the moment it
-- was made. Test orders are not booked. Reports are sums over it, for any span of time and any bucket.
CREATE VIEW IF NOT EXISTS {{database}}.sales AS
SELECT
    shop,
    created_at AS at,
    currency,
    1 AS orders,
    toUInt8(cancelled_at > toDateTime64(0, 3, 'UTC')) AS cancelled_orders,
    total_price AS gross,
    written_off,
    0 AS refunds,
    toDecimal64(0, 4) AS refunded,
    toUInt8(fulfilled_at >= created_at) AS fulfilled_orders,
    if(fulfilled_at >= created_at, dateDiff('second', created_at, fulfilled_at), 0) AS fulfil_seconds
FROM {{database}}.orders_current
WHERE NOT test
UNION ALL
SELECT
    shop,
    created_at AS at,
    currency,
    0 AS orders,
    0 AS cancelled_orders,
    toDecimal64(0, 4) AS gross,
    toDecimal64(0, 4) AS written_off,
    1 AS refunds,
    amount AS refunded,
    0 AS fulfilled_orders,
    0 AS fulfil_seconds
FROM {{database}}.refunds_current
WHERE NOT test;

CREATE VIEW IF NOT EXISTS {{database}}.sales_by_minute AS
SELECT
    shop,
    toStartOfMinute(at) AS minute,
    currency,
    sum(sales.orders) AS orders,
    sum(sales.cancelled_orders) AS cancelled_orders,
    sum(sales.gross) AS gross,
    sum(sales.written_off) AS written_off,
    sum(sales.refunds) AS refunds,
    sum(sales.refunded) AS refunded,
    sum(sales.gross) - sum(sales.written_off) - sum(sales.refunded) AS net,
    sum(sales.gross) / nullIf(sum(sales.orders), 0) AS average_order_value,
    sum(sales.fulfilled_orders) AS fulfilled_orders,
    sum(sales.fulfil_seconds) AS fulfil_seconds,
    sum(sales.fulfil_seconds) / nullIf(sum(sales.fulfilled_orders), 0) AS average_fulfil_seconds
FROM {{database}}.sales AS sales
GROUP BY shop, minute, currency;

CREATE VIEW IF NOT EXISTS {{database}}.sales_by_day AS
SELECT
    shop,
    toDate(at) AS day,
    currency,
    sum(sales.orders) AS orders,
    sum(sales.cancelled_orders) AS cancelled_orders,
    sum(sales.gross) AS gross,
    sum(sales.written_off) AS written_off,
    sum(sales.refunds) AS refunds,
    sum(sales.refunded) AS refunded,
    sum(sales.gross) - sum(sales.written_off) - sum(sales.refunded) AS net,
    sum(sales.gross) / nullIf(sum(sales.orders), 0) AS average_order_value,
    sum(sales.fulfilled_orders) AS fulfilled_orders,
    sum(sales.fulfil_seconds) AS fulfil_seconds,
    sum(sales.fulfil_seconds) / nullIf(sum(sales.fulfilled_orders), 0) AS average_fulfil_seconds
FROM {{database}}.sales AS sales
GROUP BY shop, day, currency;

CREATE VIEW IF NOT EXISTS {{database}}.units_by_day AS
SELECT
    shop,
    toDate(created_at) AS day,
    sku,
    sum(lines.quantity) AS ordered,
    sum(lines.current_quantity) AS units
FROM {{database}}.order_lines_current AS lines
WHERE NOT test
GROUP BY shop, day, sku;

CREATE VIEW IF NOT EXISTS {{database}}.customers_by_day AS
SELECT
    shop,
    day,
    uniqExactIf(customer_id, NOT first) AS customers,
    countIf(first) AS new_customers,
    greatest(toInt64(customers) - toInt64(new_customers), 0) AS returning_customers
FROM
(
    SELECT shop, toDate(created_at) AS day, customer_id, false AS first FROM {{database}}.orders_current WHERE NOT test AND customer_id != 0
    UNION ALL
    SELECT shop, toDate(created_at) AS day, customer_id, true AS first FROM {{database}}.first_orders_current
)
GROUP BY shop, day;

-- Abandoned: not completed, and for an hour nothing has changed.
CREATE VIEW IF NOT EXISTS {{database}}.checkouts_by_day AS
SELECT
    shop,
    toDate(created_at) AS day,
    currency,
    count() AS checkouts,
    countIf(completed_at > toDateTime64(0, 3, 'UTC')) AS completed,
    countIf(completed_at <= toDateTime64(0, 3, 'UTC') AND updated_at < now64(3, 'UTC') - INTERVAL 1 HOUR) AS abandoned,
    sumIf(total_price, completed_at <= toDateTime64(0, 3, 'UTC') AND updated_at < now64(3, 'UTC') - INTERVAL 1 HOUR) AS abandoned_value
FROM {{database}}.checkouts_current
GROUP BY shop, day, currency;
