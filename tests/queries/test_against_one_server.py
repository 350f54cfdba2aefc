"""Every supported form says what one server says that holds all rows."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from small_shops import Query, Shop, a_shop, queries, shops
from sqlglot import exp
from wavetank.sharding.query.groups import Groups
from whole import Comparison

pytestmark = pytest.mark.group("queries")
# Some 60 s on two cores.
SHOPS, QUERIES_EACH = 16, 12

ORDERED = (
    """
SELECT * FROM customers ORDER BY name DESC, customer_id
SELECT c.*, o.total FROM customers c JOIN orders o USING (customer_id) ORDER BY o.total, o.order_id LIMIT 7
SELECT o.*, i.line FROM orders o JOIN order_items i ON i.order_id = o.order_id ORDER BY i.line, o.order_id
SELECT name n, customer_id FROM customers ORDER BY n, 2 LIMIT 5 OFFSET 4
SELECT CONCAT(country, ' ', name) AS name, customer_id FROM customers ORDER BY name, customer_id
SELECT order_id FROM orders ORDER BY customer_id DESC, ordered_at, order_id
SELECT region, status, order_id FROM customers JOIN orders USING (customer_id) ORDER BY region DESC, status, order_id
SELECT order_id AS o FROM orders HAVING o > 10 ORDER BY o DESC
SELECT customer_id, SUM(total) AS spent, COUNT(*) FROM orders GROUP BY customer_id ORDER BY spent DESC, 1 LIMIT 3
SELECT customer_id, GROUP_CONCAT(order_id ORDER BY order_id) FROM orders GROUP BY customer_id ORDER BY customer_id
SELECT c.name, COUNT(o.order_id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.customer_id \
GROUP BY c.customer_id ORDER BY n DESC, c.customer_id
SELECT DISTINCT COUNT(*) FROM orders GROUP BY status ORDER BY COUNT(*)
SELECT COUNT(*), SUM(total), AVG(total), MIN(total), COUNT(DISTINCT status) FROM orders WHERE order_id < 0
SELECT p.product_id, p.name, SUM(i.quantity) q FROM order_items i JOIN products p USING (product_id) \
GROUP BY p.product_id ORDER BY q DESC, p.product_id
SELECT YEAR(ordered_at) AS y, MONTH(ordered_at) AS m, ROUND(AVG(total), 1) FROM orders GROUP BY y, m ORDER BY y, m
SELECT CASE WHEN total > 500 THEN 'much' ELSE 'little' END AS size, COUNT(*) FROM orders GROUP BY size ORDER BY size
SELECT COUNT(*) FROM orders WHERE ordered_at < NOW() - INTERVAL 1 DAY
SELECT SUM(i.quantity * i.price) / COUNT(DISTINCT o.order_id) FROM orders o JOIN order_items i USING (order_id)
SELECT MIN(name), MAX(email), MAX(region), MIN(created_at) FROM customers
SELECT * FROM monthly_sales
SELECT month, revenue / orders FROM monthly_sales WHERE orders > 1 ORDER BY revenue DESC, month LIMIT 2
SELECT SUM(orders), SUM(revenue), MAX(average_order) FROM monthly_sales AS m
SELECT month, SUM(revenue) OVER (ORDER BY month) FROM monthly_sales ORDER BY month
SELECT COUNT(*), AVG(spent) FROM (SELECT customer_id, SUM(total) AS spent FROM orders GROUP BY customer_id) t
SELECT spent * 2 FROM (SELECT status, AVG(total) AS spent FROM orders GROUP BY status) AS t ORDER BY 1
SELECT * FROM customer_analytics ORDER BY monetary DESC, customer_id LIMIT 5
SELECT c.region, SUM(a.monetary), AVG(a.frequency), MIN(a.recency_days) FROM customers c \
JOIN customer_analytics a USING (customer_id) GROUP BY c.region ORDER BY c.region
SELECT COUNT(*) FROM order_items WHERE product_id IN (SELECT product_id FROM products WHERE category = 'deck')
SELECT * FROM shop.orders WHERE shop.orders.customer_id = 7 ORDER BY order_id
SELECT order_id, RANK() OVER (ORDER BY total) FROM orders WHERE customer_id = 7 ORDER BY order_id
SELECT COUNT(*) FROM orders WHERE customer_id IN (3, 7, 1000)
SELECT COUNT(*) FROM orders WHERE customer_id = 3 AND customer_id = 7
SELECT sku, name FROM products ORDER BY product_id LIMIT 2
SELECT 1 + 1 AS two
""".strip()
    .replace("\\\n", "")
    .splitlines()
)


@pytest.fixture(scope="module")
def market(comparison: Comparison) -> Comparison:
    """One shop that all tests but the generated ones ask about."""
    comparison.hold(a_shop())
    comparison.refresh_analytics()
    return comparison


# Before the generated ones, which change what is held.
@pytest.mark.parametrize("sql", ORDERED)
def test_a_form_says_what_one_server_says(market: Comparison, sql: str) -> None:
    market.agree(Query(sql, ordered=True))


def test_an_average_of_averages_is_seen(market: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(self: Groups, call: exp.Avg) -> exp.Expr:
        return exp.Avg(this=exp.column(self._send(call), table="wt_partials", quoted=True))

    query = Query("SELECT AVG(total) FROM orders", ordered=True)
    market.agree(query)
    monkeypatch.setattr(Groups, "_average", planted)
    with pytest.raises(AssertionError, match="AVG"):
        market.agree(query)


def test_an_average_with_digits_that_are_not_shown_is_seen(market: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query("SELECT customer_id % 2 AS g, AVG(customer_id) * 3 FROM orders GROUP BY g ORDER BY g", ordered=True)
    market.agree(query)
    monkeypatch.setattr(
        "wavetank.sharding.query.averages.unrounded",
        lambda total, count, _: exp.paren(exp.Div(this=total, expression=count)),
    )
    with pytest.raises(AssertionError, match="AVG"):
        market.agree(query)


@settings(
    max_examples=SHOPS, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(shops(), st.lists(queries(), min_size=QUERIES_EACH, max_size=QUERIES_EACH))
def test_generated_queries_say_what_one_server_says(comparison: Comparison, shop: Shop, asked: list[Query]) -> None:
    comparison.hold(shop)
    for query in asked:
        comparison.agree(query)
