"""Where statements went: run through a proxy, then asked of the proxy's statistics and of who answered."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wavetank.errors import UnreachableError, WaitedInVain
from wavetank.proxysql.statement_corpus import MARK, Statement
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Connection, Row, Server, Servers, StatementError, query_on
from wavetank.threads import side_by_side
from wavetank.topology.proxies import ADMIN, Proxy
from wavetank.waiting import wait_until

# Each runs its share one after another, in one connection.
SESSIONS = 4
# ER_LOCK_NOWAIT: NOWAIT met a row that somebody else has locked. How long that may go on, in seconds.
LOCK_NOWAIT = 3572
LOCK_S = 5.0
_DIGESTS = f"""
    SELECT hostgroup, digest_text, count_star FROM stats_mysql_query_digest WHERE digest_text LIKE '%{MARK}%'
"""
_MARKED = re.compile(MARK + "([0-9]+)")


@dataclass(frozen=True)
class Routed:
    """Where one statement went.

    Attributes:
        hostgroups: those that ProxySQL counted it in, none or one where all is well.
        answered_by: the server_uuid of who answered; '' where it returns no rows.
        error: why it failed, '' where it did not.
    """

    statement: Statement
    hostgroups: tuple[int, ...]
    answered_by: str = ""
    error: str = ""


def route(servers: Servers, proxy: Proxy, statements: Sequence[Statement], schema: str = "") -> list[Routed]:
    """Run statements, each with mark_of() its place in it, through a ProxySQL; return where each went.

    The sessions are in `schema`, '' for none.
    """
    admin = servers[proxy.side]
    before = _counted(admin)
    through = servers[proxy.name]
    shares = side_by_side(lambda first: _run(through, statements[first::SESSIONS], schema), range(SESSIONS))
    answers: dict[int, tuple[str, str]] = {}
    for first, share in enumerate(shares):
        answers.update(zip(range(first, len(statements), SESSIONS), share, strict=True))
    grown = [key for key, count in _counted(admin).items() if count > before.get(key, 0)]
    return [
        Routed(statement, tuple(group for group, marked in grown if marked == number), *answers[number])
        for number, statement in enumerate(statements)
    ]


def _run(through: Server, statements: Sequence[Statement], schema: str) -> list[tuple[str, str]]:
    """Return for each statement who answered it and why it failed."""
    answers = []
    with contextlib.closing(through.connect(APP_ACCOUNT, database=schema)) as connection:
        for statement in statements:
            try:
                rows = _answer(connection, statement.text, through.name)
                answers.append((str(next(iter(rows[0].values()))) if rows else "", ""))
            except (StatementError, UnreachableError, WaitedInVain) as error:
                answers.append(("", str(error)))
    return answers


def _answer(connection: Connection, statement: str, node: str) -> list[Row]:
    """Run a statement; one that would not wait for a row is run again while another session of a proof has that row."""

    def look() -> list[Row] | None:
        try:
            return query_on(connection, statement, node=node)
        except StatementError as error:
            if error.errno != LOCK_NOWAIT:
                raise
            return None

    rows = wait_until(
        "a row lock", look, timeout_s=LOCK_S, interval_s=0.02, good=lambda seen: seen is not None, hint=statement
    )
    return rows or []


def _counted(admin: Server) -> dict[tuple[int, int], int]:
    """Return how often each marked statement was counted, by hostgroup and the statement's number."""
    counts: dict[tuple[int, int], int] = {}
    for row in admin.query(_DIGESTS, account=ADMIN):
        if marked := _MARKED.search(row["digest_text"]):
            key = (int(row["hostgroup"]), int(marked[1]))
            counts[key] = counts.get(key, 0) + int(row["count_star"])
    return counts
