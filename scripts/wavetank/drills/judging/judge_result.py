"""What a judge says of a history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wavetank.drills.judging.drill_spec import DrillSpec
from wavetank.drills.traffic.availability import Availability
from wavetank.drills.traffic.outages import Outage


@dataclass(frozen=True)
class JudgeResult:
    """What must not be, a sentence each, and what was found: as people read it, for machines, and as computed."""

    failures: Sequence[str]
    facts: Mapping[str, Any]
    figures: Mapping[str, Any]
    verdict: Any = None


def availability_facts(availability: Availability, declared: DrillSpec) -> dict[str, Any]:
    """Return how clients were served, as people read it."""
    before = availability.before
    return {
        "before": f"{before['writes_per_s']:.0f} writes and {before['reads_per_s']:.0f} reads a second",
        "writes": _without(availability.writes),
        "reads": _without(availability.reads),
        "one client": f"{_without(availability.worst_client, 'write')}, {_without(availability.worst_reader, 'read')}",
        **{
            f"latency of {kind}s": {
                when: f"{latency or 'none was acknowledged'}; not served: {availability.not_served[kind][when]}"
                for when, latency in spans.items()
            }
            for kind, spans in availability.latency_ms.items()
        },
        "errors": dict(availability.errors) or "none",
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
