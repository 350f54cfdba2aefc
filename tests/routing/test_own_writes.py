"""A session reads what it wrote, whatever its replicas have."""

import logging
import time
from collections.abc import Callable

import pytest
from appliers import held_back
from wavetank.client.splitting import Bounds, MissingTransactionsError, Router, Session
from wavetank.servers.node import Servers

pytestmark = pytest.mark.group("routing")
LOG = logging.getLogger(__name__)

ROW = 9100
# Long enough for a replica that is only late to catch up, and short enough to wait for one that is held.
BOUNDS = Bounds(lag=60.0, own_writes=0.4)
SLACK_S = 0.6


def write(session: Session, word: str) -> None:
    session.run("REPLACE INTO wavetank.routed VALUES (%s, @@server_uuid, %s)", [ROW, word])


def read(session: Session) -> tuple[str, str]:
    answer = session.run("SELECT word FROM wavetank.routed WHERE id = %s", [ROW])
    return answer.server, answer.value


def test_a_session_reads_its_own_writes_on_replicas(make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=BOUNDS)
    with router.session() as session:
        seen = []
        for number in range(50):
            write(session, f"w{number}")
            seen.append((*read(session), f"w{number}"))
    assert [word for _, word, written in seen if word != written] == []
    # A replica that caught up within the bound was read: the source is the exception.
    assert len([server for server, _, _ in seen if server == "db1"]) <= len(seen) // 5


def test_a_replica_held_back_is_not_read_by_who_wrote(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=BOUNDS)
    with router.session() as writer, router.session() as other:
        write(writer, "before")
        assert {read(writer)[1] for _ in range(2)} == {"before"}
        with held_back(servers, "db2", "db3"):
            write(writer, "after")
            # It is really held back: who wrote nothing sees what was.
            assert read(other)[1] == "before"
            began = time.monotonic()
            assert read(writer) == ("db1", "after")
            took_s = time.monotonic() - began
            assert BOUNDS.own_writes <= took_s <= BOUNDS.own_writes + SLACK_S
            LOG.info("own write read on the source after %.3f s, of which %s s on a replica", took_s, BOUNDS.own_writes)
        assert read(writer)[1] == "after"


def test_one_replica_held_back_is_passed_over(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=BOUNDS)
    with held_back(servers, "db2"), router.session() as session:
        write(session, "passed")
        seen = [read(session) for _ in range(4)]
    assert {word for _, word in seen} == {"passed"}
    assert {server for server, _ in seen} == {"db1", "db3"}


def test_the_next_session_reads_what_one_before_it_wrote(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=BOUNDS)
    with held_back(servers, "db2", "db3"):
        with router.session() as first:
            write(first, "handed on")
            gtids = first.gtids
        with router.session(after=gtids) as second:
            assert read(second) == ("db1", "handed on")


def test_what_a_failover_lost_is_an_error_not_an_old_row(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=BOUNDS)
    with router.session() as session:
        write(session, "lost")
        had = session.gtids
    uuid = servers["db1"].value("SELECT @@server_uuid")
    # As if it had written more, and that had been lost with its server.
    began = time.monotonic()
    with router.session(after=f"{had},{uuid}:1000001-1000007") as session:
        with pytest.raises(MissingTransactionsError, match=rf"db1 lacks {uuid}:1000001-1000007, .*lost in a failover"):
            read(session)
        assert time.monotonic() - began <= 2 * BOUNDS.own_writes + SLACK_S
        with pytest.raises(MissingTransactionsError), session.transaction():
            read(session)
    with (
        router.session(after="99999999-9999-9999-9999-999999999999:1-7") as session,
        pytest.raises(MissingTransactionsError, match="another topology"),
    ):
        read(session)
