"""What kind a statement is: decided by a SQL parser, and where that is in doubt, the source gets it."""

import enum
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from wavetank.errors import UsageError
from wavetank.servers.source_hint import HINT
from wavetank.servers.statement_functions import HARMLESS, KEYWORDS, OF_THE_SESSION

# Distinct texts whose kind is remembered.
REMEMBERED = 4096
# Parsing takes time by length; what is longer, in characters, goes to the source unread.
LONGEST_READ = 20_000

# First words of statements, by what they do. What is not here may leave something in the session.
_QUERIES = frozenset({"(", "select", "table", "with"})
_INTO = frozenset({"insert", "replace"})
_CHANGES = _INTO | {"delete", "update"}
_DEFINES = frozenset(
    str.split("""
    alter analyze begin commit create desc describe drop explain grant rename revoke rollback savepoint show start
    truncate
    """)
)
_QUOTED = frozenset({TokenType.STRING, TokenType.IDENTIFIER, TokenType.NUMBER})
_ROWS_FOLLOW = frozenset({TokenType.SELECT, TokenType.SET, TokenType.TABLE, TokenType.VALUES, TokenType.WITH})
_LOCKS = (("for", "update"), ("for", "share"), ("lock", "in"))
_SESSION_VARIABLES = frozenset({"error_count", "identity", "insert_id", "last_insert_id", "warning_count"})
_PARAMETER = re.compile(r"%s|%\(\w+\)s")
# The parser takes it for a comment; MySQL runs what is in it.
_EXECUTABLE_COMMENT = "/*!"


class Kind(enum.Enum):
    """Where a statement goes."""

    READ = "a replica"
    READ_ONLY_TRANSACTION = "a replica, and all of its transaction with it"
    WRITE = "the source"
    # It may leave something in the server's session that later statements meet: a variable, a lock, a table.
    STATE = "the source, and all of its session after it"


class Kinds:
    """The kinds of statements, remembered by text; may be shared by threads."""

    def __init__(self, safe_functions: Iterable[str] = ()) -> None:
        """Take the stored functions that write nothing, named as the statements do: total or shop.total."""
        self._safe = frozenset(name.lower() for name in safe_functions)
        self.of = functools.lru_cache(REMEMBERED)(self._of)

    def _of(self, statement: str, *, with_parameters: bool = False) -> Kind:
        """Return the kind of a statement, `with_parameters` where %s and %(name)s in it are placeholders.

        Raises:
            UsageError: these are several statements, or none.
        """
        if len(statement) > LONGEST_READ:
            return Kind.STATE
        text = _PARAMETER.sub("?", statement) if with_parameters else statement
        try:
            tokens = MySQL().tokenize(text)
        except SqlglotError:
            return Kind.STATE
        gaps = "\n".join(_gaps(text, tokens))
        if _EXECUTABLE_COMMENT in gaps:
            return Kind.STATE
        kind = self._of_tokens(text, _one_statement(tokens))
        return Kind.WRITE if kind is Kind.READ and HINT in gaps else kind

    def _of_tokens(self, text: str, tokens: Sequence[Token]) -> Kind:
        words = _words(tokens)
        first = words[0] if words else ""
        if first == "start" and {"read", "only"} <= set(words):
            return Kind.READ_ONLY_TRANSACTION
        if first in _DEFINES:
            return Kind.STATE if words[:2] == ["create", "temporary"] else Kind.WRITE
        if first not in _CHANGES | _QUERIES:
            return Kind.STATE
        functions = set(_functions(_after_columns(tokens) if first in _INTO else tokens))
        assigns = TokenType.COLON_EQ in {token.token_type for token in tokens}
        if assigns or functions - (HARMLESS | KEYWORDS | OF_THE_SESSION | self._safe):
            return Kind.STATE
        return Kind.WRITE if first in _CHANGES else _of_query(text, words, functions)


