"""What the fixture `measure` of tests/clients returns."""

from collections.abc import Callable

from wavetank.client_faults.judging.verdict import Verdict

Measure = Callable[..., dict[tuple[str, bool], Verdict]]
