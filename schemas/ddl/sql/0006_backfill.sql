-- Fills the models from the events that were there before them: what is put into a model's intake goes through its feed. To
-- run it again, or while events arrive, is harmless: of a row that is written twice one stays.

INSERT INTO {{database}}.deletions_intake
SELECT shop, shopify_topic, entity_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('orders/delete', 'products/delete', 'checkouts/delete', 'inventory_items/delete', 'customers/delete', 'customers/redact', 'customers/merge')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.orders_intake
SELECT shop, shopify_topic, order_id, customer_id, time, created_at, updated_at, cancelled_at, currency, test, financial_status, fulfillment_status, total_price,
    current_total_price, subtotal_price, total_tax, total_discounts, name, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0 AND shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.refunds_intake
SELECT shop, shopify_topic, order_id, time, updated_at, currency, test, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0
    AND (shopify_topic = 'refunds/create'
        OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
            AND (position(body, '"refunds":[]') = 0 OR position(body, '"refunds":[{') != 0)))
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.fulfillments_intake
SELECT shop, shopify_topic, order_id, time, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE order_id != 0
    AND (shopify_topic IN ('fulfillments/create', 'fulfillments/update')
        OR (shopify_topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled')
            AND (position(body, '"fulfillments":[]') = 0 OR position(body, '"fulfillments":[{') != 0)))
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.checkouts_intake
SELECT shop, shopify_topic, customer_id, time, created_at, updated_at, currency, total_price, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('checkouts/create', 'checkouts/update')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.products_intake
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('products/create', 'products/update')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.customers_intake
SELECT shop, shopify_topic, entity_id, time, created_at, updated_at, currency, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('customers/create', 'customers/update', 'customers/enable', 'customers/disable')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;

INSERT INTO {{database}}.inventory_levels_intake
SELECT shop, shopify_topic, time, updated_at, body, _topic, _partition, _offset
FROM {{database}}.events
WHERE shopify_topic IN ('inventory_levels/update', 'inventory_levels/connect', 'inventory_levels/disconnect')
SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0;