def first_words(statement: str) -> list[str]:
    """Return the first words of a statement, in small letters and without comments.

    Raises:
        UsageError: these are several statements, or none.
    """
    try:
        return _words(_one_statement(MySQL().tokenize(statement[:LONGEST_READ])))[:3] or [""]
    except SqlglotError:
        return statement.lower().split()[:3] or [""]


def _of_query(text: str, words: Sequence[str], functions: set[str]) -> Kind:
    """Return the kind of what should be a query that calls these functions, and none that may leave something."""
    try:
        tree = MySQL().parse(text)[0]
    except (SqlglotError, RecursionError):
        return Kind.STATE
    if isinstance(tree, exp.DML):
        return Kind.WRITE
    if not isinstance(tree, exp.Query) or "into" in words:
        return Kind.STATE
    locks = tree.find(exp.Lock) or any(pair in _LOCKS for pair in pairwise(words))
    of_the_session = (
        functions & OF_THE_SESSION
        or "sql_calc_found_rows" in words
        or tree.find(exp.Parameter)
        or any(variable.name.lower() in _SESSION_VARIABLES for variable in tree.find_all(exp.SessionParameter))
    )
    return Kind.WRITE if locks or of_the_session else Kind.READ


def _words(tokens: Sequence[Token]) -> list[str]:
    """Return what is neither quoted nor a number, in small letters; ORDER BY, one token, is two words."""
    spoken = [token for token in tokens if token.token_type not in _QUOTED]
    return [word for token in spoken for word in token.text.lower().split()]


def _after_columns(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return what follows INSERT INTO name (: that bracket holds columns, and its name is no function's."""
    for at, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            return tokens[at + 1 :]
        if token.token_type in _ROWS_FOLLOW:
            break
    return tokens


def _gaps(text: str, tokens: Sequence[Token]) -> Iterator[str]:
    """Yield what is between the tokens: blanks and comments."""
    at = 0
    for token in tokens:
        yield text[at : token.start]
        at = token.end + 1
    yield text[at:]


def _one_statement(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return the tokens without semicolons at the end.

    Raises:
        UsageError: there is more after a semicolon, or nothing at all.
    """
    kinds = [token.token_type for token in tokens]
    length = kinds.index(TokenType.SEMICOLON) if TokenType.SEMICOLON in kinds else len(kinds)
    if set(kinds[length:]) - {TokenType.SEMICOLON}:
        raise UsageError("these are several statements: run them one at a time")
    if not length:
        raise UsageError("there is no statement in this text")
    return tokens[:length]


def _functions(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield what may be the name of a function: each word before a bracket, with its schema if it has one.

    MySQL takes some names for its own functions only where the bracket follows at once; others, and quoted
    ones, may be stored functions. The name is then given with a mark that no known one has.
    """
    for at, (token, bracket) in enumerate(pairwise(tokens)):
        if bracket.token_type != TokenType.L_PAREN or _is_no_name(token) or _opens_columns(tokens, at + 1):
            continue
        name = token.text.lower().split()[-1]
        if at > 1 and tokens[at - 1].token_type == TokenType.DOT:
            name = f"{tokens[at - 2].text.lower()}.{name}"
        elif token.token_type == TokenType.IDENTIFIER:
            name = f"`{name}`"
        elif bracket.start > token.end + 1 and name not in KEYWORDS:
            name = f"{name} "
        yield name


def _is_no_name(token: Token) -> bool:
    return token.token_type != TokenType.IDENTIFIER and not token.text[:1].isidentifier()


def _opens_columns(tokens: Sequence[Token], at: int) -> bool:
    """Return whether the bracket at this place holds the columns of a common table: name (a, b) AS (…)."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[place].token_type, 0)
        if not depth:
            following = [token.token_type for token in tokens[place + 1 : place + 3]]
            return following == [TokenType.ALIAS, TokenType.L_PAREN]
    return False
