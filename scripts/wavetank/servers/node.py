"""MySQL servers: connections and statements. The only importer of mysql.connector in the core."""

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract
from mysql.connector.connection import MySQLConnection
from mysql.connector.constants import ClientFlag
from mysql.connector.network import MySQLTCPSocket

from wavetank.errors import UnreachableError
from wavetank.threads import side_by_side
from wavetank.topology.instance import Instance
from wavetank.topology.model import Node, Topology

# What fits into one TLS record. The driver leaves Nagle's algorithm on, so that the rest of anything longer
# waits for the server's delayed acknowledgement: 44 ms a statement.
STATEMENT_BYTES = 16_000

Row = dict[str, Any]
# For %s in a statement by position, for %(name)s by name.
Parameters = Sequence[Any] | Mapping[str, Any]
Connection = MySQLConnectionAbstract
StatementError = mysql.connector.Error
# What the driver raises where there is no answer, as against one that refuses.
_GONE = (
    mysql.connector.InterfaceError,
    mysql.connector.OperationalError,
    mysql.connector.errors.ReadTimeoutError,
    mysql.connector.errors.WriteTimeoutError,
)

CONNECT_TIMEOUT_S = 3
# A question that takes longer is a finding in itself; data comparison sets its own.
READ_TIMEOUT_S = 30
# Rows of a stream that are held at a time.
STREAM_ROWS = 1000


@dataclass(frozen=True)
class Login:
    """Where a server is and who comes to it; `name` is what a complaint calls it, `database` the default schema."""

    name: str
    port: int
    user: str
    password: str = field(repr=False)
    ca: Path
    host: str = "127.0.0.1"
    database: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What a driver needs to log in, over TLS that proves who the server is."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "ssl_ca": str(self.ca),
            "ssl_verify_cert": True,
            "ssl_verify_identity": True,
            **({"database": self.database} if self.database else {}),
        }


class Server:
    """One server of an instance, reached through its published loopback port with TLS verified.

    Connections are pooled and used by one thread at a time, so that a Server may be shared by threads.
    """

    def __init__(self, name: str, port: int, instance: Instance, read_timeout_s: int = READ_TIMEOUT_S) -> None:
        """Take the server's address and how long an answer may take; no connection is opened yet."""
        self.name = name
        self.port = port
        self._read_timeout_s = read_timeout_s
        self._instance = instance
        self._idle: dict[str, list[MySQLConnectionAbstract]] = {}
        self._lock = threading.Lock()
        # Why nobody shall ask the server for now: a frozen one would keep everybody waiting. '' for ask.
        self.given_up = ""

    def greets(self) -> bool:
        """Return whether the server sends its greeting: cheaper to ask over and over than a login.

        The engine's port forwarder accepts connections long before the server does.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.port), CONNECT_TIMEOUT_S) as connection:
                return bool(connection.recv(1))
        except OSError:
            return False

    def login(self, account: str) -> Login:
        """Return where the server is, and with what `account` comes to it."""
        return Login(self.name, self.port, account, self._instance.password(account), self._instance.ca)

    def connect(self, account: str, read_timeout_s: int | None = None, database: str = "") -> MySQLConnectionAbstract:
        """Open a connection of the caller's own as `account`; an answer may take `read_timeout_s` seconds.

        Statements that name no schema mean `database`.

        Raises:
            UnreachableError: the server does not answer, or refuses the account.
        """
        login = replace(self.login(account), database=database)
        return open_connection(login, read_timeout_s or self._read_timeout_s)

    def refusal(self, account: str) -> str:
        """Try to log in as `account`; return why that was refused, '' where it was not."""
        try:
            self.connect(account).close()
        except UnreachableError as error:
            return str(error)
        return ""

    @contextlib.contextmanager
    def connection(self, account: str = "monitor") -> Iterator[MySQLConnectionAbstract]:
        """Give a pooled connection as `account`; one that saw an error is not used again."""
        if self.given_up:
            raise UnreachableError(self.name, self.given_up)
        with self._lock:
            idle = self._idle.setdefault(account, [])
            connection = idle.pop() if idle else None
        # A kept connection may be of a server that has been restarted since.
        if connection is None or not connection.is_connected():
            connection = self.connect(account)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            idle.append(connection)

    def query(self, statement: str, parameters: Parameters = (), *, account: str = "monitor") -> list[Row]:
        """Run one statement and return its rows, each as a dict by column name.

        Raises:
            UnreachableError: the server does not answer, or went away during the statement.
            StatementError: the server refuses the statement.
        """
        with self.connection(account) as connection:
            return query_on(connection, statement, parameters, node=self.name)

    def value(self, statement: str, parameters: Parameters = (), *, account: str = "monitor") -> Any:  # noqa: ANN401
        """Return the first column of the first row, None where there is no row."""
        rows = self.query(statement, parameters, account=account)
        return next(iter(rows[0].values())) if rows else None

    def execute(self, *statements: str, account: str = "admin") -> None:
        """Run statements that return nothing, in one session."""
        with self.connection(account) as connection:
            for statement in statements:
                query_on(connection, statement, node=self.name)

    def variables(self) -> dict[str, str]:
        """Return the server's global variables by name."""
        return {row["Variable_name"]: row["Value"] for row in self.query("SHOW GLOBAL VARIABLES")}

    def variables_set_by_hand(self) -> set[str]:
        """Return the names of the variables that somebody has set since the server started."""
        rows = self.query(
            "SELECT VARIABLE_NAME FROM performance_schema.variables_info WHERE VARIABLE_SOURCE = 'DYNAMIC'"
        )
        return {row["VARIABLE_NAME"] for row in rows}

    @property
    def my_cnf(self) -> Path:
        """The server's rendered configuration."""
        return self._instance.node_directory(self.name) / "my.cnf"

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for idle in self._idle.values():
                while idle:
                    with contextlib.suppress(mysql.connector.Error, OSError):
                        idle.pop().close()


