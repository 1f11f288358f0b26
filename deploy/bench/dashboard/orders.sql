-- The events of one slot that are about orders. Each source row is event v of order k: 1 created, 2 paid, 3 updated or
-- cancelled, 4 fulfilled, 5 updated once more, 6 refunds/create, 7 fulfillments/create. All events of an order are computed
-- from k, so they agree with each other. Amounts are whole cents until the end.
INSERT INTO {{database}}.events
    (id, type, shop, shopify_topic, subject, entity_kind, entity_id, time, received_time, content_type, event_id, api_version, partition_key, trace_parent, body,
     order_id, customer_id, name, currency, total_price, current_total_price, subtotal_price, total_tax, total_discounts, financial_status, fulfillment_status, test,
     created_at, updated_at, cancelled_at, _topic, _partition, _offset, inserted_at)
WITH
    (c -> concat(toString(intDiv(c, 100)), '.', leftPad(toString(c % 100), 2, '0'))) AS money,
    (t -> formatDateTime(fromUnixTimestamp(toUInt32(t)), '%FT%TZ', 'UTC')) AS iso
SELECT
    lower(hex(sipHash128(k, v))) AS id,
    concat('com.shopify.', replaceOne(topic, '/', '.')) AS type,
    shop,
    topic AS shopify_topic,
    concat('order/', order_text) AS subject,
    'order' AS entity_kind,
    order_text AS entity_id,
    fromUnixTimestamp64Nano(at_ns - delay_ns) AS time,
    fromUnixTimestamp64Nano(at_ns + copy * 60000000000) AS received_time,
    'application/json' AS content_type,
    lower(hex(sipHash128(k, intDiv(v, 2), 1))) AS event_id,
    '2026-10' AS api_version,
    concat(shop, '|order/', order_text) AS partition_key,
    '' AS trace_parent,
    multiIf(
        v = 6, concat('{"id":', toString(id_ + 600000000000000), ',"order_id":', order_text, ',"created_at":"', iso(at_s), '","processed_at":"', iso(at_s), '"', refund_rest),
        v = 7, concat(fulfillment, '"order_id":', order_text, '}'),
        concat('{"id":', order_text, ',"name":"', name, '","created_at":"', iso(created_s), '","updated_at":"', iso(at_s), '","cancelled_at":', if(cancels, concat('"', iso(at_s), '"'), 'null'),
            ',"currency":"', currency, '","test":', if(test, 'true', 'false'), ',"financial_status":"', paid, '","source_name":"web","cancel_reason":', if(cancels, '"customer"', 'null'),
            ',"customer":{"id":', toString(customer), '},"total_price":"', money(total), '","current_total_price":"', money(current),
            '","total_shipping_price_set":{"shop_money":{"amount":"5.00","currency_code":"', currency, '"}},"line_items":[',
            arrayStringConcat(arrayMap((n, p, c, q) -> concat('{"id":', toString(id_ * 10 + n), ',"product_id":', toString(p), ',"variant_id":', toString(p + 1), ',"sku":"S-', toString(p % 1000), '","title":"Article ',
                toString(p % 1000), '","price":"', money(c), '","quantity":', toString(q), ',"current_quantity":', toString(q), '}'), range(lines), products, prices, quantities), ','),
            '],"fulfillments":[', if(v >= 4, concat(fulfillment, '"order_id":', order_text, '}'), ''),
            '],"refunds":[', if(v = 5 AND refunds, concat('{"id":', toString(id_ + 600000000000000), ',"created_at":"', iso(at_s), '","processed_at":"', iso(at_s), '"', refund_rest), ''), ']}')) AS body,
    id_ AS order_id,
    if(v >= 6, 0, customer) AS customer_id,
    if(v >= 6, '', name) AS name,
    if(v >= 6, '', currency) AS currency,
    if(v >= 6, toDecimal64(0, 4), toDecimal64(total, 4) / 100) AS total_price,
    if(v >= 6, toDecimal64(0, 4), toDecimal64(current, 4) / 100) AS current_total_price,
    if(v >= 6, toDecimal64(0, 4), toDecimal64(total - 500, 4) / 100) AS subtotal_price,
    toDecimal64(0, 4) AS total_tax,
    toDecimal64(0, 4) AS total_discounts,
    if(v >= 6, '', paid) AS financial_status,
    if(v IN (4, 5), 'fulfilled', '') AS fulfillment_status,
    v < 6 AND test AS test,
    if(v = 6, fromUnixTimestamp64Milli(at_s * 1000), if(v = 7, fromUnixTimestamp64Milli(at_s * 1000), fromUnixTimestamp64Milli(created_s * 1000))) AS created_at,
    if(v = 6, fromUnixTimestamp64Milli(toInt64(0)), fromUnixTimestamp64Milli(at_s * 1000)) AS updated_at,
    if(cancels, fromUnixTimestamp64Milli(at_s * 1000), fromUnixTimestamp64Milli(toInt64(0))) AS cancelled_at,
    'shopify.orders' AS _topic,
    cityHash64(k) % 24 AS _partition,
    k * 8 + v + copy * 1000000000000 AS _offset,
    fromUnixTimestamp64Milli(intDiv(at_ns, 1000000) + copy * 60000 + 150 + cityHash64(k, v, 9) % 700) AS inserted_at
