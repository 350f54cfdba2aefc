"""Clients who come by the routing library see what they wrote, wherever they read."""

import pytest
from fleet import Fleet, PretendedCursor
from wavetank.client.splitting import Bounds, driver
from wavetank.drills.traffic.client_routes.routing import Past, ReadingSession, WritingSession
from wavetank.errors import UnreachableError

# No health check unless something is wrong.
BOUNDS = Bounds(look=3600, new_source=0.2)
WRITE, READ = "INSERT INTO t VALUES (%s)", "SELECT who"


@pytest.fixture(autouse=True)
def _pretended_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MySQLCursorDict", PretendedCursor)


def answered_by(reader: ReadingSession) -> str:
    ((row,), _) = reader.run(READ)
    return str(row["who"])


def test_a_read_sees_its_client_s_write_wherever_it_goes() -> None:
    fleet, past = Fleet(replicas=1), Past()
    with fleet.router(bounds=BOUNDS) as router:
        writer, reader = WritingSession(router, past), ReadingSession(router, past)
        assert answered_by(reader) == "db2"
        writer.run(WRITE, 1)
        # The replica has not applied it.
        assert answered_by(reader) == "db1"
        fleet["db2"].executed = 1
        assert answered_by(reader) == "db2"


def test_another_client_need_not_see_it() -> None:
    fleet = Fleet(replicas=1)
    with fleet.router(bounds=BOUNDS) as router:
        WritingSession(router, Past()).run(WRITE, 1)
        assert answered_by(ReadingSession(router, Past())) == "db2"


def test_where_the_source_went_away_before_it_said_what_to_see_the_source_is_read() -> None:
    fleet, past = Fleet(replicas=1), Past()

    def die(statement: str) -> None:
        fleet["db1"].dead = "gtid_executed" in statement

    fleet["db1"].before = die
    with fleet.router(bounds=Bounds(look=0.05, new_source=10)) as router:
        writer, reader = WritingSession(router, past), ReadingSession(router, past)
        # It was acknowledged, and the client is told so.
        writer.run(WRITE, 1)
        assert past.gtids is None
        fleet["db1"].dead, fleet["db1"].before = False, None
        assert answered_by(reader) == "db1"
        writer.run(WRITE, 2)
        fleet["db2"].executed = 2
        assert answered_by(reader) == "db2"


def test_while_none_takes_writes_servers_are_checked_more_often_than_that() -> None:
    fleet, past = Fleet(replicas=1), Past()
    # By the usual interval the new source would be found when nobody waits any more.
    with fleet.router(bounds=Bounds(look=6.0, new_source=0.9)) as router:
        fleet["db1"].dead = True
        with pytest.raises(UnreachableError):
            WritingSession(router, past).run(WRITE, 1)
        fleet["db2"].writable = True
        WritingSession(router, past).run(WRITE, 2)
    assert WRITE in fleet.told()["db2"]
