"""From a statement to what makes its plan: the one place that decides how its answers are merged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from wavetank.sharding.query.groups import Groups, aggregates, call_name, refuse_others
from wavetank.sharding.query.map_snapshot import MapSnapshot, keep_own_rows
from wavetank.sharding.query.names import expand_stars, write_out
from wavetank.sharding.query.plan import MergeStrategy, Plan, Types
from wavetank.sharding.query.pruning import shards_for
from wavetank.sharding.query.reading import Refusal, read_select
from wavetank.sharding.query.rows import Rows, text
from wavetank.sharding.query.scope import Scope, joins_of, own, read_scope
from wavetank.sharding.query.tables import WHOLE_SCHEMA, Schema


class Draft(Protocol):
    """What becomes a plan once the types of some columns are known."""

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards to ask."""

    @property
    def probe(self) -> str:
        """A statement that has those columns, '' where there are none."""

    @property
    def checks(self) -> tuple[str, ...]:
        """Statements, also over a table of the probe's columns, whose columns' types are to be known, too."""

    def plan(self, types: Types) -> Plan:
        """Return the plan, given the types of the probe's columns."""


@dataclass(frozen=True)
class _One:
    """A statement that one shard answers as it is."""

    statement: str
    shards: tuple[int, ...]
    probe: str = ""
    checks: tuple[str, ...] = ()

    def plan(self, _: Types) -> Plan:
        return Plan(MergeStrategy.ONE, self.shards, self.statement)


@dataclass(frozen=True)
class _Over:
    """A SELECT over a table that is itself merged: a view, or a derived table."""

    inner: Groups
    outer: exp.Select

    @property
    def shards(self) -> tuple[int, ...]:
        return self.inner.shards

    @property
    def probe(self) -> str:
        return self.inner.probe

    @property
    def checks(self) -> tuple[str, ...]:
        items = [exp.alias_(call.copy(), name) for name, call in self._sums.items()]
        if not items:
            return self.inner.checks
        check = exp.select(*items)
        check.set("from_", self._merge.args["from_"].copy())
        return (*self.inner.checks, text(check))

    def plan(self, types: Types) -> Plan:
        for name, call in self._sums.items():
            types[name].refuse_sum(call)
        inner = self.inner.plan({name: kind for name, kind in types.items() if name not in self._sums})
        return Plan(MergeStrategy.GROUPS, inner.shards, inner.sent, merge=text(self._merge))

    @property
    def _sums(self) -> dict[str, exp.Expr]:
        sums = (node for node in aggregates(self.outer) if isinstance(node, exp.Sum | exp.Avg))
        return {f"wt_s{at}": node for at, node in enumerate(sums)}

    @property
    def _merge(self) -> exp.Select:
        outer = self.outer.copy()
        outer.args["from_"].this.set("this", self.inner.merge.copy())
        return outer


def draft_of(statement: str, schema: Schema, snapshot: MapSnapshot) -> Draft:
    """Return what makes the plan of a statement over the shards of the snapshot's map.

    Raises:
        Refusal: it cannot be merged exactly; the message names what cannot.
    """
    select = read_select(statement)
    plain = statement.strip().rstrip(";").rstrip()
    if any(table.db for table in select.find_all(exp.Table)):
        plain = text(_unqualified(select))
    inner, outer = _derived(select, schema)
    scope = read_scope(inner, schema)
    shards = shards_for(inner, scope, snapshot.map)
    if len(shards) == 1:
        return _One(plain, shards)
    if snapshot.moving:
        inner = keep_own_rows(inner, scope, snapshot.map)
    expand_stars(inner, scope)
    write_out(inner, scope)
    if outer:
        refuse_others(outer, windows=True)
        return _Over(_groups(inner, shards), outer)
    if _is_grouped(inner) and not _is_whole(inner, scope):
        return _groups(inner, shards)
    _refuse_windows(inner)
    return Rows(_filtered(inner), shards)


def owned(statement: str, schema: Schema, snapshot: MapSnapshot) -> str:
    """Return a statement for each shard to answer on its own, about its own rows.

    Raises:
        Refusal: as draft_of() does.
    """
    select = _unqualified(read_select(statement))
    scope = read_scope(select, schema)
    return text(keep_own_rows(select, scope, snapshot.map) if snapshot.moving else select)


def _groups(select: exp.Select, shards: Sequence[int]) -> Groups:
    if not _is_grouped(select):
        raise Refusal("a derived table is merged over shards only where it groups")
    return Groups(select, tuple(shards))


def _derived(select: exp.Select, schema: Schema) -> tuple[exp.Select, exp.Select | None]:
    """Return what the shards are asked, and the SELECT over it where there is one: over a view or derived table."""
    start = select.args.get("from_")
    source = start.this if start else None
    if isinstance(source, exp.Table) and source.name in schema.views and not joins_of(select):
        inner = _unqualified(read_select(schema.views[source.name]), all_schemas=True)
        alias = source.alias_or_name
    elif isinstance(source, exp.Subquery) and not joins_of(select):
        inner, alias = source.this, source.alias
        if not isinstance(inner, exp.Select) or not alias:
            raise Refusal("a derived table is a SELECT with a name")
        for item in inner.expressions:
            if not (item.is_star or isinstance(item, exp.Alias | exp.Column)):
                raise Refusal(f"{item.sql('mysql')} in a derived table needs a name")
        named = [exp.alias_(each, each.name) if isinstance(each, exp.Column) and not each.is_star else each
                 for each in inner.expressions]  # fmt: skip
        inner.set("expressions", named)
        inner.pop()
    else:
        return select, None
    outer = select.copy()
    outer.set("from_", exp.From(this=exp.Subquery(alias=exp.TableAlias(this=exp.to_identifier(alias)))))
    if outer.find(exp.Table) or any(node is not outer for node in outer.find_all(exp.Select)):
        raise Refusal("a subquery is not merged over shards beside a derived table or view")
    return inner, outer


def _unqualified(select: exp.Select, *, all_schemas: bool = False) -> exp.Select:
    """Take the schema off the names: each shard has its own."""
    for node in select.find_all(exp.Table, exp.Column):
        if node.text("db") and (all_schemas or node.text("db") == WHOLE_SCHEMA):
            node.set("db", None)
    return select


def _is_grouped(select: exp.Select) -> bool:
    return bool(select.args.get("group") or select.args.get("distinct")) or any(True for _ in aggregates(select))


def _is_whole(select: exp.Select, scope: Scope) -> bool:
    """Return whether every group lies on one shard, because what decides where its rows lie is a part of it."""
    group = select.args.get("group")
    terms = list(group.expressions) if group else []
    if select.args.get("distinct"):
        if terms or any(True for _ in aggregates(select)):
            return False
        terms = [item.this for item in select.expressions]
    tables = [scope.table_sharded_by(term.unnest()) for term in terms]
    return any(used and not used.optional for used in tables)


def _filtered(select: exp.Select) -> exp.Select:
    """Write a HAVING without groups as what it is: one more condition of WHERE."""
    having = select.args.get("having")
    if having and not _is_grouped(select):
        select = select.where(having.this.copy())
        select.set("having", None)
    return select


def _refuse_windows(select: exp.Select) -> None:
    for node in own(select):
        if isinstance(node, exp.Window):
            raise Refusal(f"{call_name(node)} OVER is not merged over shards: each sees its own rows alone")
