"""What a shard's tables are to a query over all of them: rows of its own, the same rows everywhere, or a view."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Columns that decide where a row lies: rows that are equal in one of them are on the same shard.
SHARDING_COLUMNS: Mapping[str, frozenset[str]] = {
    "customers": frozenset({"customer_id"}),
    "orders": frozenset({"customer_id", "order_id"}),
    "order_items": frozenset({"order_id"}),
    "customer_analytics": frozenset({"customer_id"}),
}
# The same rows on every shard.
REFERENCE = frozenset({"products"})
# What an application may write before a table's name, where one server holds all rows.
WHOLE_SCHEMA = "shop"


@dataclass(frozen=True)
class Schema:
    """The tables of one shard, which are those of all: columns in their order; views with their SELECT."""

    columns: Mapping[str, tuple[str, ...]]
    views: Mapping[str, str] = field(default_factory=dict)
