-- The events of one slot that are not about orders: stock, products, customers, checkouts, and what the models pass over.
-- Two neighbours i are of one kind and, for checkouts, of one checkout: created, then updated.
INSERT INTO {{database}}.events
    (id, type, shop, shopify_topic, subject, entity_kind, entity_id, time, received_time, content_type, event_id, api_version, partition_key, trace_parent, body,
     order_id, customer_id, name, currency, total_price, current_total_price, subtotal_price, total_tax, total_discounts, financial_status, fulfillment_status, test,
     created_at, updated_at, cancelled_at, _topic, _partition, _offset, inserted_at)
SELECT
    lower(hex(sipHash128(i, 0))) AS id,
    concat('com.shopify.', replaceOne(shopify_topic, '/', '.')) AS type,
    shop,
    multiIf(kind = 1, 'inventory_levels/update', kind = 2, 'products/update', kind = 3, 'customers/update', kind = 4, if(i % 2 = 0, 'checkouts/create', 'checkouts/update'), kind = 5, 'carts/update', 'themes/update') AS shopify_topic,
    concat(entity_kind, '/', entity_id) AS subject,
    ['inventory_item', 'product', 'customer', 'checkout', 'cart', 'theme'][kind] AS entity_kind,
    multiIf(kind IN (1, 2), toString(product), kind = 3, toString(customer), kind IN (4, 5), lower(hex(pair)), toString(shop_n)) AS entity_id,
    fromUnixTimestamp64Nano(at_ns - toInt64(if(h % 97 = 0, 60000000000 + h % 7200000000000, 150000000 + h % 1500000000))) AS time,
    fromUnixTimestamp64Nano(at_ns + copy * 60000000000) AS received_time,
    'application/json' AS content_type,
    lower(hex(sipHash128(i, 1))) AS event_id,
    '2026-10' AS api_version,
    concat(shop, '|', subject) AS partition_key,
    '' AS trace_parent,
    multiIf(
        kind = 1, concat('{"inventory_item_id":', toString(product), ',"location_id":', toString(1 + h % 3), ',"available":', toString(h % 400), ',"updated_at":"', at_text, '"}'),
        kind = 2, concat('{"id":', toString(product), ',"title":"Article ', toString(product % 1000), '","handle":"article-', toString(product % 1000), '","vendor":"Acme","status":"active","updated_at":"', at_text,
            '","variants":[{"id":', toString(product + 1), ',"sku":"S-', toString(product % 1000), '","title":"Default","price":"', toString(5 + h % 95), '.00","inventory_item_id":', toString(product), '}]}'),
        kind = 3, concat('{"id":', toString(customer), ',"state":"enabled","orders_count":', toString(1 + h % 9), ',"total_spent":"', toString(h % 900), '.50","verified_email":true,"updated_at":"', at_text, '"}'),
        kind = 4, concat('{"id":', toString(pair % 1000000000000), ',"token":"', entity_id, '","completed_at":', if(i % 2 = 1 AND pair % 4 = 0, concat('"', at_text, '"'), 'null'), ',"updated_at":"', at_text, '"}'),
        concat('{"id":"', entity_id, '"}')) AS body,
    0 AS order_id,
    if(kind IN (3, 4), customer, 0) AS customer_id,
    '' AS name,
    if(kind IN (3, 4), ['USD', 'USD', 'EUR', 'USD', 'GBP', 'USD', 'CAD', 'USD', 'EUR', 'USD'][shop_n % 10 + 1], '') AS currency,
    if(kind = 4, toDecimal64(1000 + pair % 20000, 4) / 100, toDecimal64(0, 4)) AS total_price,
    toDecimal64(0, 4) AS current_total_price,
    toDecimal64(0, 4) AS subtotal_price,
    toDecimal64(0, 4) AS total_tax,
    toDecimal64(0, 4) AS total_discounts,
    '' AS financial_status,
    '' AS fulfillment_status,
    false AS test,
    if(kind = 4, fromUnixTimestamp64Milli(toInt64({{start}}000 + pair % {{length}} * 1000)), fromUnixTimestamp64Milli(toInt64(if(kind IN (2, 3), {{start}}000 - 86400000, 0)))) AS created_at,
    if(kind <= 4, fromUnixTimestamp64Milli(intDiv(at_ns, 1000000000) * 1000), fromUnixTimestamp64Milli(toInt64(0))) AS updated_at,
    fromUnixTimestamp64Milli(toInt64(0)) AS cancelled_at,
    concat('shopify.', ['inventory', 'products', 'customers', 'checkouts', 'checkouts', 'shop'][kind]) AS _topic,
    h3 % 24 AS _partition,
    i + copy * 1000000000000 AS _offset,
    fromUnixTimestamp64Milli(intDiv(at_ns, 1000000) + copy * 60000 + 150 + h % 700) AS inserted_at
FROM
(
    SELECT
        number AS i,
        cityHash64(i, 20) AS h,
        cityHash64(intDiv(i, 2), 21) AS h3,
        cityHash64(intDiv(i, 2), 22) AS pair,
        multiIf(h3 % 100 < 40, 1, h3 % 100 < 55, 2, h3 % 100 < 68, 3, h3 % 100 < 92, 4, h3 % 100 < 97, 5, 6) AS kind,
        toInt64({{start}}000000 + if(kind = 4, pair % {{length}} * 1000000 + (i % 2) * 90000000 + h % 900000, h % {{length}}000000)) * 1000 AS at_ns,
        formatDateTime(fromUnixTimestamp(toUInt32(intDiv(at_ns, 1000000000))), '%FT%TZ', 'UTC') AS at_text,
        toUInt64(exp((cityHash64(intDiv(i, 2), 23) % 1000000000) / 1000000000. * log({{shops}} + 1))) - 1 AS shop_n,
        concat('shop-', leftPad(toString(shop_n), 5, '0'), '.myshopify.com') AS shop,
        8000000000 + shop_n * 1000 + h3 % 200 AS product,
        7000000000000 + shop_n * 1000000 + pair % greatest(20, toUInt64({{orders}} / 3. * log((shop_n + 2) / (shop_n + 1)) / log({{shops}} + 1))) AS customer
    FROM numbers({{first}}, {{count}})
)
ARRAY JOIN if(h % 100 = 1, [0, 1], [0]) AS copy
SETTINGS max_threads = 1, max_insert_threads = 1, insert_deduplicate = 0, async_insert = 0
