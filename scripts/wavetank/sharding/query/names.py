"""What GROUP BY, HAVING and ORDER BY mean by a position or by an item's name: written out as the item's expression."""

from sqlglot import exp

from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.scope import BARE, Scope, joins_of, own


def expand_stars(select: exp.Select, scope: Scope) -> None:
    """Put the columns in the place of * and of table.*, as the tables have them."""
    items: list[exp.Expr] = []
    for item in select.expressions:
        if not item.is_star:
            items.append(item)
            continue
        if isinstance(item, exp.Star) and any(join.args.get("using") for join in joins_of(select)):
            raise Refusal("* beside USING is not merged over shards: name the columns")
        chosen = [used for used in scope.tables if not item.args.get("table") or used.alias == item.text("table")]
        items += [column_as(used.alias, name) for used in chosen for name in used.columns]
    select.set("expressions", items)


def column_as(table: str, name: str) -> exp.Alias:
    """Return a column under its own name."""
    return exp.Alias(this=exp.column(name, table=table, quoted=True), alias=exp.to_identifier(name, quoted=True))


def write_out(select: exp.Select, scope: Scope) -> None:
    """Replace positions and item names in GROUP BY, HAVING and ORDER BY by what they stand for, in place.

    Raises:
        Refusal: a name may be the column's or the item's, or a position is none.
    """
    items = {item.alias.lower(): item.this for item in select.expressions}
    group, having, order = (select.args.get(part) for part in ("group", "having", "order"))
    if group:
        if any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets", "totals", "all")):
            raise Refusal("WITH ROLLUP is not merged over shards")
        terms = [_term(term, select) or _meant(term, items, scope) for term in group.expressions]
        group.set("expressions", terms)
    if having:
        having.set("this", _meant(having.this, items, scope))
    for ordered in order.expressions if order else ():
        ordered.set("this", _term(ordered.this, select) or _in_order(ordered.this, items, scope))


def _term(term: exp.Expr, select: exp.Select) -> exp.Expr | None:
    """Return the item at a position, None where the term is no position."""
    if not (isinstance(term, exp.Literal) and term.is_int):
        return None
    if not 1 <= int(term.name) <= len(select.expressions):
        raise Refusal(f"there is no item {term.name} in the SELECT")
    item: exp.Expr = select.expressions[int(term.name) - 1].this
    return item.copy()


def _in_order(term: exp.Expr, items: dict[str, exp.Expr], scope: Scope) -> exp.Expr:
    if isinstance(term, exp.Column) and not term.table and term.name in items:
        return items[term.name].copy()
    return _meant(term, items, scope)


def _meant(tree: exp.Expr, items: dict[str, exp.Expr], scope: Scope) -> exp.Expr:
    """Return the tree with names of items replaced; a name that is also another column's is refused."""
    tree = tree.copy()
    for column in [node for node in own(tree) if isinstance(node, exp.Column)]:
        item = items.get(column.name)
        if item is not None and item != column and column.meta.get(BARE):
            raise Refusal(f"{column.name} is a column and another item's name: give the item a name of its own")
        if column.table:
            continue
        if item is None:
            raise Refusal(f"there is no column {column.name} in {', '.join(used.table for used in scope.tables)}")
        if column is tree:
            return item.copy()
        alone = isinstance(item, exp.Column | exp.Func | exp.Literal)
        column.replace(item.copy() if alone else exp.paren(item.copy()))
    return tree
