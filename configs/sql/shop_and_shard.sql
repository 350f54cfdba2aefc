-- What a whole shop and its part on one shard have alike: run after shop.sql or shard.sql. The schema is written here
-- as shop_0.

-- How far the loader is, in one row; written in the transaction that wrote the orders.
CREATE TABLE IF NOT EXISTS shop_0.load_state (
    id TINYINT UNSIGNED NOT NULL,
    seed BIGINT UNSIGNED NOT NULL,
    orders BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT load_state_one_row CHECK (id = 1)
);

CREATE OR REPLACE SQL SECURITY INVOKER VIEW shop_0.monthly_sales AS
SELECT
    DATE_FORMAT(ordered_at, '%Y-%m') AS `month`,
    COUNT(*) AS orders,
    SUM(total) AS revenue,
    CAST(AVG(total) AS DECIMAL(12, 2)) AS average_order
FROM shop_0.orders
GROUP BY `month`
ORDER BY `month`;
