"""Two shards without replicas, by the directory."""

from damages import Case, by_up, sql

OPTIONS = {"TOPOLOGY": "four-shard", "SHARDS": 2, "REPLICAS": 0, "SHARD_BY": "directory"}
# The tests of the directory itself have it, too.
LANE = "directory"
_MAPPING = "sharding.customer_shard_mapping"
_STRANGER = "INSERT INTO shop_2.customers VALUES (77000000, 'Eve', 'eve@example.com', 'FR', 'europe', NOW())"

CASES = {
    "a directory that has miscounted": Case(
        "shard_directory", "s1", sql("s1", "UPDATE sharding.shard_directory SET customers = 7 WHERE shard = 2"),
        undo=by_up(),
    ),
    "a customer of a shard that is not in the directory": Case(
        "shard_directory", "s1", sql("s1", f"INSERT INTO {_MAPPING} VALUES (77000001, 9, NULL)"),
        undo=sql("s1", f"DELETE FROM {_MAPPING} WHERE customer_id = 77000001"),
    ),
    "a customer whom the directory does not know": Case(
        "shard_placement", "s2", sql("s2", _STRANGER),
        undo=sql("s2", "DELETE FROM shop_2.customers WHERE customer_id = 77000000"),
    ),
}  # fmt: skip
