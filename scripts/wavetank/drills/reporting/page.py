"""Pages from templates: everything that was measured is escaped, and nothing is fetched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from wavetank.drills.reporting.drawn import drawn_figures
from wavetank.drills.reporting.recorded import Recorded
from wavetank.topology.model import Node, Topology

TEMPLATES = Path(__file__).parent
# Facts that the page shows in a way of their own.
_SHOWN_OTHERWISE = (
    "steps", "errors", "lost", "writes", "reads", "one client", "acknowledged", "before", "checks",
    "latency of writes", "latency of reads",
)  # fmt: skip


def rendered(template: str, *, beside: Path = TEMPLATES, **values: Any) -> str:  # noqa: ANN401 - whatever the template asks for
    """Return a page of a template in the directory `beside`, which may include this package's, or of one of these."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([beside, TEMPLATES]), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["s"] = lambda value: f"{value:,.3f} s"
    environment.filters["n"] = lambda value: f"{value:,}"
    return environment.get_template(template).render(**values)


def drill_page(
    report: Mapping[str, Any], storm: str, topology: Topology, recorded: Recorded | None, files: Sequence[str]
) -> str:
    """Return the page of a drill's report.

    Args:
        report: the report as plain values.
        storm: the sentence that says what the drill does.
        topology: what the instance was when the drill began.
        recorded: what its traffic saw; None for a drill without any.
        files: what lies beside the page, to be linked.
    """
    return rendered(
        "drill.html.j2",
        report=report,
        storm=storm,
        servers=[_server(node, topology) for node in topology.nodes],
        proxies=topology.proxies,
        topology=topology,
        asked={**report["options"], **topology.given},
        recorded=recorded,
        verdict=recorded.verdict if recorded else None,
        figures=drawn_figures(recorded),
        facts={name: value for name, value in report["facts"].items() if not (recorded and name in _SHOWN_OTHERWISE)},
        files=files,
    )


def _server(node: Node, topology: Topology) -> dict[str, Any]:
    """Return what the table says of a server, as it was declared when the drill began."""
    follows = ", ".join(channel.source for channel in node.channels)
    roles = ["source" if node.is_source else "", f"replica of {follows}" if follows else ""]
    return {
        "name": node.name,
        "role": ", ".join(filter(None, roles)) or "standby",
        "port": node.port,
        "server_id": node.server_id,
        "container": topology.container(node),
    }
