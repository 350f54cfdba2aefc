"""What may be said of a run of the tests, and how property tests draw what they try, in profiles by HYPOTHESIS_PROFILE.

Instances for the tests that need real servers are in shared.py, and which tests run side by side is in lanes.py.
"""

import os
import secrets

import pytest
from hypothesis import Phase, settings

pytest_plugins = ["lanes", "shared"]

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
    parser.addoption("--topology", help="of tests/live, run only what is about this topology")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave an instance that somebody else runs as it is: what would load or stop it is not for it."""
    if config.getoption("--instance"):
        disturbing = [item for item in items if item.get_closest_marker("disturbs")]
        config.hook.pytest_deselected(items=disturbing)
        items[:] = [item for item in items if item not in disturbing]
