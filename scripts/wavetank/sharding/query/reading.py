"""From a text to a SELECT that may be asked of every shard; what could answer otherwise there is refused by name."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from sqlglot import exp
from sqlglot.dialects import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from wavetank.servers.statement_functions import HARMLESS
from wavetank.servers.statement_kinds import LONGEST_READ, Kind, Kinds
from wavetank.sharding.errors import ShardingError

# Each server, and each call, has its own answer.
_NOT_ALIKE = frozenset(
    str.split("""
    any_value benchmark connection_id current_user database found_rows last_insert_id rand random_bytes row_count
    schema session_user sleep sysdate system_user user uuid uuid_short version
    """)
)
# Words that mean the same, or that may be left out: the parser writes one for the other.
_SYNONYMS = {
    "substr": "substring", "mid": "substring", "ifnull": "coalesce", "!=": "<>", "mod": "%", "lcase": "lower",
    "ucase": "upper", "&&": "and", "dayofmonth": "day", "curdate": "current_date", "curtime": "current_time",
    "integer": "int", "dec": "decimal", "power": "pow", "ceiling": "ceil", "distinctrow": "distinct",
    "current_timestamp": "now", "localtime": "now", "localtimestamp": "now", "std": "stddev_pop",
    "stddev": "stddev_pop", "variance": "var_pop",
}  # fmt: skip
_NOISE = frozenset(
    {"as", "asc", "cast", "cross", "join", "inner", "outer", "all", ",", "(", ")", ";", "limit", "offset", "."}
)
_WORDS = (TokenType.STRING, TokenType.NUMBER)
_kinds = Kinds()


class Refusal(ShardingError):  # noqa: N818 - it reads as what it is
    """A query that cannot be merged exactly."""


def read_select(statement: str) -> exp.Select:
    """Return the statement's tree, all its identifiers quoted and its items named as MySQL names them.

    Raises:
        Refusal: it is no SELECT, or has something to which servers that hold a part each have no common answer.
    """
    tokens, tree = _parse(statement)
    _refuse_what_is_no_plain_select(tree)
    if not isinstance(tree, exp.Select):
        raise Refusal("only SELECT is merged over shards")
    _refuse_functions(tokens)
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() not in HARMLESS:
            raise Refusal(f"{call.name} is no function of MySQL's own: whether the shards agree on it is not known")
    if _kinds.of(statement) is not Kind.READ:
        raise Refusal("this is not a plain read: a query over shards writes nothing and uses nothing of its session")
    _join_alike(tree)
    _refuse_lost_words(tokens, tree)
    _name_items(statement, tokens, tree)
    return _quoted(tree)


def _parse(statement: str) -> tuple[Sequence[Token], exp.Expr]:
    if len(statement) > LONGEST_READ:
        raise Refusal(f"a statement of {len(statement)} characters is not read here: {LONGEST_READ} is the most")
    try:
        tokens = MySQL().tokenize(statement)
        trees = [tree for tree in MySQL().parse(statement) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise Refusal(f"the statement cannot be read: {_first_line(error)}") from error
    if len(trees) != 1:
        raise Refusal("one statement, please" if trees else "there is no statement in this text")
    return tokens, trees[0]


def _first_line(error: Exception) -> str:
    found: list[dict[str, Any]] = getattr(error, "errors", None) or []
    if found:
        where = f"{found[0].get('start_context') or ''}{found[0].get('highlight') or ''}"[-40:].strip()
        return f"{str(found[0].get('description')).partition(' but got <')[0]} near {where!r}"
    return str(error).partition("\n")[0]


def _refuse_what_is_no_plain_select(tree: exp.Expr) -> None:
    for kind, name in (
        (exp.SetOperation, "UNION, INTERSECT and EXCEPT are"),
        (exp.With, "WITH is"),
        (exp.Lock, "FOR UPDATE and FOR SHARE are"),
        (exp.Parameter, "a user variable is"),
        (exp.SessionParameter, "a system variable is"),
        (exp.Into, "INTO is"),
    ):
        if tree.find(kind):
            raise Refusal(f"{name} not merged over shards")
    if modifiers := tree.args.get("operation_modifiers"):
        raise Refusal(f"{modifiers[0].name} is not merged over shards")


def _refuse_functions(tokens: Sequence[Token]) -> None:
    for token, after in pairwise([*tokens, None]):
        if token is None or token.token_type in (*_WORDS, TokenType.IDENTIFIER):
            continue
        called = after is not None and after.token_type == TokenType.L_PAREN
        name = token.text.lower()
        if name == "current_user" or (called and name in _NOT_ALIKE):
            raise Refusal(f"{name.upper()}() is not merged over shards: each server has its own answer")


def _join_alike(tree: exp.Expr) -> None:
    """Write a join without a condition as CROSS JOIN: with the comma that the parser writes, it binds otherwise."""
    for join in tree.find_all(exp.Join):
        if not (join.args.get("on") or join.args.get("using") or join.side or join.method):
            join.set("kind", "CROSS")


def _refuse_lost_words(tokens: Sequence[Token], tree: exp.Expr) -> None:
    """Refuse what the parser would write otherwise than it was said: a part of it goes to the servers."""
    said, written = _bag(tokens), _bag(MySQL().tokenize(tree.sql("mysql")))
    if lost := list((said - written).elements()):
        raise Refusal(f"{lost[0].upper()} is not merged over shards: it cannot be passed on as it is")
    if added := list((written - said).elements()):
        raise Refusal(f"the statement cannot be passed on as it is: {added[0].upper()} would come in")


def _bag(tokens: Iterable[Token]) -> Counter[str]:
    """Return how often each word occurs: not their order, which the tree has, nor those that may be left out."""
    bag: Counter[str] = Counter()
    for token in tokens:
        if token.token_type in _WORDS:
            bag[f"'{token.text}"] += 1
        else:
            words = token.text.lower().split()
            bag.update(_SYNONYMS.get(word, word) for word in words if word not in _NOISE)
    # Where no separator is said, a comma is meant.
    unsaid = bag["group_concat"] - bag["separator"]
    bag.update({"separator": unsaid, "',": unsaid})
    return bag


def _name_items(statement: str, tokens: Sequence[Token], tree: exp.Select) -> None:
    """Give every item that has no name the one that MySQL gives it: its text."""
    named = []
    for item, text in zip(tree.expressions, _item_texts(statement, tokens), strict=True):
        if isinstance(item, exp.Alias) or item.is_star:
            named.append(item)
            continue
        name = item.name if isinstance(item, exp.Column | exp.Literal) else text
        named.append(exp.alias_(item, name, quoted=True))
    tree.set("expressions", named)


def _item_texts(statement: str, tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the text of each item of the SELECT that the tokens begin with."""
    at = 1
    while tokens[at].text.lower() in ("distinct", "all", "distinctrow"):
        at += 1
    depth, first = 0, at
    for place in range(at, len(tokens) + 1):
        kind = tokens[place].token_type if place < len(tokens) else None
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0) if kind else 0
        ends = kind in (None, TokenType.FROM, TokenType.SEMICOLON, TokenType.LIMIT, TokenType.WHERE)
        if not depth and (ends or kind == TokenType.COMMA):
            yield statement[tokens[first].start : tokens[place - 1].end + 1]
            first = place + 1
        if not depth and ends:
            return


def _quoted(tree: exp.Select) -> exp.Select:
    """Return the tree with quoted identifiers; a column's name means the same in capitals."""
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("quoted", True)  # noqa: FBT003 - the parser's own shape
    for column in tree.find_all(exp.Column):
        if isinstance(column.this, exp.Identifier):
            column.this.set("this", column.this.name.lower())
    return tree
