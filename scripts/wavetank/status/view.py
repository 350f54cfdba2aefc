"""The picture of an instance, drawn with rich. Colours repeat what the words and marks already say."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.status.facts import RUNNING, UNKNOWN, ChannelStatus, InstanceStatus, NodeStatus
from wavetank.status.proxy_view import proxy_lines, proxy_tree

WATCH_PERIOD_S = 1.0
_SEPARATOR = " · "
_MS, _SECOND, _MINUTE = 1_000, 1_000_000, 60_000_000  # in microseconds


def print_status(status: InstanceStatus, console: Console | None = None) -> None:
    """Print the picture, and under it how to connect to every server."""
    console = console or Console(highlight=False)
    console.print(picture(status))
    console.print()
    # Commands keep their lines, however long: they are there to be pasted.
    for line in connect_lines(status):
        console.print(line, soft_wrap=True)


def watch_status(look: Callable[[], InstanceStatus], *, as_json: bool = False, console: Console | None = None) -> None:
    """Draw what `look` returns, again every second, until Ctrl-C; one JSON line a look for machines.

    Where the output is not a terminal the pictures follow each other. What `look` raises ends the watch.
    """
    console = console or Console(highlight=False)
    pause = threading.Event()
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        live = None
        if console.is_terminal and not as_json:
            live = stack.enter_context(Live(console=console, auto_refresh=False))
        while True:
            status = look()
            if as_json:
                console.out(json.dumps(status.as_dict()), highlight=False)
            elif live:
                live.update(Group(picture(status), Text("Ctrl-C ends", style="dim")), refresh=True)
            else:
                console.print(picture(status))
            pause.wait(WATCH_PERIOD_S)


def picture(status: InstanceStatus) -> RenderableType:
    """Return the headline, a tree for every server that replicates from nobody here, and the legend."""
    drawn: set[str] = set()
    trees = [_tree(root, status, drawn) for root in status.roots]
    # What is left replicates in a ring, which has no first server: begin with the inventory's.
    trees += [_tree(node, status, drawn) for node in status.nodes if node.name not in drawn]
    legend = [status.shard_map.line] if status.shard_map else []
    legend += ["gap: transactions of its source it lacks; errant: its own that no source has"]
    if any(channel.end_to_end_lag_us is not None for node in status.nodes for channel in node.channels):
        legend.append("lag: behind its source / behind the first commit, over all hops")
    trees += [proxy_tree(proxy) for proxy in status.proxies]
    return Group(_headline(status), *trees, *(Text(line, style="dim") for line in legend))


def _headline(status: InstanceStatus) -> Text:
    versions = ", ".join(sorted({node.version for node in status.nodes if node.version}))
    count = len(status.nodes)
    answering = sum(not node.unanswered for node in status.nodes)
    known = [status.topology] if status.topology != status.instance else []
    known += [f"MySQL {versions}"] if versions else []
    line = Text.assemble((status.instance, "bold"), f" ({', '.join(known)}): " if known else ": ")
    if status.as_declared:
        fronts = f" behind {', '.join(proxy.name for proxy in status.proxies)}" if status.proxies else ""
        return line.append(f"{count} server{'s' * (count > 1)}{fronts}, all as the inventory says", style="green")
    remarks = [remark for node in status.nodes for remark in node.remarks]
    unread = bool(status.shard_map and status.shard_map.unread)
    deviations = len(remarks) + sum(len(proxy.remarks) for proxy in status.proxies) + unread
    return line.append(
        f"{answering} of {count} answer, {deviations} deviation{'s' * (deviations > 1)}",
        style="red" if len(remarks) < deviations or any(remark.broken for remark in remarks) else "yellow",
    )


def _tree(node: NodeStatus, status: InstanceStatus, drawn: set[str]) -> Tree:
    """Return `node` and what is behind it; a server that has been drawn already is only named."""
    if node.name in drawn:
        return Tree(Text.assemble((node.name, "bold"), ("  drawn above", "dim")))
    drawn.add(node.name)
    tree = Tree(_label(node, status), guide_style="dim")
    for replica in status.behind(node):
        tree.children.append(_tree(replica, status, drawn))
    return tree


def _label(node: NodeStatus, status: InstanceStatus) -> RenderableType:
    colour = _colour(node)
    role = "" if node.unanswered else node.role
    container = (
        f"container {node.container_state}",
        "" if node.container_state in (RUNNING, UNKNOWN) else "red",
    )
    shard = status.shard_map.title(node.shard) if status.shard_map else ""
    parts = [(shard, ""), (role, colour), (node.writability, ""), container, (f"127.0.0.1:{node.port}", "")]
    lines = [Text.assemble((node.name, f"bold {colour}"), "  ", _joined(*parts))]
    lines += [_figures(node, channel) for channel in node.channels]
    lines += [
        Text(f"{'✗' if remark.broken else '!'} {remark.text}", style="red" if remark.broken else "yellow")
        for remark in node.remarks
    ]
    if node.unanswered:
        lines[-1].append("; drawn where declared")
    first, *others = lines
    return Group(first, *(Padding(line, (0, 0, 0, 2), expand=False) for line in others))


def _colour(node: NodeStatus) -> str:
    if any(remark.broken for remark in node.remarks):
        return "red"
    return "yellow" if node.remarks else "green"


def _figures(node: NodeStatus, channel: ChannelStatus) -> Text:
    """Return one channel's line; its source is named where the tree does not show it."""
    gap = "?" if channel.gap is None else str(channel.gap)
    errant = "?" if node.errant is None else str(node.errant)
    return _joined(
        (f"from {channel.source}" if len(node.channels) > 1 else "", ""),
        (_age(node, channel), ""),
        (f"gap {gap}", ""),
        (f"errant {errant}", "yellow" if node.errant else ""),
        (f"receiver {channel.receiver}", "" if channel.receiver == "ON" else "red"),
        (f"applier {channel.applier}", "" if channel.applier == "ON" else "red"),
    )


