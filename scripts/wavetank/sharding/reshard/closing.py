"""Closing the keys that move, and letting writers at them again: the one place that knows what keeps writers away.

The gates of those keys go to the next map version, on all source shards at once: their locks are taken first, and only
when all are held are they committed, so that a transaction that does not end keeps nobody from writing for longer than
GATE_S. They open when that version is published, whichever map it has.

Whatever else is to keep writers from moving keys belongs into closed(), before the gates' COMMIT, and what lifts it
into publish(): every way out of a cut-over goes through that, also that of a run which finds keys that a killed one
has left closed.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import StatementError
from wavetank.sharding.catalogue import PublishedMap
from wavetank.sharding.errors import OutdatedMapError
from wavetank.sharding.gates import RAISE, lower_gate
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.rows import Session
from wavetank.threads import side_by_side

# How many seconds a transaction may keep a gate from being closed; innodb_lock_wait_timeout has whole ones.
GATE_S = 1
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def closed(context: ReshardingContext, published: PublishedMap) -> Iterator[float]:
    """Let nobody write a moving key who does not know the version after `published`, which is to be published next.

    Gives when that began, by the monotonic clock. Whatever ends this before its end, Ctrl-C included, reopens the keys.
    What cannot be reopened then is said in the error; the next run does it, as does topology-up.

    Raises:
        UsageError: a transaction did not end within GATE_S seconds, and nothing was closed; or keys stay closed.
        UnreachableError: a source does not answer.
    """
    with _held(context, published.version + 1) as (sessions, began), _reopened_on_failure(context, published):
        side_by_side(lambda session: session.run("COMMIT"), sessions)
        yield began


@contextmanager
def _held(context: ReshardingContext, version: int) -> Iterator[tuple[list[Session], float]]:
    """Give sessions that hold the gates' locks, and since when; they roll back what they have not committed."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(context.session(number))) for number in context.source_shards]
        began = time.monotonic()
        try:
            side_by_side(lambda session: _hold(session, version), sessions)
        except StatementError as error:
            raise UsageError(f"a transaction of moving keys did not end within {GATE_S} s: {error.msg}") from None
        yield sessions, began


def _hold(session: Session, version: int) -> None:
    session.run(f"SET SESSION innodb_lock_wait_timeout = {GATE_S}")
    session.run("START TRANSACTION")
    session.run(RAISE.format(gate="move", least=version))


@contextmanager
def _reopened_on_failure(context: ReshardingContext, published: PublishedMap) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        with undisturbed():
            try:
                reopen(context, published)
            except OutdatedMapError:
                pass  # somebody has published what the gates wait for
            except (UsageError, UnreachableError, StatementError) as again:
                if shut := _lower(context, published):
                    raise UsageError(
                        f"{_told(error)}, and moving keys of shard {', '.join(map(str, shut))} stay closed ({again}): "
                        "make reshard goes on, make topology-up opens them"
                    ) from error
        raise


def _lower(context: ReshardingContext, published: PublishedMap) -> list[int]:
    """Let those go on who know the newest map, where the catalogue cannot publish; return the shards that stay shut.

    The version that the gates wait for has not been published and will not be while the catalogue is gone.
    """
    shut = []
    for number in context.source_shards:
        try:
            lower_gate(context.source(number), "move", published.version + 1, published.version)
        except (UnreachableError, StatementError):
            shut.append(number)
    return shut


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep Ctrl-C and its like waiting for what must not be left half done; it takes some seconds at most."""
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if came:
        raise KeyboardInterrupt


def _told(error: BaseException) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


def publish(
    context: ReshardingContext, shard_map: ShardMap, pending: ShardMap | None, *, after: int, at_least: int = 0
) -> PublishedMap:
    """Publish the version that closed gates wait for, `at_least` so high, and with it let writers at all keys again.

    Raises:
        OutdatedMapError: somebody else has published since version `after`.
        UnreachableError: the catalogue's server does not answer; whether it has published, only it can say.
    """
    return context.catalogue.publish(shard_map, pending, after=after, at_least=at_least)


def reopen(context: ReshardingContext, published: PublishedMap, at_least: int = 0) -> PublishedMap:
    """Publish the version that closed gates wait for with the map in force: clients go on as before."""
    return publish(context, published.map, published.pending, after=published.version, at_least=at_least)
