"""What an application states: where the servers are, who comes to them, and what it puts up with."""

from dataclasses import dataclass
from pathlib import Path

from wavetank.servers.node import Login


@dataclass(frozen=True)
class Account:
    """A MySQL account."""

    user: str
    password: str


@dataclass(frozen=True)
class Endpoint:
    """One server. Which one is the source is asked, not stated.

    Attributes:
        name: what reports call it.
        host: as its certificate calls it.
        port: of the MySQL protocol.
        weight: its share of the reads while it is a replica, 0 for none.
    """

    name: str
    host: str
    port: int
    weight: int = 1


@dataclass(frozen=True)
class Access:
    """Who comes to the servers, and by what they prove who they are.

    Attributes:
        writer: for the source.
        reader: for replicas; give it no right to write.
        watcher: makes the health checks, and reads the heartbeat where there is one.
        ca: the certificate that vouches for every server.
        heartbeat: a query for the age of the newest heartbeat in microseconds, '' where there is none. Without one
            no replica is left out for its lag.
        database: the schema that statements mean where they name none, '' for none.
    """

    writer: Account
    reader: Account
    watcher: Account
    ca: Path
    heartbeat: str = ""
    database: str = ""

    def login(self, endpoint: Endpoint, account: Account) -> Login:
        """Return how `account` comes to a server."""
        # A health check needs no right to the schema, unless its account is one of the others, too.
        database = self.database if account in (self.writer, self.reader) else ""
        return Login(endpoint.name, endpoint.port, account.user, account.password, self.ca, endpoint.host, database)


@dataclass(frozen=True)
class Bounds:
    """How long is too long, in seconds.

    Attributes:
        lag: the age of a replica's newest heartbeat from which on it gets no reads. A healthy one is as old as
            the heart's period. Of an instance it is what bounds_of() says, not this default.
        look: between two health checks of a server; a tenth of it while none takes writes.
        look_timeout: for the answer to a health check, whole seconds; after that the server is out.
        statement: for the answer to a statement, whole seconds.
        own_writes: for a replica to catch up with what the session wrote; then the source is read.
        new_source: for a server that takes writes, while there is none.
    """

    lag: float = 5.0
    look: float = 0.5
    look_timeout: int = 1
    statement: int = 30
    own_writes: float = 0.5
    new_source: float = 10.0


@dataclass(frozen=True)
class PoolSize:
    """How many connections to a server are kept, a pool for each account.

    Attributes:
        kept: open when idle.
        overflow: more of them at the most, closed when they come back.
        wait_s: for one to come back, in seconds.
        max_age_s: then a connection is replaced, in seconds.
        ping_after_s: idle for longer than this, in seconds, a connection is pinged before it is used again.
    """

    kept: int = 5
    overflow: int = 10
    wait_s: float = 5.0
    max_age_s: float = 300.0
    ping_after_s: float = 1.0
