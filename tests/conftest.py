"""Instances for the tests that need real servers: one an inventory, or the one that --instance names."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from commands import up, wavetank
from fronts import why_not
from wavetank.cli_options import DEFAULT_TOPOLOGY


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
    brought: list[str] = []

    def bring(instance: str, **options: str | int) -> str:
        if instance not in brought:
            if reason := why_not(str(options.get("TOPOLOGY", DEFAULT_TOPOLOGY))):
                pytest.skip(reason)
            try:
                up(instance, **options)
            except BaseException:
                # One that failed is not there: the next test that needs it tries anew.
                wavetank("down", INSTANCE=instance)
                raise
            brought.append(instance)
        return instance

    try:
        yield bring
    finally:
        for instance in brought:
            wavetank("down", INSTANCE=instance)


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
