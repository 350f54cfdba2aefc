"""Groups whose rows lie on several shards: each sends what its rows add up to, and a server adds that up.

An average of averages is wrong: AVG is sent as a sum and a count. COUNT(DISTINCT) is sent as the distinct values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from wavetank.sharding.query import averages
from wavetank.sharding.query.plan import PARTIALS, MergeStrategy, Plan, Types
from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.rows import bounds, text
from wavetank.sharding.query.scope import own

_MERGED = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg)
# What a parser knows by no class of its own.
_AGGREGATES_BY_NAME = frozenset({"json_arrayagg", "json_objectagg", "st_collect"})


@dataclass
class Groups:
    """A SELECT, its names written out, divided into what the shards are asked and what is made of it."""

    select: exp.Select
    shards: tuple[int, ...]
    sent: exp.Select = field(init=False)
    merge: exp.Select = field(init=False)

    def __post_init__(self) -> None:
        """Divide it.

        Raises:
            Refusal: it has what cannot be merged exactly.
        """
        refuse_others(self.select)
        bounds(self.select)
        group = self.select.args.get("group")
        has_aggregates = any(True for _ in aggregates(self.select))
        self._distinct_rows = bool(self.select.args.get("distinct")) and not group and not has_aggregates
        terms = [item.this for item in self.select.expressions] if self._distinct_rows else []
        terms = list(group.expressions) if group else terms
        self._terms = list(dict.fromkeys(term.unnest() for term in terms))
        # What is sent beside the terms, by the name under which it is.
        self._columns: dict[str, exp.Expr] = {}
        self._summed: dict[str, exp.Expr] = {}
        self._values: list[str] = []
        # Expressions with an average in them, by the name under which their type is asked for.
        self._declared: dict[str, exp.Expr] = {}
        self._types: Types = {}
        self.merge = self._merge()
        self.sent = self._sent()

    @property
    def probe(self) -> str:
        """A statement whose columns' types are those of what the shards send."""
        return text(self.sent)

    @property
    def checks(self) -> tuple[str, ...]:
        """A statement whose columns' types are those of expressions with an average in them."""
        if not self._declared:
            return ()
        check = self.select.copy()
        for part in ("having", "order", "limit", "offset", "distinct"):
            check.set(part, None)
        items = [exp.alias_(each.copy(), name) for name, each in self._declared.items()]
        check.set("expressions", items)
        return (text(check),)

    def plan(self, types: Types) -> Plan:
        """Return the plan, given the types of what the shards send, and those of `checks`.

        Raises:
            Refusal: a type is not added up or transferred exactly.
        """
        for name, kind in types.items():
            kind.refuse_lossy()
            if name in self._summed:
                kind.refuse_sum(self._summed[name])
        self._types = types
        self.merge = self._merge()
        return Plan(MergeStrategy.GROUPS, self.shards, text(self.sent), merge=text(self.merge))

    def _sent(self) -> exp.Select:
        sent = self.select.copy()
        for part in ("having", "order", "limit", "offset", "distinct"):
            sent.set(part, None)
        terms = [exp.alias_(term.copy(), _term(at)) for at, term in enumerate(self._terms)]
        others = [exp.alias_(each.copy(), name) for name, each in self._columns.items()]
        sent.set("expressions", [*terms, *others])
        by = [*(_term(at) for at in range(len(terms))), *self._values]
        if by:
            sent.set("group", exp.Group(expressions=[exp.column(name) for name in by]))
        return sent

    def _merge(self) -> exp.Select:
        merge = self.select.copy()
        for part in ("where", "joins"):
            merge.set(part, None)
        merge.set("from_", exp.From(this=exp.to_table(PARTIALS)))
        items = [exp.alias_(self._shown(item.this), item.alias) for item in self.select.expressions]
        merge.set("expressions", items)
        if having := merge.args.get("having"):
            having.set("this", self._merged(having.this))
        for ordered in merge.args["order"].expressions if merge.args.get("order") else ():
            ordered.set("this", self._shown(ordered.this))
        if merge.args.get("group"):
            merge.set("group", exp.Group(expressions=[_column(_term(at)) for at in range(len(self._terms))]))
        return merge

    def _shown(self, tree: exp.Expr) -> exp.Expr:
        """Return the expression over what the shards send, with the type of the original."""
        if not averages.computes(tree):
            return self._merged(tree)
        name = next((name for name, each in self._declared.items() if each == tree), f"wt_t{len(self._declared)}")
        self._declared[name] = tree
        return averages.as_declared(self._merged(tree), self._types.get(name))

    def _merged(self, tree: exp.Expr) -> exp.Expr:
        """Return the expression over what the shards send."""
        return tree.copy().transform(self._replaced)

    def _replaced(self, node: exp.Expr) -> exp.Expr:
        if node in self._terms:
            return _column(_term(self._terms.index(node)))
        if isinstance(node, exp.AggFunc):
            return self._aggregate(node)
        if isinstance(node, exp.Column):
            if self._distinct_rows:
                raise Refusal(f"ORDER BY {node.sql('mysql')} is not among what is DISTINCT")
            # The shards refuse it where the group does not decide what it is.
            return exp.AnyValue(this=_column(self._send(node)))
        return node

    def _aggregate(self, call: exp.AggFunc) -> exp.Expr:
        argument = call.this
        if any(inner for inner in own(argument) if isinstance(inner, exp.AggFunc)):
            raise Refusal(f"{call.sql('mysql')} aggregates an aggregate")
        if isinstance(argument, exp.Distinct) and not isinstance(call, exp.Min | exp.Max):
            values = [_column(self._send_value(value)) for value in argument.expressions]
            if not isinstance(call, exp.Count):
                self._summed[values[0].name] = call
            return call.__class__(this=exp.Distinct(expressions=values))
        if isinstance(call, exp.Count):
            return _count(self._send(call))
        if isinstance(call, exp.Avg):
            return self._average(call)
        if isinstance(call, exp.Sum):
            return _sum(self._send(call, summed=call))
        if isinstance(argument, exp.Distinct):
            call = call.__class__(this=argument.expressions[0].copy())
        return call.__class__(this=_column(self._send(call)))

    def _average(self, call: exp.Avg) -> exp.Expr:
        """Return the average of sums and counts, as what is around it gets it."""
        total = self._send(exp.Sum(this=call.this.copy()), summed=call)
        count = self._send(exp.Count(this=call.this.copy()))
        if averages.use_of(call) is averages.Use.SHOWN:
            return averages.shown(_sum(total), _sum(count))
        # What is merged is known before the types are, and is made anew when they are.
        places = averages.digits(self._types[total]) if total in self._types else 9
        return averages.unrounded(_sum(total), _sum(count), places)

    def _send(self, tree: exp.Expr, summed: exp.Expr | None = None) -> str:
        for name, sent in self._columns.items():
            if sent == tree:
                return name
        name = f"wt_p{len(self._columns)}"
        self._columns[name] = tree.copy()
        if summed is not None:
            self._summed[name] = summed
        return name

    def _send_value(self, tree: exp.Expr) -> str:
        name = self._send(tree)
        if name not in self._values:
            self._values.append(name)
        return name


