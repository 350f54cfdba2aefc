"""Pretended MySQL servers for the router: what each was told, by whom, and what it does about it."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mysql.connector import errorcode
from mysql.connector.errors import DatabaseError, OperationalError, ProgrammingError
from wavetank.client.splitting import Access, Account, Endpoint, Router
from wavetank.errors import UnreachableError
from wavetank.servers.node import Login

ACCESS = Access(Account("rw", ""), Account("ro", ""), Account("eye", ""), Path("ca.pem"), heartbeat="SELECT age")
UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def gtids(count: int) -> str:
    """Return the set that a server with so many transactions has."""
    return f"{UUID}:1-{count}" if count else ""


@dataclass
class PretendedServer:
    """One server: what it is, and what it was told other than by those who look at it."""

    name: str
    writable: bool = False
    # In seconds; None where it holds no heartbeat.
    lag_s: float | None = 0.1
    dead: bool = False
    # How many transactions it has.
    executed: int = 0
    told: list[str] = field(default_factory=list)
    open: list["PretendedConnection"] = field(default_factory=list)
    # How many more it has after it was waited for.
    applies_on_waiting: int = 0
    # Called with each statement before it is carried out.
    before: Any = None


class PretendedConnection:
    """What the router uses of the driver's connection."""

    def __init__(self, server: PretendedServer, user: str) -> None:
        """Log in."""
        self.server, self.user = server, user
        self.in_transaction = False
        self.done: list[str] = []
        server.open.append(self)

    def need_open(self) -> None:
        """Fail as the driver does where the connection is closed or the server is dead."""
        if self not in self.server.open or self.server.dead:
            raise OperationalError(errno=2013, msg="Lost connection to MySQL server during query")

    def ping(self) -> None:
        """Ask whether the server is there."""
        self.done.append("ping")
        self.need_open()

    def rollback(self) -> None:
        """Undo."""
        self.done.append("rollback")
        self.need_open()
        self.in_transaction = False

    def cmd_reset_connection(self) -> None:
        """Begin anew."""
        self.done.append("reset")
        self.need_open()
        self.in_transaction = False

    def close(self) -> None:
        """Log out."""
        if self in self.server.open:
            self.server.open.remove(self)

    shutdown = close


class PretendedCursor:
    """A cursor that knows the router's own questions, and answers all others with the server's name."""

    rowcount, lastrowid = 1, None

    def __init__(self, connection: PretendedConnection) -> None:
        """Be one of this connection."""
        self.connection = connection
        self.row: dict[str, Any] = {}

    @property
    def description(self) -> list[str]:
        """Describe the columns, where there is a row."""
        return list(self.row)

    def close(self) -> None:
        """Need no closing."""

    def execute(self, statement: str, parameters: Any = ()) -> None:  # noqa: ANN401
        """Carry a statement out."""
        connection, server = self.connection, self.connection.server
        if connection.user != "eye":
            server.told.append(statement)
            if server.before:
                server.before(statement)
        connection.need_open()
        first = statement.split(maxsplit=1)[0].upper()
        if first in ("INSERT", "UPDATE", "DELETE"):
            if not server.writable:
                raise DatabaseError(
                    errno=errorcode.ER_OPTION_PREVENTS_STATEMENT, sqlstate="HY000", msg="running with --read-only"
                )
            server.executed += 1
        if first in ("START", "COMMIT", "ROLLBACK"):
            connection.in_transaction = first == "START"
        if "nonsense" in statement:
            raise ProgrammingError(errno=1064, sqlstate="42000", msg="You have an error in your SQL syntax")
        self.row = self._answer(statement, parameters)

    def _answer(self, statement: str, parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        server = self.connection.server
        if self.connection.user == "eye":
            return {"closed": not server.writable, "age_us": None if server.lag_s is None else server.lag_s * 1e6}
        if "GTID_SUBTRACT" in statement:
            wanted = parameters[0]
            ours = server.executed and UUID in wanted
            return {"missing": f"{UUID}:{server.executed + 1}-{wanted.rpartition('-')[2]}" if ours else wanted}
        if "gtid_executed" in statement:
            return {"gtids": gtids(server.executed)}
        if "WAIT_FOR" in statement:
            wanted = int(re.findall(r"\d+", str(parameters[0]))[-1])
            if server.executed < wanted:
                server.executed += server.applies_on_waiting
            return {"waited": 0 if server.executed >= wanted and UUID in parameters[0] else 1}
        return {"who": server.name} if statement.startswith("SELECT") else {}

    def fetchall(self) -> list[dict[str, Any]]:
        """Return the rows."""
        return [self.row]

    def nextset(self) -> None:
        """Have no other result."""


class Fleet:
    """Servers db1, which takes writes, and its replicas, with a router over them."""

    def __init__(self, replicas: int = 2) -> None:
        """Have a source and so many replicas."""
        names = [f"db{number}" for number in range(1, replicas + 2)]
        self.servers = {name: PretendedServer(name, writable=name == "db1") for name in names}

    def __getitem__(self, name: str) -> PretendedServer:
        """Return the server of this name."""
        return self.servers[name]

    def connect(self, login: Login, _read_timeout_s: int) -> PretendedConnection:
        """Open a connection as wavetank.servers.node.open_connection() does."""
        server = self.servers[login.name]
        if server.dead:
            raise UnreachableError(login.name, "Can't connect to MySQL server")
        return PretendedConnection(server, login.user)

    def router(self, **options: Any) -> Router:  # noqa: ANN401
        """Return a router over these servers."""
        weights = options.pop("weights", {})
        endpoints = [Endpoint(name, "127.0.0.1", 3306, weights.get(name, 1)) for name in self.servers]
        access = replace(ACCESS, heartbeat=options.pop("heartbeat", ACCESS.heartbeat))
        return Router(endpoints, access, opener=self.connect, **options)  # type: ignore[arg-type]

    def told(self) -> dict[str, list[str]]:
        """Return what each server was told, those left out that were told nothing."""
        return {name: server.told for name, server in self.servers.items() if server.told}

    def end(self, name: str) -> None:
        """Close every connection to a server from behind; it goes on taking new ones."""
        self.servers[name].open.clear()
