-- Fills the models from the events that were there before them: for each model its feed's SELECT of 0004, letter for letter,
-- which a test watches over. To run it again, or while events arrive, is harmless: of a row that is written twice one stays.

INSERT INTO {{database}}.deletions
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
FROM {{database}}.events AS events
WHERE (shopify_topic IN ('orders/delete', 'products/delete', 'checkouts/delete', 'inventory_items/delete', 'customers/delete', 'customers/redact')
        AND toUInt64OrZero(events.entity_id) != 0)
    OR (shopify_topic = 'customers/merge' AND JSONExtractString(body, 'status') = 'completed')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.orders
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
        FROM {{database}}.events
        WHERE order_id != 0
            AND updated_at > toDateTime64(0, 3, 'UTC')
            AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
            AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
    )
)
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.first_orders
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
FROM {{database}}.events AS events
WHERE order_id != 0 AND customer_id != 0 AND NOT test
    AND updated_at > toDateTime64(0, 3, 'UTC')
    AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
    AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.refunds
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
        FROM {{database}}.events
        WHERE order_id != 0
            AND (shopify_topic = 'refunds/create'
                OR (updated_at > toDateTime64(0, 3, 'UTC')
                    AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
                    AND (position(body, '"refunds":[]') = 0 OR position(body, '"refunds":[{') != 0)))
    )
    WHERE r.id != 0
)
WHERE created >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.fulfillments
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
        FROM {{database}}.events
        WHERE order_id != 0
            AND (shopify_topic IN ('fulfillments/create', 'fulfillments/update')
                OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
                    AND (position(body, '"fulfillments":[]') = 0 OR position(body, '"fulfillments":[{') != 0)))
    )
    WHERE f.id != 0
)
WHERE created >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.checkouts
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
FROM {{database}}.events AS events
WHERE shopify_topic IN ('checkouts/create', 'checkouts/update')
    AND b.token != ''
    AND updated_at > toDateTime64(0, 3, 'UTC')
    AND created_at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC') AND created_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.products
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
FROM {{database}}.events AS events
WHERE shopify_topic IN ('products/create', 'products/update')
    AND toUInt64OrZero(entity_id) != 0
    AND updated_at > toDateTime64(0, 3, 'UTC')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.customers
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
FROM {{database}}.events AS events
WHERE shopify_topic IN ('customers/create', 'customers/update', 'customers/enable', 'customers/disable')
    AND toUInt64OrZero(entity_id) != 0
    AND updated_at > toDateTime64(0, 3, 'UTC')
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.inventory_levels
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
FROM {{database}}.events AS events
WHERE shopify_topic IN ('inventory_levels/update', 'inventory_levels/connect', 'inventory_levels/disconnect')
    AND b.inventory_item_id != 0 AND b.location_id != 0
    AND (updated_at > toDateTime64(0, 3, 'UTC') OR shopify_topic = 'inventory_levels/disconnect')
SETTINGS max_partitions_per_insert_block = 0;
