"""Conflicts and their resolution as people read them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from wavetank.conflicts.record import Recorded, RecordedVersion, read_versions, shown
from wavetank.conflicts.resolve import Resolution
from wavetank.conflicts.survey import recorder
from wavetank.servers.node import Servers

# More than this are counted, not listed; --json has all of them.
MOST_LISTED = 20


def conflict_lines(servers: Servers, still_open: Sequence[Recorded]) -> Iterator[str]:
    """Yield each open conflict with both versions, then how many there are of each kind."""
    versions = read_versions(recorder(servers), [conflict.component for conflict in still_open[:MOST_LISTED]])
    for conflict in still_open[:MOST_LISTED]:
        yield f"{conflict.conflict_id:>4}  {conflict.kind:<14} {conflict.where}"
        yield from (f"      {line}" for line in _version_lines(versions[conflict.component]))
    if len(still_open) > MOST_LISTED:
        yield f"      and {len(still_open) - MOST_LISTED} more; --json lists all"
    yield f"{servers.topology.instance}: {_counted(still_open)}"


def _version_lines(versions: Sequence[RecordedVersion]) -> Iterator[str]:
    """Yield each row's versions, of their columns only those in which they differ."""
    for _, row in groupby(versions, lambda version: version.row_id):
        same_row = list(row)
        images = [version.image for version in same_row if version.image is not None]
        same = {name for name, value in images[0].items() if all(image[name] == value for image in images)}
        for version in same_row:
            image = version.image and {name: value for name, value in version.image.items() if name not in same}
            at = version.committed_at.isoformat(sep=" ") if version.committed_at else ""
            text = "no row" if version.image is None else shown(image or version.image)
            yield f"{version.server or 'before':<8} {version.operation:<7} {at:<27}{text}".rstrip()


def _counted(still_open: Sequence[Recorded]) -> str:
    kinds = Counter(conflict.kind for conflict in still_open)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{len(still_open)} open: {listed}" if still_open else "no conflict is open"


def manual_lines(servers: Servers, still_open: Sequence[Recorded]) -> Iterator[str]:
    """Yield the open conflicts and what to run, statement by statement, to decide them one by one."""
    yield from conflict_lines(servers, still_open)
    if not still_open:
        return
    topology = servers.topology
    first = recorder(servers).name
    yield ""
    yield "Recorded in wavetank.replication_conflicts and wavetank.conflict_versions; nothing else was changed."
    yield f"All at once: make resolve INSTANCE={topology.instance} STRATEGY=latest-wins, or source-wins=<server>."
    yield "One by one, as admin:"
    peers, everybody = (", ".join(node.name for node in nodes) for nodes in (topology.peers, topology.nodes))
    yield f"  on {peers}: SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = ON;"
    yield f"  on {everybody}: SET GLOBAL replica_exec_mode = 'IDEMPOTENT'; START REPLICA;"
    yield "  when all have the same @@GLOBAL.gtid_executed,"
    yield f"  on {first}: CALL wavetank.ResolveConflict({still_open[0].conflict_id}, 'source-wins', '{first}');"
    yield "  and so on for each; when all have the same again,"
    yield f"  on {everybody}: SET GLOBAL replica_exec_mode = 'STRICT';"
    yield f"  make topology-up INSTANCE={topology.instance} opens what shall be open; make conflicts says what is left"


def resolution_lines(done: Resolution) -> Iterator[str]:
    """Yield what was decided, and what is left."""
    kinds = Counter(conflict.kind for conflict in done.resolved)
    yield from (f"  {kind:<14} {count}" for kind, count in sorted(kinds.items()))
    yield from (f"✗ {conflict.conflict_id} {conflict.where} is still open: {why}" for conflict, why in done.refused)
    for finding in done.left:
        yield f"✗ {finding.node} expected {finding.expected}; found {finding.found}"
    winners = Counter(conflict.winner or "nobody" for conflict in done.resolved)
    listed = ", ".join(f"{name} won {count}" for name, count in sorted(winners.items()))
    equal = "all servers hold the same rows" if not done.left else "servers hold different rows"
    yield (
        f"{len(done.resolved)} resolved by {done.strategy}{': ' * bool(listed)}{listed}; {equal}; "
        f"closed to writes for {done.closed_s:.1f} s"
    )
