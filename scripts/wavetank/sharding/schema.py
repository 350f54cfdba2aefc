"""The schemas of the shop and of sharding as statements, and what of them a server lacks."""

import itertools
import re
from collections.abc import Iterator

from wavetank.servers.node import Server
from wavetank.topology.instance import HOME
from wavetank.topology.model import Shard

SQL = HOME / "configs" / "sql"
SHARDING = "sharding"
# Those whose rows follow a customer, parents first; what else a shard holds is the same on all, or computed.
DIVIDED = ("customers", "orders", "order_items")
REFERENCE = ("products", "load_state")
# The months that orders has partitions for; what is older or newer has one each.
FIRST_YEAR, LAST_YEAR = 2024, 2026
_TABLE = re.compile(
    r"^CREATE (?:TABLE IF NOT EXISTS|OR REPLACE .*VIEW|PROCEDURE IF NOT EXISTS) (\w+)\.(\w+)", re.MULTILINE
)


def shop_statements() -> list[str]:
    """Return what makes a whole shop on one server; it can be run again."""
    return _statements("shop.sql") + _statements("shop_and_shard.sql", "shop")


def shard_statements(shard: Shard) -> list[str]:
    """Return what makes the shop's part on `shard`; it can be run again."""
    return _statements("shard.sql", shard.schema) + _statements("shop_and_shard.sql", shard.schema)


def sharding_statements(*, catalogue: bool) -> list[str]:
    """Return what makes the gates, and with `catalogue` all that the first shard's source holds beside them."""
    return _statements("sharding.sql") + (_statements("catalogue.sql") if catalogue else [])


def _statements(file: str, schema: str = "") -> list[str]:
    text = (SQL / file).read_text().replace("shop_0", schema).replace("-- by month", partitions())
    return [statement for part in text.split(";\n\n") if (statement := part.strip().removesuffix(";"))]


def partitions() -> str:
    """Return the partitions of orders: one a month, each up to the month after it."""
    months = [
        f"PARTITION p{year}{month:02} VALUES LESS THAN ('{year + month // 12}-{month % 12 + 1:02}-01')"
        for year, month in itertools.product(range(FIRST_YEAR, LAST_YEAR + 1), range(1, 13))
    ]
    before = f"PARTITION earlier VALUES LESS THAN ('{FIRST_YEAR}-01-01')"
    return ",\n    ".join([before, *months, "PARTITION later VALUES LESS THAN (MAXVALUE)"])


def made_by(statements: list[str]) -> set[str]:
    """Return what the statements make, as schema.name."""
    return {".".join(found.groups()) for statement in statements for found in _TABLE.finditer(statement)}


def make_missing(server: Server, statements: list[str], *, dry_run: bool = False) -> list[str]:
    """Run those of the statements that make what the server lacks; return the names of that.

    What is there is left as it is, whatever it is: nothing is ever dropped.
    """
    missing = made_by(statements) - set(_present(server))
    if missing and not dry_run:
        for statement in statements:
            made = made_by([statement])
            # What makes none of these makes a schema, which may be there.
            if not made or made & missing:
                server.execute(statement)
    return sorted(missing)


def _present(server: Server) -> Iterator[str]:
    for row in server.query(
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA REGEXP '^sh(arding|op)_?' UNION ALL "
        "SELECT CONCAT(ROUTINE_SCHEMA, '.', ROUTINE_NAME) FROM information_schema.ROUTINES "
        "WHERE ROUTINE_SCHEMA REGEXP '^sh(arding|op)_?'",
        account="admin",
    ):
        yield row["name"]


def definitions(server: Server, schema: str) -> dict[str, str]:
    """Return what SHOW CREATE says of each table, view and routine of `schema`, as if it were called shop_0."""
    rows = server.query(
        "SELECT TABLE_NAME AS name, IF(TABLE_TYPE = 'VIEW', 'VIEW', 'TABLE') AS kind FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = %s UNION ALL "
        "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
        [schema, schema],
        account="admin",
    )
    found = {}
    for row in rows:
        shown = server.query(f"SHOW CREATE {row['kind']} `{schema}`.`{row['name']}`", account="admin")[0]
        text = next(value for title, value in shown.items() if title.startswith("Create "))
        found[f"{row['kind'].lower()} {row['name']}"] = re.sub(r" AUTO_INCREMENT=\d+", "", text).replace(
            schema, "shop_0"
        )
    return found
