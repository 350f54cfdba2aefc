"""A source and two replicas behind MySQL Router."""

from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.waiting import wait_until

from damages import Case, by_up, sql

OPTIONS = {"TOPOLOGY": "mysql-router"}
LANE = "mysql-router"


def misled(servers: Servers) -> None:
    """Let the port for writes lead to a replica, by a hand in the configuration."""
    router = servers.topology.proxies[0]
    file = servers.instance.node_directory(router.name) / "mysqlrouter.conf"
    file.write_text(file.read_text().replace("destinations = db1:", "destinations = db2:"))
    containers.restart(servers.topology.container(router))
    wait_until("the Router", lambda: not servers[router.name].refusal("app_rw"), timeout_s=10)


CASES = {
    "a killed router": Case(
        "proxy_reachable", "router1", lambda s: containers.kill(s.topology.container(s.topology.proxies[0]))
    ),
    "a frozen router": Case(
        "proxy_reachable",
        "router1",
        lambda s: containers.pause(s.topology.container(s.topology.proxies[0])),
        undo=by_up(),
    ),
    "writes led to a replica": Case("port_routing", "router1", misled, undo=by_up()),
    "reads led to a server that takes writes": Case(
        "port_routing",
        "router1",
        sql("db3", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"),
        frozenset({"writable"}),
    ),
}

AT_ONCE = (("writes led to a replica", "reads led to a server that takes writes", "a killed router"),)