class Servers:
    """All servers of an instance, by node name."""

    def __init__(self, topology: Topology, read_timeout_s: int = READ_TIMEOUT_S) -> None:
        """Take the topology and how many seconds an answer may take; no connection is opened yet."""
        self.topology = topology
        self.instance = Instance(topology.instance)
        endpoints = {node.name: node.port for node in topology.nodes}
        for proxy in topology.proxies:
            endpoints |= {proxy.name: proxy.port, proxy.side: proxy.side_port}
        self._servers = {name: Server(name, port, self.instance, read_timeout_s) for name, port in endpoints.items()}
        self._hurried: dict[int, Servers] = {}

    def hurried(self, read_timeout_s: int) -> "Servers":
        """Return the same servers, of which an answer may not take longer; their connections are kept, too."""
        if read_timeout_s not in self._hurried:
            self._hurried[read_timeout_s] = Servers(self.topology, read_timeout_s)
        found = self._hurried[read_timeout_s]
        found.topology = self.topology
        return found

    def __getitem__(self, name: str) -> Server:
        """Return the server of the node called `name`, or what a proxy's port of that name leads to."""
        return self._servers[name]

    def __enter__(self) -> Self:
        """Use as a context, so that connections are closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        for servers in self._hurried.values():
            servers.__exit__()
        for server in self._servers.values():
            server.close()


class _TrustingSocket(MySQLTCPSocket):
    """The driver's socket, which trusts the CA that it is given and no other, and wants to be sure whom it talks to.

    The driver would add the system's authorities, twice for each connection: that is a hundred who could vouch for a
    server, too, and most of a login's time. Nothing here outlives the connection, so nobody else's trust changes.
    """

    def build_ssl_context(self, ssl_ca: str | None = None, *_: Any, **__: Any) -> ssl.SSLContext:  # noqa: ANN401
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ssl_ca)
        return context


class _TrustingConnection(MySQLConnection):
    """A connection over such a socket.

    It is the driver's pure Python version: whether the C extension can be loaded depends on the machine, and the
    driver's behaviour must not.
    """

    def _get_connection(self) -> MySQLTCPSocket:
        opened = _TrustingSocket(self.server_host, self.server_port)
        opened.set_connection_timeout(self._connection_timeout)
        return opened

    def _add_default_conn_attrs(self) -> None:
        """Tell the server who connects, as performance_schema.session_connect_attrs shows it.

        The driver would tell it the release of our system, too, and starts lsb_release to find out: for the first
        connections of a process that takes longer than all they ask.
        """
        self._conn_attrs.update(
            {
                "_pid": str(os.getpid()),
                "_client_name": "mysql-connector-python",
                "_client_version": mysql.connector.__version__,
                "program_name": "wavetank",
            }
        )


def open_connection(login: Login, read_timeout_s: int = READ_TIMEOUT_S) -> MySQLConnectionAbstract:
    """Open a connection; an answer may take `read_timeout_s` seconds, whole ones.

    Raises:
        UnreachableError: the server does not answer, or refuses the account.
    """
    try:
        return _TrustingConnection(
            **login.settings,
            connection_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            autocommit=True,
            client_flags=[-ClientFlag.MULTI_STATEMENTS],
        )
    except (mysql.connector.Error, OSError) as error:
        raise UnreachableError(login.name, _reason(error)) from error


def query_on(
    connection: MySQLConnectionAbstract, statement: str, parameters: Parameters = (), *, node: str
) -> list[Row]:
    """Run one statement on a connection of the caller's; see Server.query for what it raises."""
    return answer_on(connection, statement, parameters, node=node)[0]


