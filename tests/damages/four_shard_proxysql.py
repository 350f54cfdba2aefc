"""Two shards behind one ProxySQL: what decides which of them a statement is for."""

from damages import Case
from damages.proxysql import CONFIGURATION, told

OPTIONS = {"TOPOLOGY": "four-shard-proxysql", "SHARDS": 2, "REPLICAS": 1}
# The tests of what an application sees through the proxy have it, too.
LANE = "shards-proxy"
ROUTES = "mysql_query_rules_fast_routing"

CASES = {
    "a hint that leads to another shard": Case(
        "hint_routing", "proxy1",
        told("QUERY RULES", "UPDATE mysql_query_rules SET destination_hostgroup = 110 "
             "WHERE comment = 'the hint for shard 2, writer'"),
        CONFIGURATION,
    ),
    "a schema that leads to another shard": Case(
        "statement_routing", "proxy1",
        told("QUERY RULES", f"UPDATE {ROUTES} SET destination_hostgroup = 110 "
             "WHERE schemaname = 'shop_2' AND flagIN = 1"),
        CONFIGURATION,
    ),
}  # fmt: skip

AT_ONCE = (tuple(CASES),)
