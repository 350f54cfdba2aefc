"""The proof of a proxy's routing: a statement that would not wait for a row lock is no failure of the routing."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import mysql.connector
import pytest
from wavetank.proxysql import routing_proof
from wavetank.proxysql.routing_proof import LOCK_NOWAIT, route
from wavetank.proxysql.statement_corpus import Statement

if TYPE_CHECKING:
    from wavetank.servers.node import Servers
    from wavetank.topology.proxies import Proxy

STATEMENT = Statement("SELECT @@server_uuid AS routed_00000 … FOR UPDATE NOWAIT", writes=True, form="for update nowait")


class Through:
    """A proxy whose server refuses the first so many statements, as another proof's session has the row."""

    name = "proxy1"
    side = "proxy1-admin"

    def __init__(self, refusals: int, errno: int) -> None:
        self.refusals, self.errno, self.asked = refusals, errno, 0

    def connect(self, _account: str, *, database: str) -> Any:  # noqa: ANN401, ARG002
        return SimpleNamespace(close=lambda: None)

    def query(self, _statement: str, *, account: str) -> Sequence[dict[str, Any]]:  # noqa: ARG002
        return [{"hostgroup": 1, "digest_text": "routed_00000", "count_star": self.asked}]

    def answer(self, _connection: object, _statement: str, *, node: str) -> list[dict[str, str]]:  # noqa: ARG002
        self.asked += 1
        if self.asked <= self.refusals:
            raise mysql.connector.DatabaseError("refused", self.errno)
        return [{"routed_00000": "uuid-of-db1"}]


def routed(through: Through, monkeypatch: pytest.MonkeyPatch) -> routing_proof.Routed:
    monkeypatch.setattr(routing_proof, "query_on", through.answer)
    servers: Servers = {through.name: through, through.side: through}  # type: ignore[assignment]
    proxy: Proxy = through  # type: ignore[assignment]
    (found,) = route(servers, proxy, [STATEMENT])
    return found


def test_a_row_that_another_session_has_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    through = Through(2, LOCK_NOWAIT)
    found = routed(through, monkeypatch)
    assert (found.answered_by, found.error, found.hostgroups) == ("uuid-of-db1", "", (1,))
    assert through.asked == 3


def test_a_lock_that_stays_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_proof, "LOCK_S", 0.1)
    assert "waited 0.1 s for a row lock" in routed(Through(1000, LOCK_NOWAIT), monkeypatch).error


def test_another_refusal_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    through = Through(1, 1290)
    assert "refused" in routed(through, monkeypatch).error
    assert through.asked == 1
