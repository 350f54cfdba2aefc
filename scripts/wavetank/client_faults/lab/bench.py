"""The place where clients work: a container on an instance's network, an account for each, and tables of their own."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from wavetank.client_faults.lab.processes import CellProcess
from wavetank.client_faults.subjects.server import Server
from wavetank.errors import UnreachableError, UsageError
from wavetank.files import write_if_changed
from wavetank.machine import client_network, containers, network
from wavetank.own_command import UP_TIMEOUT_S, last_line, run_command
from wavetank.servers.node import Server as Node
from wavetank.servers.node import Servers
from wavetank.topology.instance import HOME, Instance
from wavetank.waiting import wait_until

SCHEMA = "client_faults"
PORT = 3306
# An address that nobody has; where it leads is moved, as a name or a virtual address would be.
MOVING = "198.51.100.1"
START_TIMEOUT_S = 30.0
PYTHON = HOME / ".venv-clients" / "bin" / "python"
# What clients expect of a server that is not as strict as ours, how long it lets a lock be waited for in seconds,
# and what both are otherwise.
_AS_USUAL = {
    "require_secure_transport": ("OFF", "ON"),
    "innodb_lock_wait_timeout": ("2", "50"),
    # Logins that are broken off again and again would have the clients' address blocked (1129).
    "max_connect_errors": ("1000000", "100"),
}
_TABLES = (
    f"""CREATE TABLE {SCHEMA}.writes (id BIGINT AUTO_INCREMENT PRIMARY KEY,
        cell INT NOT NULL, nonce BIGINT NOT NULL, KEY (cell, nonce))""",
    f"CREATE TABLE {SCHEMA}.locks (cell INT, side VARCHAR(5), taken INT NOT NULL, PRIMARY KEY (cell, side))",
)


class Bench:
    """An instance with everything that clients need to be put under faults."""

    def __init__(self, instance: Instance, slots: int) -> None:
        """Take the instance, and how many clients there are at once; nothing is changed."""
        self.instance = instance
        self.slots = slots
        self.servers = Servers(instance.topology())
        self.container = f"{self.servers.topology.project}-clients"
        self.password = secrets.token_hex(12)
        self._hosts = instance.directory / "clients.hosts"
        # What a fault has to remember until it is taken back.
        self.kept: dict[str, Any] = {}

    @property
    def source(self) -> str:
        """The name of the server that takes writes."""
        return self.servers.topology.sources[0].name

    @property
    def node(self) -> Node:
        """The server that takes writes."""
        return self.servers[self.source]

    @property
    def source_container(self) -> str:
        """The container of the server that takes writes."""
        return self.container_of(self.source)

    def container_of(self, name: str) -> str:
        """Return the container of a server or a proxy."""
        topology = self.servers.topology
        return topology.container(next(each for each in topology.members if each.name == name))

    def address(self, name: str) -> str:
        """Return the address of a server or proxy on the instance's network.

        Raises:
            UsageError: it does not run.
        """
        place = containers.network_place(self.container_of(name))
        if place is None:
            raise UsageError(f"{name} does not run: make topology-up mends that")
        return place.address

    def account(self, slot: int) -> str:
        """Return the account of a slot."""
        return f"{SCHEMA}_{slot}"

    def set_up(self) -> None:
        """Start the clients' container, and make their schema and accounts."""
        containers.start_idle(self.container, self.servers.topology.image, self.servers.topology.project)
        client_network.prepare(self.container)
        self.name_hosts()
        self._drop_accounts()
        self.execute(f"DROP DATABASE IF EXISTS {SCHEMA}", f"CREATE DATABASE {SCHEMA}", *_TABLES)
        self._let_clients_in()

    def tear_down(self) -> None:
        """Take away all that was made, also where it was made by somebody who was killed."""
        containers.remove_if_there(self.container)
        self._hosts.unlink(missing_ok=True)
        self.look_again()
        with self.servers:
            self._keep_clients_out()
            self.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")

    def _let_clients_in(self) -> None:
        """Have an account for each client, and servers that are no stricter than a client expects."""
        accounts = [f"'{self.account(slot)}'@'%'" for slot in range(self.slots)]
        self.execute(
            *(f"CREATE USER {account} IDENTIFIED BY '{self.password}'" for account in accounts),
            *(f"GRANT ALL ON {SCHEMA}.* TO {account}" for account in accounts),
        )
        self.as_usual()

    def _keep_clients_out(self) -> None:
        """Have servers and accounts as the instance's checks demand them."""
        self._drop_accounts()
        self._set_everywhere({name: strict for name, (_, strict) in _AS_USUAL.items()})

    def _drop_accounts(self) -> None:
        there = self.node.query(f"SELECT user AS name FROM mysql.user WHERE user LIKE '{SCHEMA}\\_%'", account="admin")
        self.execute(*(f"DROP USER '{row['name']}'@'%'" for row in there))

    def as_usual(self) -> None:
        """Have the servers accept what clients do by default; one that has been restarted has forgotten it."""
        self._set_everywhere({name: usual for name, (usual, _) in _AS_USUAL.items()})

    def _set_everywhere(self, values: Mapping[str, str]) -> None:
        statements = [f"SET GLOBAL {name} = {value}" for name, value in values.items()]
        for node in self.servers.topology.nodes:
            with contextlib.suppress(UnreachableError):
                self.servers[node.name].execute(*statements)

    def execute(self, *statements: str) -> None:
        """Run statements at the source, as its administrator."""
        self.node.execute(*statements)

    def name_hosts(self) -> None:
        """Write the file by which clients find servers and proxies; addresses change when a container is started."""
        topology = self.servers.topology
        places = {member.name: containers.network_place(topology.container(member)) for member in topology.members}
        lines = ["127.0.0.1 localhost", *(f"{place.address} {name}" for name, place in places.items() if place)]
        lines += [f"{MOVING} moving", f"{MOVING} somebody-else"]
        # The same file, since it is what the clients see as theirs.
        text = "\n".join([*lines, ""])
        if self._hosts.exists():
            self._hosts.write_text(text)
        else:
            write_if_changed(self._hosts, text)

    def server(self, slot: int) -> Server:
        """Return where the client of a slot goes: to the source, by the name that its certificate has."""
        return Server(self.source, PORT, self.account(slot), self.password, SCHEMA, str(self.instance.ca))

    def start(self, spec: Mapping[str, Any]) -> CellProcess:
        """Start a client in the container's network, where servers have the names that their certificates have."""
        place = containers.network_place(self.container)
        if place is None:
            raise UsageError(f"the container {self.container} has ended: run it again")
        inside = 'mount --bind "$0" /etc/hosts && exec "$@"'
        command = [
            "nsenter", f"--net=/proc/{place.pid}/ns/net", "unshare", "--mount", "--propagation", "private",
            "sh", "-c", inside, str(self._hosts), str(PYTHON), "-m", "wavetank.client_faults.cell",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(HOME / "scripts"), "PYTHONWARNINGS": "ignore"}
        return CellProcess(command, environment, dict(spec))

    def connections(self, user: str) -> list[int]:
        """Return the connections that an account has at the source."""
        rows = self.node.query(
            "SELECT ID AS id FROM performance_schema.processlist WHERE USER = %s", (user,), account="admin"
        )
        return [int(row["id"]) for row in rows]

    def sockets(self, pid: int) -> int:
        """Return how many connections a client's process has open: not those that the server has ended."""
        listed = network.in_network_of(self.container, "ss", "-Htnp", "state", "established").stdout
        return sum(f"pid={pid}," in line for line in listed.splitlines())

    def rows_of(self, cell: int) -> dict[int, int]:
        """Return how many rows there are of each nonce of a cell."""
        rows = self.node.query(
            f"SELECT nonce, COUNT(*) AS held FROM {SCHEMA}.writes WHERE cell = %s GROUP BY nonce",
            (cell,),
            account="admin",
        )
        return {int(row["nonce"]): int(row["held"]) for row in rows}

    def started_again(self) -> None:
        """Wait for a source that has been started, and open it: every server is closed when it starts."""
        wait_until("the source to answer", self._opens, timeout_s=START_TIMEOUT_S, interval_s=0.1)
        self.as_usual()
        self.name_hosts()

    def _opens(self) -> bool:
        try:
            self.execute("SET GLOBAL read_only = OFF")
        except UnreachableError:
            return False
        return True

    def look_again(self) -> None:
        """See who is the source now."""
        self.servers.__exit__()
        self.servers = Servers(self.instance.topology())

    def prepare_locks(self, cells: range) -> None:
        """Have the rows that transactions of these cells take."""
        rows = ", ".join(f"({cell}, '{side}', 0)" for cell in cells for side in ("left", "right"))
        self.execute(f"INSERT INTO {SCHEMA}.locks VALUES {rows}")

    def restore(self) -> None:
        """Bring the instance in order, as a person would; the clients' tables are still there afterwards.

        Raises:
            UsageError: topology-up does not do it.
        """
        self.look_again()
        self._keep_clients_out()
        done = run_command("up", UP_TIMEOUT_S, options={"INSTANCE": self.instance.name})
        if done is None or done.returncode:
            raise UsageError(f"topology-up does not bring {self.instance.name} in order: {last_line(done)}")
        self.look_again()
        self.name_hosts()
        self._let_clients_in()


@contextlib.contextmanager
def set_up(instance: Instance, slots: int) -> Iterator[Bench]:
    """Have an instance with what clients need, which is gone afterwards, however it ends."""
    bench = Bench(instance, slots)
    try:
        bench.set_up()
        yield bench
    finally:
        bench.tear_down()
