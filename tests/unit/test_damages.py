"""What topology-up is asked to mend in tests/broken/: every damage that is not a person's to decide about."""

import pytest
from damages import instances
from mending import mend

CASES = [(name, title) for name, module in instances().items() for title in module.CASES]


def at_once(module: str) -> set[str]:
    return {title for titles in getattr(instances()[module], "AT_ONCE", ()) for title in titles}


@pytest.mark.parametrize(("module", "title"), CASES)
def test_what_is_mended_without_topology_up_is_mended_by_it_as_well(module: str, title: str) -> None:
    damages = instances()[module]
    alike = getattr(damages, "ALIKE", {})
    assert damages.CASES[title].undo is not mend or alike.get(title, title) in at_once(module)


@pytest.mark.parametrize("module", instances())
def test_what_is_done_at_once_is_a_damage_of_its_own(module: str) -> None:
    damages = instances()[module]
    assert at_once(module) | getattr(damages, "ALIKE", {}).keys() <= damages.CASES.keys()
