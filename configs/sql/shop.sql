-- An e-commerce database, so that a topology holds real data: customers, products, orders, and what they
-- add up to a month. Run by `wavetank load` as admin, statement by statement: a statement ends where a
-- blank line follows it. It can be run again.

CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.customers (
    customer_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name VARCHAR(80) NOT NULL,
    email VARCHAR(120) NOT NULL,
    country CHAR(2) NOT NULL,
    region ENUM('africa', 'americas', 'asia', 'europe', 'oceania') NOT NULL,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (customer_id),
    UNIQUE KEY email (email),
    KEY region (region, country)
);

CREATE TABLE IF NOT EXISTS shop.products (
    product_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    sku CHAR(7) NOT NULL,
    name VARCHAR(80) NOT NULL,
    category VARCHAR(20) NOT NULL,
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (product_id),
    UNIQUE KEY sku (sku),
    KEY category (category)
);

CREATE TABLE IF NOT EXISTS shop.orders (
    order_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    customer_id BIGINT UNSIGNED NOT NULL,
    ordered_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    status ENUM('placed', 'paid', 'packed', 'shipped', 'delivered') NOT NULL DEFAULT 'placed',
    total DECIMAL(12, 2) NOT NULL,
    PRIMARY KEY (order_id),
    KEY customer (customer_id, ordered_at),
    KEY ordered_at (ordered_at),
    CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES shop.customers (customer_id)
);

CREATE TABLE IF NOT EXISTS shop.order_items (
    order_id BIGINT UNSIGNED NOT NULL,
    line TINYINT UNSIGNED NOT NULL,
    product_id BIGINT UNSIGNED NOT NULL,
    quantity INT UNSIGNED NOT NULL,
    -- What the product cost when it was ordered.
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line),
    KEY product (product_id),
    CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES shop.orders (order_id),
    CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES shop.products (product_id)
);
