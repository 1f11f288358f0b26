-- What all shops sold, added up in advance. Over weeks of many shops the views have to choose between the versions of millions of
-- orders, each time they are asked; over 100 million events that takes seconds.
--
-- These are refreshable views: ClickHouse makes each anew from the models after its time, beside the one that is there, and
-- exchanges the two in one step. So they cannot drift, whatever was repeated, edited or deleted, and no insert waits for them;
-- they are as old as made_at says. They reach so many days back, which bounds what a refresh costs: 90 days for the page, the 90
-- before them where it compares, and some more. On a cluster each server makes its own.

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.sales_hours
REFRESH EVERY 5 MINUTE
ENGINE = MergeTree
ORDER BY (hour, shop, currency)
AS SELECT
    toStartOfHour(at) AS hour,
    shop,
    currency,
    sum(s.orders) AS orders,
    sum(s.cancelled_orders) AS cancelled_orders,
    sum(s.gross) AS gross,
    sum(s.written_off) AS written_off,
    sum(s.refunds) AS refunds,
    sum(s.refunded) AS refunded,
    now('UTC') AS made_at
FROM {{database}}.sales AS s
WHERE at >= toStartOfDay(now('UTC')) - INTERVAL 190 DAY
GROUP BY hour, shop, currency;

-- One row per line of business: a product of a shop in one currency, or lines without a product that have the same title. By
-- its hash, so that the sums over days are made from neighbours, and of numbers alone.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.product_days
REFRESH EVERY 30 MINUTE
ENGINE = MergeTree
ORDER BY (series, day)
AS SELECT
    cityHash64(shop, product_id, currency, custom) AS series,
    toDate(created_at) AS day,
    shop,
    product_id,
    currency,
    custom,
    any(line_title) AS title,
    any(line_sku) AS sku,
    countIf(nth = 1) AS orders,
    sum(quantity) AS units,
    sum(amount) AS revenue,
    now('UTC') AS made_at
FROM
(
    SELECT shop, created_at, currency, product_id, custom, nth, quantity, amount, line_title, line_sku
    FROM {{database}}.orders_current
    ARRAY JOIN
        line_product_ids AS product_id,
        arrayMap((p, t) -> if(p = 0, t, ''), line_product_ids, line_titles) AS custom,
        arrayEnumerateUniq(line_product_ids, arrayMap((p, t) -> if(p = 0, t, ''), line_product_ids, line_titles)) AS nth,
        line_quantities AS quantity,
        line_amounts AS amount,
        line_titles AS line_title,
        line_skus AS line_sku
    WHERE NOT test AND created_at >= toStartOfDay(now('UTC')) - INTERVAL 100 DAY
)
GROUP BY shop, product_id, currency, custom, day;

-- On which days a customer ordered, and on which for the first time: bit n is n days before the day of made_at. So those who did
-- anything in a range of days are counted with one comparison each, where a set of them would have to be built.
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.customer_days
REFRESH EVERY 15 MINUTE
ENGINE = MergeTree
ORDER BY tuple()
AS SELECT
    cityHash64(shop, customer_id) AS customer,
    groupBitOrIf(bitShiftLeft(toUInt256(1), ago), NOT first) AS ordered,
    groupBitOrIf(bitShiftLeft(toUInt256(1), ago), first) AS began,
    now('UTC') AS made_at
FROM
(
    SELECT shop, customer_id, dateDiff('day', toDate(created_at), toDate(now('UTC'))) AS ago, false AS first
    FROM {{database}}.orders_current
    WHERE NOT test AND customer_id != 0 AND created_at >= toStartOfDay(now('UTC')) - INTERVAL 190 DAY AND created_at < toStartOfDay(now('UTC')) + INTERVAL 1 DAY
    UNION ALL
    SELECT shop, customer_id, dateDiff('day', toDate(created_at), toDate(now('UTC'))) AS ago, true AS first
    FROM {{database}}.first_orders_current
    WHERE created_at >= toStartOfDay(now('UTC')) - INTERVAL 190 DAY AND created_at < toStartOfDay(now('UTC')) + INTERVAL 1 DAY
)
GROUP BY customer;
