"""The instances that tests share: those of one group, for as long as tests of it follow."""

import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import clear, up
from fronts import demand
from lanes import group_of
from wavetank.checks.asking import ask_all
from wavetank.cli.options import DEFAULT_TOPOLOGY
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance

# How many downs run side by side.
DOWN_AT_ONCE = 2


class Shared:
    """The instances of a group of tests: each comes up when it is first asked for, and is handed on in order."""

    def __init__(self) -> None:
        self._there: dict[str, dict[str, str | int]] = {}
        # Whether one of the tests that had them has failed, and so may not have mended what it damaged.
        self.doubtful = False

    def bring(self, instance: str, **options: str | int) -> str:
        """Have an instance with these options, as topology-up makes it; return its name."""
        # Whoever shares an instance wants the same one.
        assert self._there.get(instance, options) == options, f"{instance} is there, with {self._there[instance]}"
        demand(str(options.get("TOPOLOGY", DEFAULT_TOPOLOGY)))
        if self.doubtful and instance in self._there and (doubts := _doubts(instance)):
            warnings.warn(f"{instance} is not handed on in order, and so made anew: {doubts[0]}", stacklevel=2)
            self._take_down(instance)
        if instance not in self._there:
            try:
                up(instance, **options)
            except BaseException:
                # One that failed is not there: the next test that needs it tries anew.
                clear(instance)
                raise
            self._there[instance] = options
        return instance

    def take_down(self) -> None:
        """Take down all that are there."""
        with ThreadPoolExecutor(DOWN_AT_ONCE) as pool:
            list(pool.map(self._take_down, list(self._there)))
        self.doubtful = False

    def _take_down(self, instance: str) -> None:
        clear(instance)
        del self._there[instance]


def _doubts(instance: str) -> list[str]:
    """Return what is not in order of an instance."""
    try:
        with Servers(Instance(instance).topology()) as servers:
            return ask_all(servers).doubts()
    except Exception as error:  # noqa: BLE001 - whatever it is, the instance cannot be handed on
        return [repr(error)]


_shared = Shared()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Hand nothing on unseen after a test has failed."""
    _shared.doubtful |= report.failed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Take down what a group shares after the last of its tests: a machine does not hold the instances of all."""
    try:
        return (yield)
    finally:
        if nextitem is None or group_of(nextitem) != group_of(item):
            _shared.take_down()


@pytest.fixture(scope="session")
def bring_up() -> Iterator[Callable[..., str]]:
    """Return what brings instances up, for as long as tests of the same group follow."""
    yield _shared.bring
    _shared.take_down()
