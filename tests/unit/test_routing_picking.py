"""Whose turn it is."""

from collections import Counter

import pytest
from wavetank.client.splitting.settings import Endpoint
from wavetank.client.splitting.weighted_round_robin import Picker


def endpoints(*weights: int) -> list[Endpoint]:
    return [Endpoint(f"db{number}", "127.0.0.1", 3306, weight) for number, weight in enumerate(weights, 2)]


def picks(picker: Picker, candidates: list[Endpoint], count: int) -> list[str]:
    return [chosen.name for _ in range(count) if (chosen := picker.pick(candidates))]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (5, 2, 1), (1, 0)])
def test_every_round_has_everybody_by_weight(weights: tuple[int, ...]) -> None:
    candidates = endpoints(*weights)
    picker = Picker()
    for _ in range(3):
        expected = {each.name: each.weight for each in candidates if each.weight}
        assert Counter(picks(picker, candidates, sum(weights))) == expected


def test_heavy_ones_are_not_picked_in_a_row() -> None:
    assert picks(Picker(), endpoints(3, 2), 5) == ["db2", "db3", "db2", "db3", "db2"]


def test_who_was_away_is_not_owed_anything() -> None:
    picker = Picker()
    both = endpoints(1, 1)
    picks(picker, both[:1], 100)
    assert Counter(picks(picker, both, 10)) == {"db2": 5, "db3": 5}


def test_nobody_with_a_weight_is_nobody() -> None:
    assert Picker().pick(endpoints(0, 0)) is None
    assert Picker().pick([]) is None
