"""The verdict on customers of a sharded shop who ordered while their rows moved."""

from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judge_result import JudgeResult, availability_facts, odd_clients
from wavetank.drills.traffic import shop_verdict
from wavetank.drills.traffic.availability import availability_failures, availability_of
from wavetank.drills.traffic.shop_log import Counted, Held, Read, Write
from wavetank.errors import UsageError


def judge(history: DrillHistory) -> JudgeResult:
    """Judge by the log and by what the shards hold.

    Raises:
        UsageError: nothing is declared of what the customers offered.
    """
    declared, load = history.declared, history.declared.load
    if load is None:
        raise UsageError(f"nothing is declared of the load of {declared.drill}")
    writes, reads = history.operations_of(Write), history.operations_of(Read)
    counters = [(each.shard, each.customer, each.counter) for each in history.held_of(Counted)]
    rows = shop_verdict.judge(writes, reads, history.held_of(Held), counters)
    operations = list(shop_verdict.as_operations(writes, reads))
    waiting = availability_of(operations, load, declared.storm_s, declared.mended_s)
    lost = declared.thresholds.lost
    failures = [
        *odd_clients((each.client for each in operations), declared),
        *([] if history.held is not None else ["what the shards hold is not known: nobody can say what is lost"]),
        *(rows.failures() if history.held is not None else ()),
        *shop_verdict.unserved(rows, load),
        *availability_failures(waiting, declared.promises, declared.thresholds),
        *(
            [f"{len(rows.lost)} lost, where at most {lost} was demanded"]
            if lost is not None and len(rows.lost) > lost
            else []
        ),
    ]
    return JudgeResult(
        failures,
        _facts(rows) | availability_facts(waiting, declared),
        waiting.as_dict() | {"shop": rows.as_dict()},
        waiting,
    )


def _facts(rows: shop_verdict.ShopVerdict) -> dict[str, object]:
    return {
        "orders": f"{rows.acknowledged:,} writes acknowledged, {rows.failed} failed, {rows.unknown} unknown; "
        f"lost {len(rows.lost)}, twice {len(rows.twice)}, wrong {len(rows.wrong)}, "
        f"cancelled and there {len(rows.resurrected)}",
        "looks": f"{rows.reads:,}, not current {len(rows.stale)}, not answered {rows.unread}",
    }
