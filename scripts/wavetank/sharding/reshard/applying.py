"""Doing to the copies what was done to the rows: whose each changed row is, and where that customer moves.

Rows are applied as they were after each change, by their primary key, in the log's order; what several changes of one
batch made of a row is written once. Doing it twice changes nothing.

Two things are out of reach of this and stop the resharding at the comparison: a customer whose key changes, and an
order that changes hands. Neither is possible through wavetank.client.shards.
"""

from wavetank.servers.binlog.values import Image, Value
from wavetank.servers.node import StatementError
from wavetank.sharding.maps.keys import read_key
from wavetank.sharding.reshard.ledger import in_chunks
from wavetank.sharding.reshard.log_reading import Change
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.rows import CUSTOMER, ORDER, ORDERS, Session, Table, clash, listed

_ORDERS_OF = "SELECT order_id, customer_id FROM orders WHERE order_id IN ({ids})"
# Rows a statement, so that it stays within one TLS record.
_ROWS = 50

Key = tuple[Value, ...]


class Sorter:
    """Finds out whose each changed row is, and writes it to where that customer moves."""

    def __init__(self, context: ReshardingContext, source_shard: int) -> None:
        """Take the maps; connections are opened when they are needed."""
        self._context = context
        self._source_shard = source_shard
        self._tables = {table.name: table for table in context.tables}
        self._sessions: dict[int, Session] = {}

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            session.close()

    def _session(self, target: int) -> Session:
        if target not in self._sessions:
            self._sessions[target] = self._context.session(target)
        return self._sessions[target]

    def apply(self, changes: list[Change]) -> tuple[dict[int, int], int, int]:
        """Do to the copies what was done to the rows, in a transaction a target.

        Returns:
            Whose rows they are, each with the target; how many rows have been written or deleted; and how many of
            those that are compared have been deleted.
        """
        owners = self._owners_of_orders(changes)
        targets: dict[int, int] = self._targets_of(changes, owners)
        final: dict[int, dict[tuple[str, Key], Image | None]] = {}
        for name, before, after in changes:
            table = self._tables[name]
            for image, kept in ((before, None), (after, after)):
                customer = _customer(table, image, owners) if image else None
                if image and customer is not None and (target := targets.get(customer)):
                    key = tuple(image[column] for column in table.key)
                    # Taken out first, so that it is written in the order of the last change.
                    final.setdefault(target, {}).pop((name, key), None)
                    final[target][name, key] = kept
        for target, rows in final.items():
            there = listed(customer for customer, its in targets.items() if its == target)
            self._write(self._session(target), rows, there)
        compared = {table.name for table in self._context.compared}
        gone = sum(kept is None and name in compared for rows in final.values() for (name, _), kept in rows.items())
        return targets, sum(map(len, final.values())), gone

    def _owners_of_orders(self, changes: list[Change]) -> dict[int, int]:
        """Return the customers of the orders whose items were changed: as the batch says, else as the copies say."""
        owners: dict[int, int] = {}
        for name, before, after in changes:
            if name == ORDERS:
                image = after or before
                assert image is not None  # noqa: S101 - a change has one of the two
                owners[_number(image[ORDER])] = _number(image[CUSTOMER])
        unknown = {
            _number(image[ORDER])
            for name, before, after in changes
            if self._tables[name].by_order
            for image in (before, after)
            if image
        } - owners.keys()
        for target in self._context.targets(self._source_shard) if unknown else ():
            for row in self._session(target).run(_ORDERS_OF.format(ids=listed(unknown))):
                owners[int(row[ORDER])] = int(row[CUSTOMER])
        return owners

    def _targets_of(self, changes: list[Change], owners: dict[int, int]) -> dict[int, int]:
        """Return to where each customer moves who has changed rows, without those who stay."""
        keys: dict[int, Value] = {}
        customers = set()
        for name, before, after in changes:
            for image in (before, after):
                customer = _customer(self._tables[name], image, owners) if image else None
                if image and customer is not None:
                    customers.add(customer)
                    if name == "customers":
                        keys[customer] = image[self._context.old.column]
        if self._context.by_id:
            found = {customer: self._context.target_of(self._source_shard, customer) for customer in customers}
        else:
            column = self._context.old.column
            found = {
                customer: self._context.target_of(self._source_shard, read_key(column, str(key)))
                for customer, key in keys.items()
            }
            found |= self._arrived(customers - keys.keys())
        return {customer: target for customer, target in found.items() if target}

    def _arrived(self, customers: set[int]) -> dict[int, int]:
        """Return on which target each customer is: one whose key was not said is there if it moves."""
        found: dict[int, int] = {}
        for target in self._context.targets(self._source_shard) if customers else ():
            statement = f"SELECT customer_id FROM customers WHERE customer_id IN ({listed(customers)})"
            found |= {int(row[CUSTOMER]): target for row in self._session(target).run(statement)}
        return found

    def _write(self, session: Session, rows: dict[tuple[str, Key], Image | None], customers: str) -> None:
        """Write rows over what is there of them, in one transaction.

        What changed is taken out before anything is put in, so that keys may change hands. Only rows of the moving
        `customers` are taken out: a row of somebody else with the same key is not overwritten, but a refusal.
        """

        def work() -> None:
            for name, table in self._tables.items():
                changed = {key: image for (of, key), image in rows.items() if of == name}
                _delete(session, table, list(changed), customers)
                _insert(session, table, [image for image in changed.values() if image])

        try:
            session.transaction(work)
        except StatementError as error:
            raise clash(error, self._source_shard, session.name) from error


def _delete(session: Session, table: Table, keys: list[Key], customers: str) -> None:
    names = ", ".join(f"`{column}`" for column in table.key)
    theirs = f" AND {CUSTOMER} IN ({customers})" if table.by_customer else ""
    for some in in_chunks(keys, _ROWS):
        session.run(
            f"DELETE FROM `{table.name}` WHERE ({names}) IN ({_places(len(table.key), len(some))}){theirs}",
            [table.value(column, value) for key in some for column, value in zip(table.key, key, strict=True)],
        )


def _insert(session: Session, table: Table, images: list[Image]) -> None:
    for some in in_chunks(images, _ROWS):
        session.run(
            table.into + _places(len(table.columns), len(some)),
            [table.value(name, image[name]) for image in some for name in table.names],
        )


def _places(columns: int, rows: int) -> str:
    """Return the places of the parameters of so many rows."""
    return ", ".join(["(" + ", ".join(["%s"] * columns) + ")"] * rows)


def _customer(table: Table, image: Image, owners: dict[int, int]) -> int | None:
    if table.by_customer:
        return _number(image[CUSTOMER])
    return owners.get(_number(image[ORDER]))


def _number(value: Value) -> int:
    return int(str(value or 0))
