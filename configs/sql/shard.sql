-- The shop's part on one shard: the tables of shop.sql, in a schema of the shard's own, which is written here as
-- shop_0. Made by topology-up as admin; it can be run again. A statement ends where a blank line follows it.
--
-- What is divided is customers; orders and order_items are where their customer is. orders is partitioned by month,
-- for which MySQL wants ordered_at in its primary key and no foreign keys; what they would hold together the
-- check shard_relations does.

CREATE SCHEMA IF NOT EXISTS shop_0;

CREATE TABLE IF NOT EXISTS shop_0.customers (
    customer_id BIGINT UNSIGNED NOT NULL,
    name VARCHAR(80) NOT NULL,
    email VARCHAR(120) NOT NULL,
    country CHAR(2) NOT NULL,
    region ENUM('africa', 'americas', 'asia', 'europe', 'oceania') NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (customer_id),
    UNIQUE KEY email (email),
    KEY region (region, country)
);

-- The same rows on every shard.
CREATE TABLE IF NOT EXISTS shop_0.products (
    product_id BIGINT UNSIGNED NOT NULL,
    sku CHAR(7) NOT NULL,
    name VARCHAR(80) NOT NULL,
    category VARCHAR(20) NOT NULL,
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (product_id),
    UNIQUE KEY sku (sku),
    KEY category (category)
);

CREATE TABLE IF NOT EXISTS shop_0.orders (
    order_id BIGINT UNSIGNED NOT NULL,
    customer_id BIGINT UNSIGNED NOT NULL,
    ordered_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    status ENUM('placed', 'paid', 'packed', 'shipped', 'delivered') NOT NULL DEFAULT 'placed',
    total DECIMAL(12, 2) NOT NULL,
    PRIMARY KEY (order_id, ordered_at),
    KEY customer (customer_id, ordered_at),
    KEY ordered_at (ordered_at)
)
PARTITION BY RANGE COLUMNS (ordered_at) (
    -- by month
);

CREATE TABLE IF NOT EXISTS shop_0.order_items (
    order_id BIGINT UNSIGNED NOT NULL,
    line TINYINT UNSIGNED NOT NULL,
    product_id BIGINT UNSIGNED NOT NULL,
    quantity INT UNSIGNED NOT NULL,
    -- What the product cost when it was ordered.
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line),
    KEY product (product_id)
);

-- Recency, frequency and monetary value of each customer, as RefreshCustomerAnalytics left them.
CREATE TABLE IF NOT EXISTS shop_0.customer_analytics (
    customer_id BIGINT UNSIGNED NOT NULL,
    recency_days INT NOT NULL,
    frequency INT UNSIGNED NOT NULL,
    monetary DECIMAL(14, 2) NOT NULL,
    last_order_at DATETIME NOT NULL,
    refreshed_at DATETIME NOT NULL,
    PRIMARY KEY (customer_id)
);

-- Makes the analytics anew, as of a moment, in one transaction: a reader sees the old ones or the new ones.
CREATE PROCEDURE IF NOT EXISTS shop_0.RefreshCustomerAnalytics(IN as_of DATETIME)
MODIFIES SQL DATA
SQL SECURITY INVOKER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    -- Reads without a lock on the orders, which others are writing.
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    DELETE FROM shop_0.customer_analytics;
    INSERT INTO shop_0.customer_analytics
    SELECT customer_id, TIMESTAMPDIFF(DAY, MAX(ordered_at), as_of), COUNT(*), SUM(total), MAX(ordered_at), as_of
    FROM shop_0.orders
    WHERE ordered_at <= as_of
    GROUP BY customer_id;
    COMMIT;
END;
