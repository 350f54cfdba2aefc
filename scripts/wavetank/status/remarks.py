"""What of a server is not as the inventory says."""

from collections.abc import Iterator

from wavetank.status.facts import ChannelStatus, NodeStatus, Remark
from wavetank.topology.model import Node


def remarks(node: Node, seen: NodeStatus, lag_bound_s: float) -> Iterator[Remark]:
    """Yield what of a server is not as the inventory says; lag is judged by its bound in seconds."""
    if seen.unanswered:
        yield Remark(f"no answer: {seen.unanswered}", broken=True)
        return
    if node.is_source and seen.read_only:
        yield Remark(f"is {seen.writability}; the inventory makes it take writes")
    if not node.is_source and not seen.super_read_only:
        yield Remark(f"is {seen.writability}; the inventory makes it super_read_only")
    if sorted(seen.sources) != sorted(seen.declared_sources):
        found, declared = (", ".join(names) or "nobody" for names in (seen.sources, seen.declared_sources))
        yield Remark(f"replicates from {found}; the inventory says {declared}")
    for channel in seen.channels:
        yield from _channel_remarks(channel, lag_bound_s)
    if seen.errant:
        yield Remark(f"has {seen.errant} errant: executed here, unknown to {' and '.join(seen.sources)}")


def _channel_remarks(channel: ChannelStatus, lag_bound_s: float) -> Iterator[Remark]:
    threads = {"receiver": channel.receiver, "applier": channel.applier}
    stopped = ", ".join(f"{thread} {state}" for thread, state in threads.items() if state != "ON")
    if stopped:
        yield Remark(": ".join(filter(None, (f"from {channel.source}", stopped, channel.error))), broken=True)
    if channel.lag_us is not None and channel.lag_us > lag_bound_s * 1e6:
        yield Remark(f"is more than {lag_bound_s:g} s behind {channel.source}")
    if channel.deviations:
        yield Remark(f"from {channel.source}: {'; '.join(channel.deviations)}")