FROM
(
    SELECT
        *,
        5000000000000 + k AS id_,
        toString(id_) AS order_text,
        intDiv(created_us, 1000000) AS created_s,
        multiIf(v = 1, created_us + 300000, v = 2, created_us + 20000000, toInt64({{start}}000000 + cityHash64(k, multiIf(v = 6, 5, v = 7, 4, v), 2) % {{length}}000000)) * 1000 AS at_ns,
        toInt64(intDiv(at_ns, 1000000000)) AS at_s,
        -- Most are on their way for a second or so; one in a hundred was repeated by Shopify.
        toInt64(if(h % 97 = 0, 60000000000 + h % 7200000000000, 150000000 + h % 1500000000)) AS delay_ns,
        v = 3 AND cancelled AS cancels,
        topics[v] AS topic_,
        if(cancels, 'orders/cancelled', topic_) AS topic,
        ['orders/create', 'orders/paid', 'orders/updated', 'orders/fulfilled', 'orders/updated', 'refunds/create', 'fulfillments/create'] AS topics,
        concat('shop-', leftPad(toString(shop_n), 5, '0'), '.myshopify.com') AS shop,
        ['USD', 'USD', 'EUR', 'USD', 'GBP', 'USD', 'CAD', 'USD', 'EUR', 'USD'][shop_n % 10 + 1] AS currency,
        concat('#', toString(1001 + k % 900000)) AS name,
        h3 % 200 = 0 AS test,
        7000000000000 + shop_n * 1000000 + h3 % customers AS customer,
        arrayMap(n -> 8000000000 + shop_n * 1000 + toUInt64(exp((cityHash64(k, n, 3) % 1000000) / 1000000. * log(201))) - 1, range(lines)) AS products,
        arrayMap(p -> 500 + cityHash64(p, 4) % 9500, products) AS prices,
        arrayMap(n -> 1 + cityHash64(k, n, 5) % 3, range(lines)) AS quantities,
        toInt64(500 + arraySum((c, q) -> c * q, prices, quantities)) AS total,
        if(v = 5 AND refunds, total - back, total) AS current,
        toInt64(prices[1] * quantities[1]) AS back,
        multiIf(v = 1, 'pending', v = 5 AND refunds, 'partially_refunded', cancels, 'voided', 'paid') AS paid,
        concat('{"id":', toString(id_ + 700000000000000), ',"name":"', name, '.1","status":"success","location_id":1,"created_at":"', formatDateTime(fromUnixTimestamp(toUInt32(shipped_s)), '%FT%TZ', 'UTC'),
            '","updated_at":"', formatDateTime(fromUnixTimestamp(toUInt32(shipped_s)), '%FT%TZ', 'UTC'), '","tracking_company":"UPS","line_items":[{"quantity":', toString(quantities[1]), '}],') AS fulfillment,
        -- The fulfilment is a day and a half after the creation, in whatever event tells of it.
        toInt64(created_s + 129600) AS shipped_s,
        concat(',"refund_line_items":[{"line_item_id":', toString(id_ * 10), ',"quantity":', toString(quantities[1]), ',"subtotal_set":{"shop_money":{"currency_code":"', currency,
            '"}}}],"transactions":[{"kind":"refund","status":"success","amount":"', concat(toString(intDiv(back, 100)), '.', leftPad(toString(back % 100), 2, '0')), '","currency":"', currency, '","test":false}]}') AS refund_rest
    FROM
    (
        SELECT
            k,
            v,
            toInt64(born) * 1000000 + toInt64(cityHash64(k, 6) % (toUInt64(lasted) * 1000000)) AS created_us,
            cityHash64(k, v, 7) AS h,
            cityHash64(k, 8) AS h3,
            -- Shop n has the weight 1/n.
            toUInt64(exp((cityHash64(k, 10) % 1000000000) / 1000000000. * log({{shops}} + 1))) - 1 AS shop_n,
            greatest(20, toUInt64({{orders}} / 3. * log((shop_n + 2) / (shop_n + 1)) / log({{shops}} + 1))) AS customers,
            toUInt64(1 + h3 % 4) AS lines,
            cityHash64(k, 11) % 40 = 0 AS cancelled,
            cityHash64(k, 12) % 3 = 0 AS refunds,
            if(cancelled, 3, 2 + cityHash64(k, 13) % 4) AS versions
        FROM
        (
            {{sources}}
        )
        WHERE (v <= 5 AND v <= versions) OR (v = 6 AND versions = 5 AND refunds) OR (v = 7 AND versions >= 4)
    )
)
ARRAY JOIN if(h % 100 = 1, [0, 1], [0]) AS copy
SETTINGS max_threads = 1, max_insert_threads = 1, insert_deduplicate = 0, async_insert = 0
