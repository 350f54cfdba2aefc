"""Can nobody come in without TLS and a password, and every account of ours with them?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.accounts import ACCOUNTS
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Does every account need TLS and a password, and do ours work?"
# Locked accounts admit nobody; auth_socket admits the operating system's user, and only locally.
LOGINS = """
    SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) AS account, ssl_type, authentication_string = '' AS no_password
      FROM mysql.user WHERE account_locked = 'N' AND plugin <> 'auth_socket'
"""


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node: accounts do not come by replication."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Look at every account that can log in, then log in as those that are ours."""
    server = servers[node.name]
    for login in server.query(LOGINS, account="admin"):
        if not login["ssl_type"]:
            yield Finding(
                node.name,
                "every account with REQUIRE SSL",
                f"{login['account']} without",
                "ALTER USER … REQUIRE SSL, or drop it",
            )
        if login["no_password"]:
            yield Finding(
                node.name,
                "no empty password",
                f"one of {login['account']}",
                "ALTER USER … IDENTIFIED BY, or drop it",
            )
    for account in ACCOUNTS:
        if refusal := server.refusal(account):
            yield Finding(node.name, f"a login of {account}", refusal, "make topology-up states the accounts anew")
