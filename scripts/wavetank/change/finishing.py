"""A change of the source goes on from its record: the old one is fenced, the new one opened, the others follow."""

from collections.abc import Iterable

from wavetank.change.change_lock import only_change
from wavetank.change.failover_log import Failover, FailoverLog
from wavetank.change.fencing import fence
from wavetank.change.role_transition import Change, open_promoted, wait_for_followers
from wavetank.change.timeline import Timeline
from wavetank.errors import UnreachableError, UsageError
from wavetank.proxysql.switch import share_reads
from wavetank.servers.gtid import count_transactions, subtract
from wavetank.servers.node import Servers, answers


def open_and_follow(  # noqa: PLR0913 - what is known of a change by then
    servers: Servers,
    begun: Failover,
    timeline: Timeline,
    *,
    absent: Iterable[str] = (),
    held: str = "",
    fenced: str = "",
) -> Change:
    """Open the recorded new source, let the others follow, and remember that it is done.

    See open_promoted() for `absent` and `held`. The old source is not waited for where it was `fenced` as it was gone.

    Raises:
        UsageError: a server that answers does not follow in time.
        UnreachableError: the new source died.
    """
    try:
        unfollowing = open_promoted(servers, begun.new, begun.old, timeline, {fenced, *absent}, held)
    except UnreachableError as error:
        reason = "it died after it was recorded as the source, and make failover takes another one"
        raise UnreachableError(error.node, reason) from error
    FailoverLog(servers.instance).finish(begun, unfollowing)
    silent = wait_for_followers(servers, begun.new, fenced, unfollowing)
    timeline.add("all that answer replicate" if fenced else "all replicate")
    if not silent:
        share_reads(servers)
    return Change(begun.old, begun.new, tuple(timeline.steps), tuple(silent))


def finish(servers: Servers, begun: Failover) -> Change:
    """Finish a change whose new source is recorded and answers.

    Raises:
        UsageError: the new source has lost what it had when it was recorded.
        UnreachableError: it does not answer any more.
    """
    timeline = Timeline()
    new, old = servers.topology.node(begun.new), servers.topology.node(begun.old)
    executed = str(servers[new.name].value("SELECT @@GLOBAL.gtid_executed"))
    began_with = FailoverLog(servers.instance).began_with(servers.topology, new) or ""
    if missing := subtract(began_with, executed):
        raise UsageError(
            f"{new.name} was recorded as the source instead of {old.name} and has lost {count_transactions(missing)} "
            f"transactions that it had then ({missing}): stop it, and make failover chooses another one"
        )
    timeline.add(f"{new.name} was recorded as the source instead of {old.name}")
    # Somebody may have started or opened it since.
    fence(servers, old, answers=answers(servers[old.name]))
    timeline.add(f"{old.name} fenced")
    return open_and_follow(servers, begun, timeline, absent=begun.silent, held=executed, fenced=old.name)


def finish_all(servers: Servers) -> list[str]:
    """Finish every change whose new source is recorded, now that all servers answer; return what was done.

    A failover that got no further than the fence is forgotten: its source is there again.

    Raises:
        UsageError: one cannot be finished, or another change is under way.
    """
    with only_change(servers):
        begun = FailoverLog(servers.instance).unfinished(servers.topology)
        changes = [finish(servers, each) for each in begun]
        FailoverLog(servers.instance).settle()
    return [f"{change.new} is the source instead of {change.old}" for change in changes]
