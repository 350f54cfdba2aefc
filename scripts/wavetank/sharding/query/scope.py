"""Which tables a SELECT reads, whether all that it joins lies on one shard, and what each name in it stands for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.tables import REFERENCE, SHARDING_COLUMNS, WHOLE_SCHEMA, Schema

# Marks a column before which the statement had no table.
BARE = "bare"


@dataclass(frozen=True)
class Used:
    """A table as the SELECT uses it: `alias` is its name there; `optional` where a LEFT JOIN may find no row."""

    alias: str
    table: str
    columns: tuple[str, ...]
    optional: bool = False

    @property
    def sharding_columns(self) -> frozenset[str]:
        """The columns that decide on which shard its rows lie, none for a reference table."""
        return SHARDING_COLUMNS.get(self.table, frozenset())


@dataclass(frozen=True)
class Scope:
    """All tables of a SELECT, in its order."""

    tables: tuple[Used, ...]

    @property
    def sharded(self) -> tuple[Used, ...]:
        """Those whose rows are divided."""
        return tuple(used for used in self.tables if used.sharding_columns)

    @property
    def names(self) -> frozenset[str]:
        """The names of all columns."""
        return frozenset(name for used in self.tables for name in used.columns)

    def table_sharded_by(self, column: exp.Expr) -> Used | None:
        """Return the table whose rows this column puts on their shards, None where it is no such column."""
        if not isinstance(column, exp.Column):
            return None
        found = next((used for used in self.sharded if used.alias == column.table), None)
        return found if found and column.name in found.sharding_columns else None


def read_scope(select: exp.Select, schema: Schema) -> Scope:
    """Return the tables of a SELECT and qualify its columns by them, in place.

    Raises:
        Refusal: it reads what is not merged, joins rows that may lie on different shards, or names what is not there.
    """
    _refuse_subqueries(select)
    scope = Scope(tuple(_tables(select, schema)))
    _qualify(select, scope)
    _refuse_apart(select, scope)
    return scope


def own(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the nodes of a tree that belong to its SELECT and not to one in it."""
    return tree.walk(prune=lambda node: node is not tree and isinstance(node, exp.Select))


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the parts of a condition that must all hold."""
    if condition is None:
        return
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    else:
        yield condition


def condition_of(select: exp.Select) -> exp.Expr | None:
    """Return what its WHERE demands."""
    where = select.args.get("where")
    return where.this if where else None


def joins_of(select: exp.Select) -> list[exp.Join]:
    """Return its joins, those with commas included."""
    return list(select.args.get("joins") or ())


def _refuse_subqueries(select: exp.Select) -> None:
    """Let in only those that read reference tables, in WHERE or ON: they say the same on every shard."""
    for inner in select.find_all(exp.Select):
        if inner is select:
            continue
        tables = {table.name for table in inner.find_all(exp.Table)}
        if tables - REFERENCE or not inner.find_ancestor(exp.Where, exp.Join):
            raise Refusal("a subquery is not merged over shards, but for one in WHERE that reads products alone")
        if inner.args.get("limit"):
            raise Refusal("a subquery with LIMIT is not merged over shards: each may see other rows")


def _tables(select: exp.Select, schema: Schema) -> Iterator[Used]:
    start = select.args.get("from_")
    if start is None:
        return
    joins = joins_of(select)
    lefts = [join for join in joins if join.side == "LEFT"]
    for join in joins:
        if join.side not in ("", "LEFT") or join.method or join.kind not in ("", "INNER", "CROSS"):
            raise Refusal(
                f"{join.method or join.side or join.kind} JOIN is not merged over shards: use JOIN or LEFT JOIN"
            )
        if lefts and not (join.args.get("on") or join.args.get("using")):
            raise Refusal("a join without ON beside a LEFT JOIN is not merged over shards: write its ON")
    yield _used(start.this, schema)
    for join in joins:
        yield _used(join.this, schema, optional=join.side == "LEFT")


def _used(table: exp.Expr, schema: Schema, *, optional: bool = False) -> Used:
    if not isinstance(table, exp.Table):
        raise Refusal("a derived table beside others is not merged over shards")
    if table.db not in ("", WHOLE_SCHEMA):
        raise Refusal(f"{table.db}.{table.name} is not merged over shards: name the tables of the shop alone")
    table.set("db", None)
    if table.name in schema.views:
        raise Refusal(f"the view {table.name} is merged over shards only where it is joined with nothing")
    if table.name not in SHARDING_COLUMNS.keys() | REFERENCE:
        raise Refusal(
            f"{table.name} is not merged over shards; these tables are: {', '.join([*SHARDING_COLUMNS, *REFERENCE])}"
        )
    if table.name not in schema.columns:
        raise Refusal(f"there is no table {table.name} on the shards")
    return Used(table.alias_or_name, table.name, schema.columns[table.name], optional)


def _qualify(select: exp.Select, scope: Scope) -> None:
    """Write the table before each column that has none; what is no column stays: it may be an alias."""
    using = {name.name.lower() for join in joins_of(select) for name in join.args.get("using") or ()}
    for column in list(own(select)):
        if not isinstance(column, exp.Column) or column.table or isinstance(column.this, exp.Star):
            continue
        owners = [used.alias for used in scope.tables if column.name in used.columns]
        if len(owners) > 1 and column.name not in using:
            raise Refusal(f"{column.name} is in {' and in '.join(owners)}: write which one")
        if owners and not _is_alias_in_order(column, select):
            column.set("table", exp.to_identifier(owners[0], quoted=True))
            column.meta[BARE] = True


def _is_alias_in_order(column: exp.Column, select: exp.Select) -> bool:
    """Return whether MySQL takes the name for an item's: in ORDER BY, where it is all that a term says."""
    named = {item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias)}
    return isinstance(column.parent, exp.Ordered) and column.name in named


