"""Pretended servers for checks: each answers what it is prepared for, and refuses every other question."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wavetank.checks.asking import Check
from wavetank.checks.finding import Finding, NotAsked
from wavetank.errors import UnreachableError
from wavetank.servers.accounts import ACCOUNTS
from wavetank.topology.model import Member, Topology
from wavetank.topology.proxies import ADMIN

# What a server says where a statement has this in it: rows, one value, or what makes it of the parameters. A key that
# begins with an account and a colon is for that account alone, any other for the one that checks come as.
Answers = Mapping[str, Any]
USUAL = "monitor"


class Pretended:
    """One server, or one port of a proxy."""

    def __init__(self, name: str, answers: Answers, given_up: str = "") -> None:
        """Be called so, and know these answers."""
        self.name, self.given_up = name, given_up
        self._answers = answers
        # Whom it lets in.
        self.refused: dict[str, str] = {}

    def prepare(self, answers: Answers) -> None:
        """Know these answers, too, before those that it knew."""
        self._answers = {**answers, **self._answers}

    def query(self, statement: str, parameters: Sequence[Any] = (), *, account: str = USUAL) -> list[dict[str, Any]]:
        """Answer as wavetank.servers.node.Server does."""
        assert account in (*ACCOUNTS, ADMIN), f"{self.name} has no account {account!r}"
        if self.given_up:
            raise UnreachableError(self.name, self.given_up)
        for asked, answer in self._answers.items():
            who, _, part = asked.rpartition(": ")
            if part in statement and account == (who or USUAL):
                found = answer(*parameters) if callable(answer) else answer
                if isinstance(found, Exception):
                    raise found
                return found if isinstance(found, list) else [{"value": found}]
        raise AssertionError(f"{self.name} was not prepared for {account}: {statement}")

    def value(self, statement: str, parameters: Sequence[Any] = (), *, account: str = USUAL) -> Any:  # noqa: ANN401
        """Return the first column of the first row, None where there is no row."""
        rows = self.query(statement, parameters, account=account)
        return next(iter(rows[0].values())) if rows else None

    def refusal(self, account: str) -> str:
        """Say why an account is not let in, '' where it is."""
        assert account in ACCOUNTS
        return self.refused.get(account, "")

    def connect(self, account: str, database: str = "") -> "Session":
        """Let somebody in."""
        if account in self.refused:
            raise UnreachableError(self.name, self.refused[account])
        return Session(self, account, database)


class Session:
    """A connection of the caller's own, as query_on() uses it."""

    def __init__(self, server: Pretended, account: str, database: str) -> None:
        """Be one of this server."""
        self._server, self._account, self._database = server, account, database
        self._rows: list[dict[str, Any]] = []
        self.description, self.lastrowid = True, 0

    @contextlib.contextmanager
    def cursor(self, *, dictionary: bool) -> Iterator["Session"]:
        """Be the cursor, too."""
        assert dictionary
        yield self

    def execute(self, statement: str, parameters: Sequence[Any]) -> None:
        """Ask; a session in a schema is asked with its name in front."""
        where = f"{self._database}> " if self._database else ""
        self._rows = self._server.query(where + statement, parameters, account=self._account)

    def fetchall(self) -> list[dict[str, Any]]:
        """Return the answer."""
        return self._rows

    def close(self) -> None:
        """Need no closing."""


class Fleet(dict[str, Pretended]):
    """The servers of a topology, by their names; `answers` are by server, those of '' every server's."""

    def __init__(self, topology: Topology, answers: Mapping[str, Answers], silent: Sequence[str] = ()) -> None:
        """Pretend a server for each node, and two for each proxy."""
        doors = [node.name for node in topology.nodes]
        doors += [name for proxy in topology.proxies for name in (proxy.name, proxy.side)]
        super().__init__(
            {
                name: Pretended(
                    name, {**answers.get(name, {}), **answers.get("", {})}, "frozen" if name in silent else ""
                )
                for name in doors
            }
        )
        self.topology = topology


def findings(check: Check, member: Member, fleet: Fleet) -> list[Finding]:
    """Return what a check finds of a member; each must say all that a finding says."""
    servers: Any = fleet
    seen = list(check.examine(member, servers))
    found = [each for each in seen if isinstance(each, Finding)]
    # What was not asked is told with the reason.
    assert all(each.reason.strip() and "None" not in each.reason for each in seen if isinstance(each, NotAsked)), seen
    for each in found:
        texts = (each.node, each.expected, each.found, each.next_step)
        assert all(isinstance(text, str) and text.strip() and "None" not in text for text in texts), each
    return found


def told(check: Check, member: Member, fleet: Fleet) -> list[tuple[str, str, str]]:
    """Return of whom something was found, what was expected, and what is there."""
    return [(each.node, each.expected, each.found) for each in findings(check, member, fleet)]


def left_out(check: Check, member: Member, fleet: Fleet) -> list[NotAsked]:
    """Return what of its question a check did not ask of a member."""
    servers: Any = fleet
    return [each for each in check.examine(member, servers) if isinstance(each, NotAsked)]


def channel(name: str = "", source: str = "db1", **differing: object) -> dict[str, Any]:
    """Return a channel as the server says it, one that is as it should be but for `differing`."""
    return {
        "CHANNEL_NAME": name, "HOST": source, "PORT": 3306, "USER": "replication", "AUTO_POSITION": "1",
        "SSL_ALLOWED": "YES", "SSL_VERIFY_SERVER_CERTIFICATE": "YES", "SSL_CA_FILE": "/etc/wavetank/ca.pem",
        "CONNECTION_RETRY_INTERVAL": 1, "CONNECTION_RETRY_COUNT": 86400, "HEARTBEAT_INTERVAL": "1.0", "DELAY_S": 0,
        "receiver": "ON", "applier": "ON", "receiver_errno": 0, "receiver_error": "", **differing,
    }  # fmt: skip


CHANNELS = "FROM performance_schema.replication_connection_configuration"
Made = Callable[..., Topology]
