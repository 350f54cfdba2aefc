"""Histories of drills, small and as real ones are, and what somebody might do to them."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wavetank.conflicts.detect import DELETE_UPDATE, UPDATE_UPDATE
from wavetank.conflicts.workload import Planned
from wavetank.drills.judging.drill_spec import CLIENTS, CONFLICTS, CUSTOMERS, DrillSpec
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.records import Harmless, Labelled, Row, Told
from wavetank.drills.runner import all_drills
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.promises import Thresholds
from wavetank.drills.traffic.shop_log import Counted, Held, Read, Write

# Seconds of the monotonic clock: three before the storm, an outage of half a second, three after it was mended.
BEGAN_S, STORM_S, BACK_S, MENDED_S, ENDED_S = 100.0, 103.0, 103.5, 103.6, 106.6
CLIENTS_OF_ALL, PER_S = 4, 200.0
LOAD = Load(BEGAN_S, ENDED_S, CLIENTS_OF_ALL, PER_S, PER_S)
PERIOD_S = CLIENTS_OF_ALL / PER_S
TOOK_S = 0.004
# The one whose reads the source answers; those of others are a replica's, which is a little late.
READS_THE_SOURCE = 4
LATE_S = 0.05


def due_times() -> list[float]:
    return [BEGAN_S + number * PERIOD_S for number in range(int((ENDED_S - BEGAN_S) / PERIOD_S))]


def source_at(at_s: float) -> str:
    return "db1" if at_s < STORM_S else "db2"


def client_operations() -> list[Operation]:
    """Return what four writers and four readers did; no write was served for half a second."""
    operations, acknowledged, id_ = [], {client: [(0.0, 0)] for client in range(1, CLIENTS_OF_ALL + 1)}, 0
    for due_s in due_times():
        for client, written in acknowledged.items():
            done_s = due_s + TOOK_S
            id_ += 1
            if STORM_S <= due_s < BACK_S:
                operations.append(Operation(WRITE, client, id_, due_s, done_s, "db1", "error 2013", due_s))
            else:
                operations.append(Operation(WRITE, client, id_, due_s, done_s, source_at(due_s), "", due_s))
                written.append((done_s, id_))
            server, behind_s = (source_at(due_s), 0.0) if client == READS_THE_SOURCE else ("db3", LATE_S)
            seen = max(id_ for at_s, id_ in written if at_s < due_s - behind_s)
            operations.append(Operation(READ, client, seen, due_s, done_s, server, "", due_s))
    return operations


def of_clients(name: str, semi_sync: int) -> DrillHistory:
    operations = client_operations()
    held = [Row("db2", each.id) for each in operations if each.kind == WRITE and each.acknowledged]
    promises = all_drills()[name].PROMISES.in_force(semi_sync, own_writes=False)
    declared = DrillSpec(
        "sea", CLIENTS, promises, Thresholds(), drill=name, via=("direct",), semi_sync=semi_sync, load=LOAD,
        storm_s=STORM_S, mended_s=MENDED_S,
    )  # fmt: skip
    return DrillHistory(declared, operations, held).counted()


def of_customers(name: str, semi_sync: int) -> DrillHistory:
    operations: list[Write | Read] = []
    number = 0
    counters = dict.fromkeys(range(1, 21), 0)
    for due_s in due_times():
        for client in range(1, CLIENTS_OF_ALL + 1):
            number += 1
            customer = client + CLIENTS_OF_ALL * (number % 5)
            done_s = due_s + TOOK_S
            seen = counters[customer]
            operations.append(
                Read(customer, seen, seen, seen, due_s - 0.001, due_s - 0.0005, client=client, due_s=due_s - 0.001)
            )
            counters[customer] += 1
            operations.append(
                Write(number, "order", customer, counters[customer], 1000 + number, due_s, done_s, "acknowledged",
                      client=client, due_s=due_s)
            )  # fmt: skip
    written = [each for each in operations if isinstance(each, Write)]
    held = [
        *(Held(1 + each.customer % 2, each.customer, each.order, each.counter, each.counter) for each in written),
        *(Counted(1 + customer % 2, customer, counter) for customer, counter in counters.items()),
    ]
    promises = all_drills()[name].PROMISES.in_force(semi_sync, own_writes=True)
    declared = DrillSpec(
        "sea", CUSTOMERS, promises, Thresholds(), drill=name, via=("wavetank.sharding",), semi_sync=semi_sync,
        load=LOAD, storm_s=STORM_S, mended_s=MENDED_S,
    )  # fmt: skip
    return DrillHistory(declared, operations, held).counted()


def of_conflicts(name: str, semi_sync: int) -> DrillHistory:
    planned = [Planned(UPDATE_UPDATE, "items", ("10",)), Planned(DELETE_UPDATE, "stock", ("ham", "20"))]
    harmless = [Harmless(f"h-{number}", f"harmless {number}") for number in range(20)] + [Harmless("b-10", None)]
    told = [Told(server, number) for number in range(1, 11) for server in ("db1", "db2")]
    rows = [Labelled(server, each.code, each.label) for server in ("db1", "db2") for each in harmless if each.label]
    declared = DrillSpec(
        "sea", CONFLICTS, all_drills()[name].PROMISES, Thresholds(), drill=name, semi_sync=semi_sync,
        transactions={"db1": 10, "db2": 10}, resolved=True,
    )  # fmt: skip
    return DrillHistory(declared, [*told, *planned, *harmless], [*planned, *rows]).counted()


_OTHERS: dict[str, Callable[[str, int], DrillHistory]] = {"conflict": of_conflicts, "reshard": of_customers}


@functools.cache
def honest(name: str, semi_sync: int = 1) -> DrillHistory:
    """Return the history of a drill in which all went as it should."""
    return _OTHERS.get(name, of_clients)(name, semi_sync)


# --- doctored: each takes a history, and returns one in which its lines are counted as if it were honest


def doctored(history: DrillHistory, operations: list[Any] | None = None, held: list[Any] | None = None) -> DrillHistory:
    return replace(
        history,
        operations=history.operations if operations is None else operations,
        held=history.held if held is None else held,
    ).counted()


def is_row(record: object) -> bool:
    return isinstance(record, Row | Held | Labelled)


def write_taken_out(history: DrillHistory) -> DrillHistory:
    """Take out a row of an acknowledged write."""
    held = list(history.held or ())
    held.remove([each for each in held if is_row(each)][7])
    return doctored(history, held=held)


def row_doubled(history: DrillHistory) -> DrillHistory:
    """Have a row twice."""
    held = list(history.held or ())
    return doctored(history, held=[*held, [each for each in held if is_row(each)][7]])


def refused(each: Any) -> Any:  # noqa: ANN401
    """Return a write as it is in the log where it was refused from the storm on, and all else as it was."""
    if isinstance(each, Told):
        return replace(each, error="error 1290") if each.number > 5 else each
    if isinstance(each, Read) or each.__class__ in (Planned, Harmless) or each.sent_s < STORM_S:
        return each
    if isinstance(each, Write):
        return replace(each, outcome="failed", error="error 1290")
    return replace(each, error="error 1290", server="db1") if each.kind == WRITE else each


def writes_refused(history: DrillHistory) -> DrillHistory:
    """Refuse every write from the storm on; what it left is not there either, and no read saw it."""
    operations = [refused(each) for each in history.operations]
    gone = {each.id for each in operations if isinstance(each, Operation) and each.kind == WRITE and each.error}
    held = [each for each in history.held or () if not (isinstance(each, Row) and each.id in gone)]
    operations = [replace(each, id=min(each.id, *gone) - 1) if isinstance(each, Operation) and each.kind == READ and
                  each.id in gone else each for each in operations]  # fmt: skip
    return doctored(history, operations, held)


def client_never_returns(history: DrillHistory) -> DrillHistory:
    """Have nothing of one client after the storm; what it had been acknowledged before is there."""

    def stays(each: Any) -> bool:  # noqa: ANN401
        if isinstance(each, Told):
            return each.server != "db2" or each.number <= 5
        return not (isinstance(each, Operation | Write | Read) and each.client == 2 and each.sent_s >= STORM_S)

    operations = [each for each in history.operations if stays(each)]
    ids = {each.id for each in operations if isinstance(each, Operation)}
    orders = {each.order for each in operations if isinstance(each, Write)}
    counters = {each.customer: each.counter for each in operations if isinstance(each, Write)}
    held = [
        replace(each, counter=counters[each.customer]) if isinstance(each, Counted) else each
        for each in history.held or ()
        if (not isinstance(each, Row) or each.id in ids) and (not isinstance(each, Held) or each.order in orders)
    ]
    return doctored(history, operations, held)


def read_aged(history: DrillHistory, client: int = READS_THE_SOURCE) -> DrillHistory:
    """Let a late read see what was there a second before."""
    operations = list(history.operations)
    at, read = next(
        (at, each)
        for at, each in enumerate(operations)
        if isinstance(each, Read | Operation) and each.client == client and each.sent_s > ENDED_S - 1
        and (isinstance(each, Read) or each.kind == READ)
    )  # fmt: skip
    # Whoever doctors a read of a customer doctors what it was to see as well.
    older = replace(read, seen=read.seen - 3, least=0) if isinstance(read, Read) else replace(read, id=read.id - 200)
    operations[at] = older
    return doctored(history, operations)


DOCTORS = [write_taken_out, writes_refused, row_doubled, read_aged, client_never_returns]
