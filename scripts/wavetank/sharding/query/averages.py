"""AVG from sums and counts as MySQL has it: an average of averages is wrong, and so is a quotient in an expression.

MySQL rounds what `/` gives to four decimal places more than its dividend has, and shows AVG so; but an expression
around AVG gets it with all digits of the division, which are cut, not rounded, at a multiple of nine
(do_div_mod() in MySQL's strings/decimal.cc). `SUM(x) / COUNT(x) * 3` is therefore not `AVG(x) * 3`.
"""

import enum

from sqlglot import exp

from wavetank.sharding.query.plan import ColumnType
from wavetank.sharding.query.reading import Refusal

# MySQL's div_precision_increment, and how many digits a word of its decimals has.
_MORE, _WORD = 4, 9
_ARITHMETIC = (
    exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Round, exp.Ceil, exp.Floor, exp.Abs, exp.Cast,
)  # fmt: skip
_PREDICATES = (
    exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.Between, exp.In, exp.Is,
)  # fmt: skip


class Use(enum.Enum):
    """What becomes of an average in an expression."""

    SHOWN = "it is the expression's value, perhaps one of several"
    COMPARED = "what is made of it is compared"
    COMPUTED = "the expression's value is computed from it"


def use_of(average: exp.Expr) -> Use:
    """Return what becomes of an average, which uses its value and not its declared decimal places.

    Raises:
        Refusal: something else becomes of it; the message names both.
    """
    node, computed = average, False
    while (around := node.parent) is not None:
        if isinstance(around, exp.AggFunc):
            raise Refusal(f"{around.sql('mysql')} aggregates an aggregate")
        if isinstance(around, _PREDICATES):
            return Use.COMPARED
        if _chooses(around, node) and not computed:
            pass
        elif _computes(around) and (computed or _only_parentheses(average, around)):
            computed = computed or not isinstance(around, exp.Paren)
        else:
            raise Refusal(
                f"{around.sql('mysql')}: MySQL takes {average.sql('mysql')} there with digits that it does not show; "
                "SUM and COUNT in its place are merged exactly"
            )
        node = around
    return Use.COMPUTED if computed else Use.SHOWN


def computes(tree: exp.Expr) -> bool:
    """Return whether the expression's value is computed from an average that is made of sums."""
    # A copy is the root of itself.
    averages = (each for each in tree.copy().find_all(exp.Avg) if not isinstance(each.this, exp.Distinct))
    return any(use_of(each) is Use.COMPUTED for each in averages)


def _chooses(around: exp.Expr, node: exp.Expr) -> bool:
    """Return whether `node` is one of the values that `around` has."""
    if isinstance(around, exp.If | exp.Case):
        return node.arg_key in ("true", "false", "default", "ifs")
    return isinstance(around, exp.Coalesce)


def _computes(around: exp.Expr) -> bool:
    return isinstance(around, _ARITHMETIC) and (not isinstance(around, exp.Cast) or around.is_type("decimal"))


def _only_parentheses(average: exp.Expr, upto: exp.Expr) -> bool:
    """Return whether nothing that chooses is between an average and what computes."""
    node = average.parent
    while node is not None and node is not upto:
        if not isinstance(node, exp.Paren):
            return False
        node = node.parent
    return True


def digits(total: ColumnType) -> int:
    """Return how many decimal places the division of such a sum by a whole number has before it is rounded."""
    scale = int(total.name.partition(",")[2].partition(")")[0] or 0)
    padded = _words(scale)
    return _words(padded + max(0, _MORE - (padded - scale)))


def shown(total: exp.Expr, count: exp.Expr) -> exp.Expr:
    """Return the average as MySQL shows it."""
    return exp.paren(exp.Div(this=total, expression=count))


def unrounded(total: exp.Expr, count: exp.Expr, places: int) -> exp.Expr:
    """Return the average as an expression around it gets it: cut to `places`.

    What is left is divisible, so that `/` has nothing to round.
    """
    large = exp.Mul(this=total, expression=exp.Literal.number(f"1{'0' * places}"))
    rest = exp.paren(exp.Mod(this=large.copy(), expression=count.copy()))
    whole = exp.Div(this=exp.paren(exp.Sub(this=large, expression=rest)), expression=count)
    small = exp.Mul(this=exp.paren(whole), expression=exp.Literal.number(f"0.{'0' * (places - 1)}1"))
    return exp.Anonymous(this="TRUNCATE", expressions=[small, exp.Literal.number(places)])


def as_declared(tree: exp.Expr, kind: ColumnType | None) -> exp.Expr:
    """Return the expression with the decimal places that MySQL declares the original to have."""
    if kind is None:
        return tree
    if kind.base in ("int", "bigint"):
        return exp.cast(tree, "UNSIGNED" if "unsigned" in kind.name else "SIGNED", dialect="mysql")
    return exp.cast(tree, kind.name) if kind.base == "decimal" else tree


def _words(places: int) -> int:
    return -(-places // _WORD) * _WORD
