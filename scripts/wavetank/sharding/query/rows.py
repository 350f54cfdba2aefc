"""Rows that are whole on their shards: each sends its own in order, with hidden columns by which they are merged."""

from dataclasses import dataclass

from sqlglot import exp

from wavetank.sharding.query.plan import MergeStrategy, Plan, Sort, Types
from wavetank.sharding.query.reading import Refusal

_ANY_ROWS = "LIMIT without ORDER BY: which rows is anybody's choice, as on one server"


@dataclass(frozen=True)
class Rows:
    """A SELECT, its names written out, whose rows need nothing but to be put together."""

    select: exp.Select
    shards: tuple[int, ...]
    checks: tuple[str, ...] = ()

    @property
    def _order(self) -> list[exp.Ordered]:
        order = self.select.args.get("order")
        return list(order.expressions) if order else []

    @property
    def probe(self) -> str:
        """A statement whose columns' types are those of the keys, '' where there are none."""
        if not self._order:
            return ""
        probe = self.select.copy()
        keys = [exp.alias_(ordered.this.copy(), _key(at), quoted=True) for at, ordered in enumerate(self._order)]
        for part in ("order", "limit", "offset", "distinct"):
            probe.set(part, None)
        having = probe.args.get("having")
        if having and not probe.args.get("group"):
            probe.set("having", None)
        probe.set("expressions", keys)
        return text(probe)

    def plan(self, types: Types) -> Plan:
        """Return the plan, given the types of the probe's columns.

        Raises:
            Refusal: a key is of a type that only its server can compare.
        """
        select = self.select.copy()
        for at, ordered in enumerate(self._order):
            key = _comparable(ordered.this.copy(), types[_key(at)].sort(), grouped=bool(select.args.get("group")))
            select.append("expressions", exp.alias_(key, _key(at), quoted=True))
        limit, offset = bounds(select)
        select.set("offset", None)
        if limit is not None:
            select.set("limit", exp.Limit(expression=exp.Literal.number(offset + limit)))
        down = tuple(bool(ordered.args.get("desc")) for ordered in self._order)
        notes = (_ANY_ROWS,) if limit is not None and not down else ()
        return Plan(MergeStrategy.ROWS, self.shards, text(select), down, limit, offset, notes=notes)


def text(tree: exp.Expr) -> str:
    """Return the tree as MySQL reads it."""
    return tree.sql("mysql", identify=True)


def bounds(select: exp.Select) -> tuple[int | None, int]:
    """Return LIMIT, None without one, and OFFSET.

    Raises:
        Refusal: they are no numbers.
    """
    limit, offset = (select.args.get(part) for part in ("limit", "offset"))
    for part in (limit, offset):
        if part and not (isinstance(part.expression, exp.Literal) and part.expression.is_int):
            raise Refusal("LIMIT and OFFSET are numbers")
    return (int(limit.expression.name) if limit else None), (int(offset.expression.name) if offset else 0)


def _key(at: int) -> str:
    return f"wt_k{at}"


def _comparable(term: exp.Expr, sort: Sort, *, grouped: bool) -> exp.Expr:
    """Return what of a term is compared as bytes or numbers as MySQL compares the term."""
    if sort is Sort.VALUE:
        return term
    # MySQL does not see what is grouped by inside of a function; that it may stand in ORDER BY, it does check.
    term = exp.AnyValue(this=term) if grouped else term
    if sort is Sort.WEIGHT:
        return exp.Anonymous(this="WEIGHT_STRING", expressions=[term])
    return exp.Add(this=exp.paren(term), expression=exp.Literal.number(0))