def aggregates(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the aggregate functions that the SELECT itself calls."""
    return (node for node in own(select) if _is_aggregate(node))


def _is_aggregate(node: exp.Expr) -> bool:
    by_name = isinstance(node, exp.Anonymous) and str(node.this).lower() in _AGGREGATES_BY_NAME
    return by_name or isinstance(node, exp.AggFunc)


def refuse_others(select: exp.Select, *, windows: bool = False) -> None:
    """Refuse by name what the shards' answers do not add up to; `windows` is for who sees all rows.

    Raises:
        Refusal: the SELECT has that.
    """
    for node in own(select):
        if isinstance(node, exp.Window) and not windows:
            raise Refusal("a window function is not merged over shards: each sees its own rows alone")
        if _is_aggregate(node) and not isinstance(node, _MERGED) and not isinstance(node.parent, exp.Window):
            raise Refusal(f"{call_name(node)} is not merged over shards, unless all groups lie on one each")


def call_name(call: exp.Expr) -> str:
    """Return the name of what is called, as MySQL writes it."""
    return call.sql("mysql").partition("(")[0].upper()


def _column(name: str) -> exp.Column:
    return exp.column(name, table=PARTIALS)


def _term(at: int) -> str:
    return f"wt_g{at}"


def _sum(name: str) -> exp.Expr:
    return exp.Sum(this=_column(name))


def _count(name: str) -> exp.Expr:
    # A sum is NULL of no rows, and DECIMAL.
    nothing = exp.Literal.number(0)
    return exp.cast(exp.Coalesce(this=_sum(name), expressions=[nothing]), "SIGNED", dialect="mysql")
