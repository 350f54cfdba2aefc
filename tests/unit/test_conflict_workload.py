"""The drill's workload: the same for the same seed, and nothing in it conflicts that is not planned to."""

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from wavetank.conflicts.detect import DELETE_UPDATE, SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE
from wavetank.conflicts.workload import Statement, make_workload

SERVERS = ("db1", "db2", "db3")
SEEDS = range(5)


@pytest.mark.parametrize("servers", [SERVERS[:2], SERVERS])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_seed_says_all_of_it(servers: Sequence[str], seed: int) -> None:
    assert make_workload(servers, seed, 500) == make_workload(servers, seed, 500)
    assert make_workload(servers, seed, 500) != make_workload(servers, seed + 1, 500)


@pytest.mark.parametrize("seed", SEEDS)
def test_there_is_enough_of_each_kind(seed: int) -> None:
    workload = make_workload(SERVERS, seed, 5000)
    assert workload.operations["conflicting"] >= 200
    assert workload.operations["harmless"] == 5000
    counts = Counter(planned.kind for planned in workload.planned)
    assert counts.keys() == {SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE, DELETE_UPDATE}
    assert min(counts.values()) >= 30
    statements = sum(len(transaction) for script in workload.scripts.values() for transaction in script)
    assert statements == sum(workload.operations.values())


def keys(statement: Statement) -> set[tuple[str, str]]:
    """Return what a statement names that another row, or another statement, could have: ids, shelves and codes."""
    sql, values = statement
    table = "stock" if ".stock" in sql else "items"
    texts = {str(value).lower() for value in values if str(value)[:2].lower() in ("u-", "h-", "p-", "b-")}
    numbers = {str(value) for value in values if isinstance(value, int)}
    return {(table, key) for key in texts | numbers}


@pytest.mark.parametrize("seed", SEEDS)
def test_servers_meet_only_where_it_was_planned(seed: int) -> None:
    workload = make_workload(SERVERS, seed, 2000)
    touched = {
        name: {key for transaction in script for statement in transaction for key in keys(statement)}
        for name, script in workload.scripts.items()
    }
    met = {key for one, other in itertools.combinations(touched.values(), 2) for key in one & other}
    assert met == {(planned.table, planned.key[-1]) for planned in workload.planned}


def test_of_every_conflict_it_is_known_who_wrote_what() -> None:
    for planned, labels in make_workload(SERVERS, 1, 0).planned.items():
        assert len(labels) >= 2
        assert set(labels) <= set(SERVERS)
        assert (None in labels.values()) == (planned.kind == DELETE_UPDATE)
