"""What the questions about lag have in common: how late is what a channel applies, and is that within the bound?"""

from collections.abc import Callable, Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen, of_stopped
from wavetank.servers.lag import ApplierLag, settled_lag_us
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Channel, Node


def late_channels(  # noqa: PLR0913, PLR0917 - the last three are what the questions differ in
    node: Node,
    servers: Servers,
    channels: Iterable[Channel],
    lag_us: Callable[[ApplierLag], int],
    since: str,
    next_step: str,
) -> Iterator[Seen]:
    """Compare a lag of each of these channels of a replica with the topology's bound.

    `lag_us` says which lag is meant, and `since`, before the source's name, from where it is counted.
    """
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    found = channels_of(servers[node.name])
    for channel in channels:
        if not replicates(found.get(channel.name, {})):
            yield of_stopped(channel)
            continue
        seen_us = settled_lag_us(bound_us, lag_us, servers[node.name], channel)
        if seen_us is None:
            # Who never wrote is late for nobody: a closed peer, for one.
            yield NotAsked(f"{channel.title} has applied nothing", moot=True)
        elif seen_us > bound_us:
            yield Finding(node.name, f"at most {bound_us} us {since} {channel.source}", f"{seen_us} us", next_step)
