"""Instances for the tests that need real servers: one an inventory, or the one that --instance names.

And how property tests draw what they try, in profiles that HYPOTHESIS_PROFILE names.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import up, wavetank
from fronts import why_not
from hypothesis import Phase, settings
from wavetank.cli.options import DEFAULT_TOPOLOGY

# How many downs run side by side.
DOWN_AT_ONCE = 2

# A failure in CI is the change's, never the draw's.
settings.register_profile("ci", derandomize=True, deadline=None)
# A seed drawn anew, which the header prints; --hypothesis-seed replays it.
settings.register_profile("nightly", max_examples=2000, deadline=None, print_blob=True)
# Whether something fails is all that is asked of a mutant: nothing is made smaller.
settings.register_profile("mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or "ci"
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the nightly seed here, so that it can be said."""
    if PROFILE == "nightly" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to draw the same again."""
    if PROFILE != "nightly":
        return ""
    return f"property tests: replay with make test-unit PROFILE=nightly SEED={config.option.hypothesis_seed}"


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
