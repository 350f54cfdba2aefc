"""The picture of a proxy: what it sends where, and how to connect through it."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from wavetank.status.proxies import Backend, ProxyStatus

_SEPARATOR = " · "


def proxy_tree(proxy: ProxyStatus) -> Tree:
    """Return a proxy with the servers behind it."""
    tree = Tree(_label(proxy), guide_style="dim")
    for backend in proxy.backends:
        tree.children.append(Tree(_backend(backend)))
    return tree


def proxy_lines(proxies: tuple[ProxyStatus, ...]) -> Iterator[Text]:
    """Yield how to connect through every proxy."""
    for proxy in proxies:
        for what, command in proxy.commands:
            yield Text(f"connect from this host over TLS, {what}:", style="dim")
            yield Text("  " + " \\\n    ".join(command))


def _label(proxy: ProxyStatus) -> RenderableType:
    colour = "red" if proxy.remarks else "green"
    parts = (proxy.kind, f"container {proxy.container_state}", f"127.0.0.1:{proxy.port}, {proxy.side_port}")
    lines = [Text.assemble((proxy.name, f"bold {colour}"), "  ", _SEPARATOR.join(parts))]
    return Group(lines[0], *(Padding(Text(f"✗ {text}", style="red"), (0, 0, 0, 2)) for text in proxy.remarks))


def _backend(backend: Backend) -> Text:
    group = backend.group if backend.hostgroup is None else f"{backend.group} ({backend.hostgroup})"
    parts = [f"{group} to {backend.server}", backend.state]
    if backend.hostgroup is not None:
        parts += [
            f"weight {backend.weight}",
            f"{backend.statements} statements",
            f"{backend.errors} errors",
            f"{backend.in_use}/{backend.in_use + backend.idle} connections",
            f"ping {backend.latency_us / 1000:.1f} ms",
        ]
        if backend.lag_s is not None:
            parts.append(f"lag {backend.lag_s} s")
    return Text(_SEPARATOR.join(parts), style="" if backend.state in ("ONLINE", "answers") else "red")
