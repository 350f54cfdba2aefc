"""Instances for the tests that need real servers: one an inventory, or the one that --instance names."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import up, wavetank
from fronts import why_not
from wavetank.cli_options import DEFAULT_TOPOLOGY

# How many downs run side by side.
DOWN_AT_ONCE = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--instance", help="verify this running instance instead of bringing one up")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave an instance that somebody else runs as it is: what would load or stop it is not for it."""
    if config.getoption("--instance"):
        disturbing = [item for item in items if item.get_closest_marker("disturbs")]
        config.hook.pytest_deselected(items=disturbing)
        items[:] = [item for item in items if item not in disturbing]


@contextlib.contextmanager
def brought_up() -> Iterator[Callable[..., str]]:
    """Lend what brings instances up; all of them are taken down at the end."""
    brought: dict[str, dict[str, str | int]] = {}

    def bring(instance: str, **options: str | int) -> str:
        # Whoever shares an instance wants the same one.
        assert brought.get(instance, options) == options, f"{instance} is there, with {brought[instance]}"
        if instance not in brought:
            if reason := why_not(str(options.get("TOPOLOGY", DEFAULT_TOPOLOGY))):
                pytest.skip(reason)
            try:
                up(instance, **options)
            except BaseException:
                # One that failed is not there: the next test that needs it tries anew.
                wavetank("down", INSTANCE=instance)
                raise
            brought[instance] = options
        return instance

    try:
        yield bring
    finally:
        with ThreadPoolExecutor(DOWN_AT_ONCE) as pool:
            list(pool.map(lambda instance: wavetank("down", INSTANCE=instance), brought))


@pytest.fixture(scope="module")
def bring_up() -> Iterator[Callable[..., str]]:
    """Bring instances up for as long as the tests of one file last: a machine does not hold those of all files."""
    with brought_up() as bring:
        yield bring


@pytest.fixture(scope="session")
def bring_up_to_stay() -> Iterator[Callable[..., str]]:
    """Bring instances up that the tests of several files share."""
    with brought_up() as bring:
        yield bring
