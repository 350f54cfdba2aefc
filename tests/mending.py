"""What topology-up does to an instance that is there, without the playbook around it, which takes most of its time.

A test mends by this what it has damaged. That topology-up itself mends each damage is asked of many at once, in
tests/broken/test_every_check_goes_red.py; it alone makes containers and files anew.
"""

from wavetank.change.drift import find_drift, wait_for_replication, wait_for_servers
from wavetank.change.finishing import finish_all
from wavetank.checks.asking import ask_all
from wavetank.machine import containers
from wavetank.proxysql.deviations import needs, state_routes
from wavetank.proxysql.expected_rows import VARIABLES
from wavetank.proxysql.runtime_state import wait_for_proxysql
from wavetank.proxysql.settling import wait_for_proxies
from wavetank.servers.node import Servers
from wavetank.servers.replication import PASSWORD_NAME
from wavetank.sharding.establishing import establish
from wavetank.topology.instance import Instance
from wavetank.topology.proxies import ADMIN, Proxy, proxysqls
from wavetank.waiting import wait_until

# How long it may take until a check that was red is green once nothing is wrong any more.
GREEN_S = 20


def mend(damaged: Servers) -> None:
    """Make an instance what the inventory says: containers that are there, servers, proxies, shards."""
    # Connections of its own: what the checks have given up is asked here.
    with Servers(Instance(damaged.topology.instance).topology()) as servers:
        _run_containers(servers)
        wait_for_servers(servers)
        finish_all(servers)
        _mend_servers(servers)
        wait_for_replication(servers)
        for proxy in proxysqls(servers.topology.proxies):
            _mend_proxysql(servers, proxy)
        wait_for_proxies(servers)
        if servers.topology.shards:
            establish(servers)


def wait_for_green(servers: Servers) -> None:
    """Wait until every check is asked and green; what is red is last seen."""
    wait_until(
        "every check to be green", lambda: ask_all(servers).doubts(), good=lambda doubts: not doubts,
        timeout_s=GREEN_S, interval_s=0.2,
    )  # fmt: skip


def mend_unless_green(instance: str) -> None:
    """Mend an instance in which something moved or died, unless all is well by itself."""
    with Servers(Instance(instance).topology()) as servers:
        if ask_all(servers).doubts():
            mend(servers)
            wait_for_green(servers)


def _run_containers(servers: Servers) -> None:
    for state in containers.containers(servers.topology.project):
        if state.status == "paused":
            containers.unpause(state.name)
        elif state.status != "running":
            containers.start(state.name)


def _mend_servers(servers: Servers) -> None:
    topology = servers.topology
    drifts = find_drift(servers)
    for drift in drifts:
        if drift.restart:
            containers.restart(topology.container(topology.node(drift.node)))
    if any(drift.restart for drift in drifts):
        # A server that has started anew is closed, and states its accounts by itself.
        wait_for_servers(servers)
        drifts = find_drift(servers)
    secret = {PASSWORD_NAME: servers.instance.password("replication")}
    for drift in drifts:
        for statement in drift.statements:
            servers[drift.node].query(statement, secret, account="admin")


def _mend_proxysql(servers: Servers, proxy: Proxy) -> None:
    wait_for_proxysql(servers, proxy)
    needed = needs(servers, proxy)
    if needed.routes:
        state_routes(servers, proxy)
    statements = []
    for table, rows in needed.absent.items():
        for row in rows:
            key = " AND ".join(f"{name} = {_literal(value)}" for name, value in row.items())
            statements.append(f"DELETE FROM {table} WHERE {key}")
    for table, rows in needed.present.items():
        for row in rows:
            values = [_literal(value) for value in row.values()]
            if table == VARIABLES.name:
                name, value = values
                statements.append(f"UPDATE {table} SET variable_value = {value} WHERE variable_name = {name}")
            else:
                statements.append(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(values)})")
    # What was changed takes effect with the load.
    statements += [f"LOAD {what} TO RUNTIME" for what in needed.load]
    servers[proxy.side].execute(*statements, account=ADMIN)


def _literal(value: object) -> str:
    """Return a value as ProxySQL's administration reads it, which is SQLite's way: no sign but the quote is special."""
    return "'" + str(value).replace("'", "''") + "'"
