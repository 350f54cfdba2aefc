"""Between clients in a container and a server: packets of one direction vanish, connections are reset or refused.

The rules are in chains of their own in the clients' network, where the servers' other connections are not.
"""

from wavetank.machine import containers, network

_CHAIN, _NAT = "wavetank-clients", "wavetank-clients-nat"
_PORT = "3306"
_HOOKS = (("filter", "INPUT", _CHAIN), ("filter", "OUTPUT", _CHAIN), ("nat", "OUTPUT", _NAT))


def prepare(clients: str) -> None:
    """Make the chains, empty ones; they are there until the clients' container ends.

    Raises:
        UsageError: this machine does not let us: not root, no iptables, or an engine elsewhere.
    """
    for table, hook, ours in _HOOKS:
        network.iptables(clients, "-t", table, "-N", ours)
        network.demand(clients, "-t", table, "-F", ours)
        if network.iptables(clients, "-t", table, "-C", hook, "-j", ours).returncode:
            network.demand(clients, "-t", table, "-I", hook, "-j", ours)


def clear(clients: str) -> None:
    """Let all packets pass again, and every address lead where it is."""
    network.demand(clients, "-F", _CHAIN)
    network.demand(clients, "-t", "nat", "-F", _NAT)


def drop_answers(clients: str, address: str, port: str = _PORT) -> None:
    """Let nothing of what a server sends arrive; what clients send does."""
    network.demand(clients, "-A", _CHAIN, "-p", "tcp", "-s", address, "--sport", port, "-j", "DROP")


def drop_all(clients: str, address: str, port: str = _PORT) -> None:
    """Let nothing pass between clients and a server, either way."""
    drop_answers(clients, address, port)
    network.demand(clients, "-A", _CHAIN, "-p", "tcp", "-d", address, "--dport", port, "-j", "DROP")


def refuse(clients: str, address: str, port: str = _PORT) -> None:
    """Answer every packet to a server with a reset, as a machine does on which no server listens."""
    rule = ("-p", "tcp", "-d", address, "--dport", port, "-j", "REJECT", "--reject-with", "tcp-reset")
    network.demand(clients, "-A", _CHAIN, *rule)


def lead(clients: str, address: str, to: str) -> None:
    """Let new connections to an address go to another one, as a name or a virtual address that has been moved does."""
    rule = ("-p", "tcp", "-d", address, "--dport", _PORT, "-j", "DNAT", "--to-destination", to)
    # Who connects while there is none goes nowhere.
    if network.iptables(clients, "-t", "nat", "-C", _NAT, *rule).returncode:
        network.demand(clients, "-t", "nat", "-F", _NAT)
        network.demand(clients, "-t", "nat", "-A", _NAT, *rule)


def reset(clients: str, server: str, port: str = _PORT) -> None:
    """Reset every connection between clients and a server's container: each end is told so by the kernel."""
    place = containers.network_place(clients)
    address = place.address if place else "0.0.0.0"  # noqa: S104 - nobody's
    network.in_network_of(server, "ss", "--kill", "state", "established", "dst", address, "sport", "=", f":{port}")
