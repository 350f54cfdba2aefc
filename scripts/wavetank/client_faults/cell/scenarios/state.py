"""What one borrower leaves on a connection must not reach the next one."""

from collections.abc import Callable
from typing import Any

from wavetank.client_faults.cell.client import CellClient
from wavetank.client_faults.cell.scenarios.ending import claim, recover
from wavetank.client_faults.cell.scenarios.pool import PLENTY
from wavetank.client_faults.cell.telling import gate, tell

# A number that nobody else sets.
LEFT = 4321

Leave = Callable[[CellClient, Any], object]
# What is left of it, '' for nothing.
Look = Callable[[CellClient, Any], str]


def _handed_on(client: CellClient, leave: Leave, look: Look) -> None:
    """Borrow, leave something, give back; then find that connection again, and look."""
    client.open()
    connection = client.subject.borrow(client.handle)
    number = client.id_of(connection)
    leave(client, connection)
    client.subject.give_back(client.handle, connection)
    gate("struck")
    lent, again = [], None
    for _ in range(client.subject.limit(client.handle) or PLENTY):
        lent.append(client.subject.borrow(client.handle))
        if client.id_of(lent[-1]) == number:
            again = lent[-1]
            break
    if again is None:
        tell("note", says="the pool has thrown that connection away")
    left = look(client, again) if again is not None else ""
    claim("clean", holds=not left, says=left or "nothing is left of what the borrower did")
    for each in lent:
        client.subject.give_back(client.handle, each)
    recover(client)


def _value(client: CellClient, connection: Any, expression: str) -> Any:  # noqa: ANN401 - whatever it is
    return client.run(connection, f"SELECT {expression}")[0][0]


def open_transaction(client: CellClient) -> None:
    """Leave a row that is not committed; the next borrower commits what it does itself."""
    nonce = client.nonce()

    def leave(client: CellClient, connection: Any) -> None:  # noqa: ANN401
        client.run(connection, "START TRANSACTION")
        statement, parameters = client.insert(nonce)
        client.run(connection, statement, *parameters)

    def look(client: CellClient, connection: Any) -> str:  # noqa: ANN401
        client.subject.commit(connection)
        return ""

    tell("never acknowledged", nonces=[nonce])
    _handed_on(client, leave, look)


def session_variable(client: CellClient) -> None:
    """SET SESSION."""
    _handed_on(
        client,
        lambda client, connection: client.run(connection, f"SET SESSION max_execution_time = {LEFT}"),
        lambda client, connection: (
            f"max_execution_time is still {LEFT}"
            if int(_value(client, connection, "@@max_execution_time")) == LEFT
            else ""
        ),
    )


def user_variable(client: CellClient) -> None:
    """SET @x."""
    _handed_on(
        client,
        lambda client, connection: client.run(connection, f"SET @left_behind = {LEFT}"),
        lambda client, connection: (
            "@left_behind is still set" if _value(client, connection, "@left_behind") is not None else ""
        ),
    )


def temporary_table(client: CellClient) -> None:
    """CREATE TEMPORARY TABLE."""

    def look(client: CellClient, connection: Any) -> str:  # noqa: ANN401
        try:
            client.run(connection, "SELECT COUNT(*) FROM left_behind")
        except Exception:  # noqa: BLE001 - there is no such table, says each library in its way
            return ""
        return "the temporary table is still there"

    _handed_on(
        client, lambda client, connection: client.run(connection, "CREATE TEMPORARY TABLE left_behind (x INT)"), look
    )  # fmt: skip


def lock(client: CellClient) -> None:
    """GET_LOCK()."""
    name = f"CONCAT('left behind by ', {client.cell})"
    _handed_on(
        client,
        lambda client, connection: _value(client, connection, f"GET_LOCK({name}, 1)"),
        lambda client, connection: (
            "the lock is still held" if _value(client, connection, f"IS_USED_LOCK({name})") is not None else ""
        ),
    )


def isolation_level(client: CellClient) -> None:
    """SET SESSION TRANSACTION ISOLATION LEVEL."""
    level = "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"
    _handed_on(
        client,
        lambda client, connection: client.run(connection, level),
        lambda client, connection: (
            "it is still SERIALIZABLE"
            if str(_value(client, connection, "@@transaction_isolation")) == "SERIALIZABLE"
            else ""
        ),
    )


def unread_rows(client: CellClient) -> None:
    """Leave rows unread: the next borrower must get its own."""

    def look(client: CellClient, connection: Any) -> str:  # noqa: ANN401
        got = _value(client, connection, str(LEFT))
        return "" if int(got) == LEFT else f"the next borrower asked for {LEFT} and got {got}"

    _handed_on(
        client,
        lambda client, connection: client.subject.result(connection, "SELECT 1 UNION SELECT 2 UNION SELECT 3", ()),
        look,
    )  # fmt: skip