def _age(node: NodeStatus, channel: ChannelStatus) -> str:
    if channel.lag_us is not None:
        whole = channel.end_to_end_lag_us
        return f"lag {duration(channel.lag_us)}" + (f" / {duration(whole)}" if whole is not None else "")
    # Where nothing is applied, the heartbeat still tells how old the data are; an open server beats itself.
    if not channel.runs and node.read_only and node.heartbeat_age_us is not None:
        return f"data {duration(node.heartbeat_age_us)} old"
    return "lag ?"


def _joined(*parts: tuple[str, str]) -> Text:
    return Text(_SEPARATOR).join(Text(text, style=style) for text, style in parts if text)


def duration(microseconds: int) -> str:
    """Return a time as people read it: 850 µs, 1.2 ms, 3.4 s, 2 min 5 s, 3 h 4 min."""
    if microseconds < _MS:
        return f"{microseconds} µs"
    if microseconds < _SECOND:
        return f"{microseconds / _MS:.1f} ms"
    if microseconds < _MINUTE:
        return f"{microseconds / _SECOND:.1f} s"
    hours, rest = divmod(microseconds, 60 * _MINUTE)
    minutes, rest = divmod(rest, _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest // _SECOND} s"


def connect_lines(status: InstanceStatus) -> Iterator[Text]:
    """Yield how to connect: as root to each server, and over TLS to where an application would write."""
    yield Text("connect as root, through the socket:", style="dim")
    for node in status.nodes:
        state = "" if node.container_state == RUNNING else f"  # {node.container_state}"
        yield Text.assemble(f"  {node.root_command}", (state, "red"))
    yield Text(f"connect from this host over TLS, as {APP_ACCOUNT} to {status.app_node.name}:", style="dim")
    yield Text("  " + " \\\n    ".join(status.app_command))
    yield from proxy_lines(status.proxies)
