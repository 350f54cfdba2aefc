"""The verdict on customers of a sharded shop who ordered while their rows moved."""

from wavetank.drills.judging.found import Found, odd_clients, served_facts
from wavetank.drills.judging.kept import Kept
from wavetank.drills.traffic import shop_verdict
from wavetank.drills.traffic.served import served, waited_in_vain
from wavetank.drills.traffic.shop_log import Counted, Held, Read, Write
from wavetank.errors import UsageError


def judge(kept: Kept) -> Found:
    """Judge by the log and by what the shards hold.

    Raises:
        UsageError: nothing is declared of what the customers offered.
    """
    declared, load = kept.declared, kept.declared.load
    if load is None:
        raise UsageError(f"nothing is declared of the load of {declared.drill}")
    writes, reads = kept.operations_of(Write), kept.operations_of(Read)
    counters = [(each.shard, each.customer, each.counter) for each in kept.held_of(Counted)]
    rows = shop_verdict.judge(writes, reads, kept.held_of(Held), counters)
    operations = list(shop_verdict.as_operations(writes, reads))
    waiting = served(operations, load, declared.storm_s, declared.mended_s)
    lost = declared.thresholds.lost
    failures = [
        *odd_clients((each.client for each in operations), declared),
        *([] if kept.held is not None else ["what the shards hold is not known: nobody can say what is lost"]),
        *(rows.failures() if kept.held is not None else ()),
        *shop_verdict.unserved(rows, load),
        *waited_in_vain(waiting, declared.promises, declared.thresholds),
        *(
            [f"{len(rows.lost)} lost, where at most {lost} was demanded"]
            if lost is not None and len(rows.lost) > lost
            else []
        ),
    ]
    return Found(
        failures, _facts(rows) | served_facts(waiting, declared), waiting.as_dict() | {"shop": rows.as_dict()}, waiting
    )


def _facts(rows: shop_verdict.ShopVerdict) -> dict[str, object]:
    return {
        "orders": f"{rows.acknowledged:,} writes acknowledged, {rows.failed} failed, {rows.unknown} unknown; "
        f"lost {len(rows.lost)}, twice {len(rows.twice)}, wrong {len(rows.wrong)}, "
        f"cancelled and there {len(rows.resurrected)}",
        "looks": f"{rows.reads:,}, not current {len(rows.stale)}, not answered {rows.unread}",
    }
