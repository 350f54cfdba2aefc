"""What `make mutants` makes of a module, what it does not count, and what it says in the end."""

import itertools
import os
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mutants"))

import mutmut_workspace
import run
from mutating import Mutant, mutants_of, plainly
from mutmut_workspace import KILLED, SURVIVED, TIMED_OUT, UNTESTED, Judged
from run import Line, WrongUseError

HERE = Path("src", "wavetank", "sea.py")


def changed(body: str) -> list[tuple[str, str]]:
    """Return what mutants make of the body of a function."""
    return [(each.before, each.after) for each in mutants_of(HERE, f"def sail(a, b):\n    {body}\n")]


def test_what_a_function_decides_is_changed() -> None:
    assert ("return a < b", "return a <= b") in changed("return a < b")


@pytest.mark.parametrize(
    "body",
    [
        'raise UsageError("a long sentence", a)', 'say("so far", a)', 'self._say("so far")', '"""Sail away."""',
        'return "SELECT a FROM b"', "pass",
    ],
)  # fmt: skip
def test_what_is_only_said_does_not_count(body: str) -> None:
    assert changed(body) == []


def test_an_encoding_is_the_same_in_capitals_and_not_another_one() -> None:
    assert ('return a.encode("utf-8")', 'return a.encode("UTF-8")') not in changed('return a.encode("utf-8")')
    assert ('return a.encode("utf-8")', "return a.encode(None)") in changed('return a.encode("utf-8")')


def test_of_a_call_all_counts_but_what_states_a_length_or_a_type() -> None:
    assert {after for _, after in changed("return zip(a, b, strict=True)")} == {
        "return zip(None, b, strict=True)", "return zip(a, None, strict=True)",
        "return zip(b, strict=True)", "return zip(a, strict=True)",
    }  # fmt: skip
    assert {after for _, after in changed('return cast("Sail", a)')} == {
        'return cast("Sail", None)',
        'return cast("Sail", )',
    }


def test_a_property_is_changed_as_a_method_is() -> None:
    source = plainly("class Sea:\n    @property\n    def calm(self):\n        return self.wind < 3\n")
    assert source == "class Sea:\n    def calm(self):\n        return self.wind < 3\n    calm = property(calm)\n"
    found = list(mutants_of(HERE, source))
    assert found[0] == Mutant(
        "wavetank.sea.xǁSeaǁcalm__mutmut_1", "Sea.calm", "return self.wind < 3", "return self.wind <= 3"
    )


def test_decorators_are_applied_from_the_innermost_and_a_setter_is_left_alone() -> None:
    assert plainly("@a\n@b(1)\ndef f(): ...\n") == "def f(): ...\nf = a(b(1)(f))\n"
    kept = "class Sea:\n    @calm.setter\n    def calm(self, x): ...\n    @classmethod\n    def f(cls): ...\n"
    assert plainly(kept) == kept


# --- what is asked for


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"MODULES": "servers/gtid nonsense"}, "not in tests/mutants/modules.toml: nonsense"),
        ({"SAMPLE": "few"}, "SAMPLE=few: a whole number is needed"),
        ({"SEED": "-1"}, "SEED=-1: a whole number is needed"),
    ],
)
def test_wrong_use_is_one_line(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(WrongUseError, match=f"^{reason}$"):
        run.asked(environment)


def test_every_judged_module_and_its_tests_are_there() -> None:
    wanted = run.asked({})
    assert (wanted.sample, wanted.jobs) == (None, 1)
    for each in wanted.modules:
        assert (mutmut_workspace.HOME / "scripts" / "wavetank" / f"{each.module}.py").exists(), each.module
        assert all((mutmut_workspace.HOME / "tests" / "unit" / name).exists() for name in each.tests), each.module
        assert each.tests
    # What the same tests judge comes together, so that it is prepared once.
    workspaces = [workspace for workspace, _ in itertools.groupby(wanted.modules, key=lambda each: each.workspace)]
    assert len(workspaces) == len(set(workspaces))


def test_the_same_seed_draws_the_same_and_another_one_another() -> None:
    module = Judged("servers/gtid", ())
    one, again, other = (run.drawn(module, 9, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert len({each.name for each in one}) == 9
    assert run.drawn(module, None, 1) == run.drawn(module, 10**6, 1) == module.mutants()


def test_every_excuse_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in run.excuses().values())


def test_what_mutants_are_asked_for_is_not_asked_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*mutmut_workspace.ASKED, "HOME_PORT"):
        monkeypatch.setenv(name, "")
    began: list[dict[str, str]] = []

    def begin(_: object, *, env: dict[str, str], **__: object) -> SimpleNamespace:
        began.append(env)
        return SimpleNamespace(poll=lambda: 0, wait=lambda: 0)

    monkeypatch.setattr(mutmut_workspace.subprocess, "Popen", begin)
    with mutmut_workspace.running(tmp_path, ["one"], jobs=1):
        pass
    assert not began[0].keys() & set(mutmut_workspace.ASKED)
    assert began[0].keys() >= {"HOME_PORT", "HYPOTHESIS_PROFILE"}


# --- what is said of it


def test_the_score_is_of_those_that_change_something() -> None:
    line = Line("gtid", Counter({KILLED: 17, TIMED_OUT: 2, SURVIVED: 2, UNTESTED: 1}), excused=2)
    assert (line.alive, line.score) == (1, 0.95)
    assert str(line).split() == ["gtid", "22", "17", "2", "1", "2", "95.0%"]
    assert Line("gtid", Counter({SURVIVED: 1}), excused=1).score == 1.0


def test_survivors_are_shown_and_excuses_that_excuse_nobody_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = Judged("servers/gtid", ())
    first, second, third, *_ = module.mutants()
    monkeypatch.setattr(
        run, "excuses", lambda: {run.key(module, second): "it is equal", run.key(module, third): "it was equal once"}
    )
    results = {first.name: UNTESTED, second.name: SURVIVED, third.name: KILLED}
    (line,) = run.report(iter([(module, results)]), {module: [first, second, third]})
    assert (line.alive, line.excused) == (1, 1)
    said = capsys.readouterr().out
    assert f"servers/gtid: {first.function} no tests\n  - {first.before}\n  + {first.after}\n" in said
    assert f"an excuse that excuses nobody: {third.after}" in said
    assert second.after not in said


def test_mutants_are_judged_and_a_second_run_knows_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mutmut_workspace, "WORKSPACES", tmp_path)
    # It is found again by pytest in a process of its own, which must not look for this one.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    module = Judged("servers/gtid", ("test_gtid.py",))
    monkeypatch.setattr(run, "all_modules", lambda: {"servers/gtid": module})
    mutants: list[Any] = [each for each in module.mutants() if each.function == "count_transactions"][:2]
    work = {module: mutants}
    ((_, results),) = run.judge(work, jobs=1)
    assert results == {each.name: KILLED for each in mutants}
    # Nothing is left to do: mutmut is not even called.
    monkeypatch.setattr(mutmut_workspace, "running", None)
    ((_, again),) = run.judge(work, jobs=1)
    assert again == results
    capsys.readouterr()