def _refuse_apart(select: exp.Select, scope: Scope) -> None:
    """Refuse a join that would have to bring rows of several shards together."""
    together = {used.alias: used.alias for used in scope.sharded}
    seen = scope.tables[:1]
    for condition in conjuncts(condition_of(select)):
        _join(together, scope, condition)
    for join, used in zip(joins_of(select), scope.tables[1:], strict=True):
        if used.optional and used.sharding_columns and not any(other.sharding_columns for other in seen):
            raise Refusal(
                f"LEFT JOIN {used.table} is not merged over shards: every shard would add the rows without one"
            )
        for condition in conjuncts(join.args.get("on")):
            if not used.optional or used.alias in {column.table for column in condition.find_all(exp.Column)}:
                _join(together, scope, condition)
        for name in join.args.get("using") or ():
            _merge(together, [each.alias for each in (*seen, used) if name.name.lower() in each.sharding_columns])
        seen = (*seen, used)
    if len(set(together.values())) > 1:
        tables = " and ".join(used.table for used in scope.sharded)
        shared = frozenset.intersection(*(used.sharding_columns for used in scope.sharded))
        keys = sorted(shared or {"customer_id", "order_id"})
        raise Refusal(f"{tables} are not joined by {' or '.join(keys)}: rows of different shards would meet")


def _join(together: dict[str, str], scope: Scope, condition: exp.Expr) -> None:
    if not isinstance(condition, exp.EQ):
        return
    left, right = condition.left.unnest(), condition.right.unnest()
    tables = scope.table_sharded_by(left), scope.table_sharded_by(right)
    if tables[0] and tables[1] and left.name == right.name:
        _merge(together, [tables[0].alias, tables[1].alias])


def _merge(together: dict[str, str], aliases: Iterable[str]) -> None:
    names = {together[alias] for alias in aliases if alias in together}
    for alias, name in together.items():
        if name in names:
            together[alias] = min(names)
