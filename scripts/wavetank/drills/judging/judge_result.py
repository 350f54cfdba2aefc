"""What a judge says of a history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wavetank.drills.judging.drill_spec import DrillSpec
from wavetank.drills.traffic.outages import Outage
from wavetank.drills.traffic.served import Served


@dataclass(frozen=True)
class JudgeResult:
    """What must not be, a sentence each, and what was found: as people read it, for machines, and as computed."""

    failures: Sequence[str]
    facts: Mapping[str, Any]
    figures: Mapping[str, Any]
    verdict: Any = None


def served_facts(served: Served, declared: DrillSpec) -> dict[str, Any]:
    """Return how clients were served, as people read it."""
    return {
        "before": f"{served.before['writes_per_s']:.0f} writes and {served.before['reads_per_s']:.0f} reads a second",
        "writes": _without(served.writes),
        "reads": _without(served.reads),
        "one client": f"{_without(served.worst_client, 'write')}, {_without(served.worst_reader, 'read')}",
        **{
            f"latency of {kind}s": {
                when: f"{latency or 'none was acknowledged'}; not served: {served.not_served[kind][when]}"
                for when, latency in spans.items()
            }
            for kind, spans in served.latency_ms.items()
        },
        "errors": dict(served.errors) or "none",
    } | ({"demanded": ", ".join(demands)} if (demands := list(_demanded(declared))) else {})


def _without(outage: Outage, what: str = "one") -> str:
    least = "at least " if outage.unfinished else ""
    return f"{least}{outage.seconds:.3f} s without an acknowledged {what}"


def _demanded(declared: DrillSpec) -> Iterator[str]:
    if declared.thresholds.rto_s is not None:
        yield f"at most {declared.thresholds.rto_s:g} s without an acknowledged write of any client"
    if declared.thresholds.lost is not None:
        yield f"at most {declared.thresholds.lost} writes lost"


def odd_clients(clients: Iterable[int], declared: DrillSpec) -> list[str]:
    """Return whose operations are in the log although there was no such client, a sentence or none."""
    most = declared.load.clients if declared.load else 0
    odd = sorted(set(clients) - set(range(1, most + 1)))
    return [f"the log has operations of client {odd[0]}, and there were clients 1 to {most}"] if odd else []
