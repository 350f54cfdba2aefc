"""How far a server is behind, from what it was seen to hold and from what clients were acknowledged."""

from wavetank.drills.traffic.lag import Lag, Seen, lags
from wavetank.drills.traffic.log import WRITE, Operation

# Acknowledged at 1, 2, 3 and 5 seconds; the fourth failed.
WRITES = [
    Operation(WRITE, 1, id_, at_s - 0.1, at_s, "db1", error)
    for id_, at_s, error in [(1, 1.0, ""), (2, 2.0, ""), (3, 3.0, ""), (4, 4.0, "error 1290"), (5, 5.0, "")]
]


def behind_s(at_s: float, newest: int) -> float:
    (lag,) = lags([Seen("db2", at_s, newest)], WRITES)["db2"]
    return lag.behind_s


def test_a_server_that_holds_all_that_was_acknowledged_is_not_behind() -> None:
    assert behind_s(3.5, newest=3) == 0.0
    assert behind_s(9.0, newest=5) == 0.0


def test_a_server_is_as_late_as_the_oldest_write_that_it_lacks() -> None:
    assert behind_s(3.5, newest=1) == 1.5
    assert behind_s(9.0, newest=0) == 8.0


def test_a_write_that_failed_is_not_lacking_and_one_to_come_neither() -> None:
    assert behind_s(4.5, newest=3) == 0.0
    assert behind_s(2.5, newest=2) == 0.0


def test_of_writes_that_overtook_each_other_the_first_acknowledged_counts() -> None:
    crossed = [Operation(WRITE, 1, 1, 0.0, 3.0, "db1"), Operation(WRITE, 2, 2, 0.0, 1.0, "db1")]
    assert lags([Seen("db2", 4.0, 0)], crossed)["db2"] == [Lag(4.0, 3.0)]


def test_each_server_has_its_own_in_order_of_time() -> None:
    seen = [Seen("db3", 3.5, 3), Seen("db2", 9.0, 5), Seen("db2", 3.5, 2)]
    assert lags(seen, WRITES) == {"db2": [Lag(3.5, 0.5), Lag(9.0, 0.0)], "db3": [Lag(3.5, 0.0)]}


def test_nothing_seen_is_nothing_to_say() -> None:
    assert lags([], WRITES) == {}
