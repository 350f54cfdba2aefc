"""The routes from clients to the servers: found by their files, chosen, and refused where they lead nowhere."""

from collections.abc import Callable

import pytest
from fronts import settings_of
from wavetank.drills.traffic.choosing import all_routes, choose_route
from wavetank.drills.traffic.client_routes import direct
from wavetank.errors import UsageError
from wavetank.topology.instance import HOME
from wavetank.topology.model import Topology
from wavetank.topology.proxies import MYSQL_ROUTER, PROXYSQL, read_proxies

PROXYSQLS = read_proxies({PROXYSQL: {"proxy1": settings_of(PROXYSQL)}}, 13400)
ROUTERS = read_proxies({MYSQL_ROUTER: {"router1": settings_of(MYSQL_ROUTER)}}, 13400)
APART = {"db1": {"server_id": 1}, "db2": {"server_id": 2}}


def test_every_file_in_client_routes_is_a_route() -> None:
    files = {
        path.stem for path in (HOME / "scripts" / "wavetank" / "drills" / "traffic" / "client_routes").glob("*.py")
    }
    assert all_routes().keys() == files - {"__init__"} == {"direct", "proxysql", "routing"}
    assert all(way.__doc__ and way.WHAT for way in all_routes().values())


@pytest.mark.parametrize(
    ("proxies", "asked", "way"),
    [
        ((), "", "direct"),
        (PROXYSQLS, "", "proxysql"),
        (ROUTERS, "", "direct"),
        (PROXYSQLS, "direct", "direct"),
        ((), "routing", "routing"),
    ],
)
def test_the_usual_way_is_through_the_proxysql_that_there_is(
    make_topology: Callable[..., Topology], proxies: tuple[object], asked: str, way: str
) -> None:
    assert choose_route(asked, make_topology(proxies=proxies)) == way


def test_an_unknown_way_is_refused_with_those_that_there_are(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError, match=r"via=sea is no way to the servers; there are: direct, proxysql, routing"):
        choose_route("sea", make_topology())


@pytest.mark.parametrize("proxies", [(), ROUTERS])
def test_there_is_no_way_through_a_proxysql_that_is_not_there(
    make_topology: Callable[..., Topology], proxies: tuple[object]
) -> None:
    with pytest.raises(
        UsageError, match=r"via=proxysql needs a ProxySQL .*, which sea has not; it has: direct, routing"
    ):
        choose_route("proxysql", make_topology(proxies=proxies))


def test_the_library_routes_over_servers_that_share_their_data_only(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError, match=r"via=routing needs servers that replicate one another.*it has: direct$"):
        choose_route("routing", make_topology(APART))


class _ClosedUntilTold:
    """A server as SearchingSession connects to it: it counts its logins, and takes writes when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.logins = 0
        self.takes_writes = False

    def connect(self, _account: str, _patience_s: int) -> "_ClosedUntilTold":
        self.logins += 1
        return self

    def close(self) -> None:
        pass


def test_who_looks_for_a_source_logs_in_to_each_server_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        direct, "answer_on", lambda connection, *_, **__: ([{"yes": connection.takes_writes}], 0)
    )  # fmt: skip
    servers = [_ClosedUntilTold("db1"), _ClosedUntilTold("db2")]
    session = direct.SearchingSession(servers, must_be_open=True)  # type: ignore[arg-type]

    assert [session.find() for _ in range(5)] == [False] * 5
    servers[1].takes_writes = True
    assert session.find()
    assert (session.asks, [each.logins for each in servers]) == ("db2", [1, 1])