def answer_on(
    connection: MySQLConnectionAbstract, statement: str, parameters: Parameters = (), *, node: str
) -> tuple[list[Row], int]:
    """Run one statement as query_on() does; return its rows, and the id that it made, or took by LAST_INSERT_ID(id)."""
    try:
        with connection.cursor(dictionary=True) as cursor:
            cursor.execute(statement, dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters))
            rows: list[Row] = list(cursor.fetchall()) if cursor.description else []  # type: ignore[arg-type]
            return rows, int(cursor.lastrowid or 0)
    except _GONE as error:
        raise UnreachableError(node, _reason(error)) from error


def answers(server: Server, account: str = "monitor") -> bool:
    """Return whether a server answers a question."""
    try:
        server.value("SELECT 1", account=account)
    except UnreachableError:
        return False
    return True


def silent_ones(servers: Servers, nodes: Sequence[Node], account: str = "monitor") -> list[Node]:
    """Return which of the servers do not answer; all are asked at once, and have a login as `account` then."""
    there = side_by_side(lambda node: answers(servers[node.name], account), nodes)
    return [node for node, answer in zip(nodes, there, strict=True) if not answer]


@dataclass(frozen=True)
class Stream:
    """What a statement returns, as it comes: the columns' names, and rows that can be read once."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def stream_on(connection: MySQLConnectionAbstract, statement: str, *, node: str, raw: bool = False) -> Stream:
    """Run one statement and return its rows without holding them; no other may follow before the last was read.

    With `raw`, the values are the bytes in which the server wrote them. What Server.query raises is also raised
    while the rows are read.
    """
    try:
        cursor = connection.cursor(raw=raw)
        cursor.execute(statement)
    except _GONE as error:
        raise UnreachableError(node, _reason(error)) from error

    def rows() -> Iterator[tuple[Any, ...]]:
        try:
            while batch := cursor.fetchmany(STREAM_ROWS):
                yield from batch  # type: ignore[misc]
            cursor.close()
        except (*_GONE, OSError) as error:
            raise UnreachableError(node, _reason(error)) from error

    return Stream(tuple(column[0] for column in cursor.description or ()), rows())


def _reason(error: Exception) -> str:
    return str(getattr(error, "msg", None) or error)
