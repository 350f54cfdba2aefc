"""Mutation testing of the judge: `make mutants`. Each module is judged by its own unit tests, and by no others.

    MODULES="servers/gtid checksums"  these modules only; all of modules.toml by default
    SAMPLE=20 SEED=1         so many mutants of each, drawn with this seed
    JOBS=2                   so many at once; one by default
    FRESH=1                  forget what earlier runs found

Exit code 0: at least 95 % of what counts was killed in every module; 1: not so; 2: wrong use.
"""

import functools
import itertools
import os
import random
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mutmut_workspace
from mutating import Mutant
from mutmut_workspace import KILLED, SURVIVED, TIMED_OUT, UNTESTED, Judged

HERE = Path(__file__).resolve().parent
LEAST = 0.95
# How often it is said how far it is, and looked, in seconds.
SAID_EVERY_S, LOOK_EVERY_S = 20, 0.5
# A mutant is bounded by mutmut; this is the bound of a run that hangs, in seconds for each mutant.
HANGS_S = 120
ENDED = (KILLED, SURVIVED, TIMED_OUT, UNTESTED)
# What a mutant is known by, wherever its function moves: module, function, the changed lines before and after.
Key = tuple[str, str, str, str]
Work = Mapping[Judged, list[Mutant]]


@dataclass(frozen=True)
class Asked:
    """What the run is of."""

    modules: list[Judged]
    sample: int | None
    seed: int
    jobs: int


class WrongUseError(Exception):
    """What was asked for is not to be had; one line."""


@functools.cache
def all_modules() -> dict[str, Judged]:
    """Return the modules of modules.toml by their names."""
    table = tomllib.loads((HERE / "modules.toml").read_text())["modules"]
    return {name: Judged(name, tuple(tests)) for name, tests in table.items()}


def asked(environment: Mapping[str, str]) -> Asked:
    """Return what the environment asks for.

    Raises:
        WrongUseError: a module is not in modules.toml, or a number is none.
    """
    table = all_modules()
    named = environment.get("MODULES", "").split() or list(table)
    if unknown := [name for name in named if name not in table]:
        raise WrongUseError(f"not in tests/mutants/modules.toml: {', '.join(unknown)}")
    numbers = {}
    for name, default in (("SAMPLE", "0"), ("SEED", "1"), ("JOBS", "1")):
        text = environment.get(name) or default
        if not text.isdecimal():
            raise WrongUseError(f"{name}={text}: a whole number is needed")
        numbers[name] = int(text)
    # Modules that the same tests judge are judged together.
    modules = sorted((table[name] for name in named), key=lambda each: each.tests)
    return Asked(modules, numbers["SAMPLE"] or None, numbers["SEED"], numbers["JOBS"] or 1)


def excuses() -> dict[Key, str]:
    """Return why a mutant that lives may: it does what the original does."""
    entries = tomllib.loads((HERE / "excused.toml").read_text())["excused"]
    return {(each["module"], each["function"], each["before"], each["after"]): each["reason"] for each in entries}


def drawn(module: Judged, sample: int | None, seed: int) -> list[Mutant]:
    """Return the mutants of a module that this run is about."""
    mutants = module.mutants()
    if sample is None or sample >= len(mutants):
        return mutants
    return random.Random(f"{seed} {module.module}").sample(mutants, sample)  # noqa: S311


def key(module: Judged, mutant: Mutant) -> Key:
    """Return what a mutant is known by in excused.toml."""
    return module.module, mutant.function, mutant.before, mutant.after


@dataclass
class Clock:
    """How long the rest takes, by how long the mutants took that are judged."""

    left: int
    done: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def passed(self, count: int, found: int) -> None:
        """Know that so many are judged, just now, and that so many more are to be."""
        self.done, self.left = self.done + count, self.left - count + found

    def say(self, judged: int) -> None:
        """Say how many are judged, and when all will be; `judged` are those since passed() was told of some."""
        done, left = self.done + judged, self.left - judged
        minutes = (time.monotonic() - self.began_s) / done * left / 60 if done else 0
        print(f"{done} of {done + left}" + (f", about {minutes:.0f} min left" if done else ""), flush=True)


def judge(work: Work, jobs: int) -> Iterator[tuple[Judged, dict[str, str]]]:
    """Yield each module with what came of its mutants, by their names; say how far it is meanwhile.

    Raises:
        WrongUseError: the module's own tests fail before anything is changed, or mutmut ends otherwise.
    """
    todo = {module: _open(module, mutants) for module, mutants in work.items()}
    clock = Clock(sum(map(len, todo.values())))
    for workspace, together in itertools.groupby(work, key=lambda module: module.workspace):
        modules = list(together)
        names = set().union(*(todo[module] for module in modules))
        if names:
            mutmut_workspace.prepare([each for each in all_modules().values() if each.workspace == workspace])
            for module in modules:
                module.forget(todo[module])
        while names:
            for judged in _watched(modules, names, jobs):
                clock.say(judged)
            # What was killed while its function read otherwise is forgotten by mutmut only as it comes to it.
            left = {each.name for module in modules for each in work[module] if each.name not in _ended(module)}
            if left & names:
                raise WrongUseError(
                    f"{workspace.name}: {len(left & names)} were not judged:\n{mutmut_workspace.log_tail(workspace)}"
                )
            clock.passed(len(names), found=len(left))
            names = left
        for module in modules:
            results = module.results()
            yield module, {each.name: results[each.name] for each in work[module]}


def _ended(module: Judged) -> set[str]:
    """Return the mutants of which something has come."""
    return {name for name, result in module.results().items() if result in ENDED}


def _open(module: Judged, mutants: list[Mutant]) -> set[str]:
    """Return the mutants that no test has killed yet."""
    known = module.results()
    return {each.name for each in mutants if known.get(each.name) not in (KILLED, TIMED_OUT)}


def _watched(modules: list[Judged], names: set[str], jobs: int) -> Iterator[int]:
    """Have mutants judged; yield now and then how many are."""
    workspace = modules[0].workspace
    began_s = said_s = time.monotonic()
    with mutmut_workspace.running(workspace, names, jobs) as process:
        while process.poll() is None:
            if time.monotonic() - began_s > HANGS_S * (len(names) + 1):
                raise WrongUseError(f"mutmut hangs:\n{mutmut_workspace.log_tail(workspace)}")
            time.sleep(LOOK_EVERY_S)
            if time.monotonic() - said_s >= SAID_EVERY_S:
                said_s = time.monotonic()
                yield sum(len(names & module.results().keys()) for module in modules)


@dataclass(frozen=True)
class Line:
    """A module's line of the table; counts of mutants."""

    module: str
    results: Counter[str]
    excused: int

    @property
    def alive(self) -> int:
        """Return how many lived although they change what the module does."""
        return self.results[SURVIVED] + self.results[UNTESTED] - self.excused

    @property
    def score(self) -> float:
        """Return the share that was killed of those that change what the module does; 1 where there is none."""
        killed = self.results[KILLED] + self.results[TIMED_OUT]
        return killed / (killed + self.alive) if killed + self.alive else 1.0

    def __str__(self) -> str:
        """Return it as the table prints it."""
        results = self.results
        counts = (results.total(), results[KILLED], results[TIMED_OUT], self.alive, self.excused)
        return f"{self.module:<40}" + "".join(f"{count:>10}" for count in counts) + f"{self.score:>9.1%}"


def report(judged: Iterator[tuple[Judged, dict[str, str]]], work: Work) -> Iterator[Line]:
    """Print each module's survivors as soon as it is judged, and yield its line of the table."""
    reasons = excuses()
    for module, results in judged:
        alive = [each for each in work[module] if results[each.name] in (SURVIVED, UNTESTED)]
        excused = [each for each in alive if key(module, each) in reasons]
        for each in alive:
            if each not in excused:
                print(f"\n{module.module}: {each.function} {results[each.name]}")
                print("".join(f"  - {line}\n" for line in each.before.splitlines()), end="")
                print("".join(f"  + {line}\n" for line in each.after.splitlines()), end="", flush=True)
        _say_stale(module, {key(module, each) for each in work[module] if each not in alive}, reasons)
        yield Line(module.module, Counter(results.values()), len(excused))


def _say_stale(module: Judged, dead: set[Key], reasons: Mapping[Key, str]) -> None:
    """Say which excuses excuse nobody any more: the mutant is killed, or there is none like it."""
    there = {key(module, each) for each in module.mutants()}
    for excuse in reasons:
        if excuse[0] == module.module and (excuse in dead or excuse not in there):
            print(f"\n{module.module}: {excuse[1]}: an excuse that excuses nobody: {excuse[3]}", flush=True)


def table(lines: list[Line]) -> None:
    """Print the table, all together in its last line."""
    heads = ("mutants", "killed", "timed out", "survived", "excused")
    total = Line("all", sum((line.results for line in lines), Counter()), sum(line.excused for line in lines))
    print(f"\n{'module':<40}" + "".join(f"{head:>10}" for head in heads) + f"{'score':>9}")
    print(*lines, total, sep="\n")


def main() -> int:
    """Judge the judge; return the exit code."""
    # However it is ended, mutmut ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lines: list[Line] = []
    try:
        wanted = asked(os.environ)
        if os.environ.get("FRESH"):
            mutmut_workspace.delete_all()
        work = {module: drawn(module, wanted.sample, wanted.seed) for module in wanted.modules}
        sampled = f", {wanted.sample} of each with SEED={wanted.seed}" if wanted.sample else ""
        print(f"{sum(map(len, work.values()))} mutants of {len(work)} modules{sampled}", flush=True)
        lines.extend(report(judge(work, wanted.jobs), work))
    except WrongUseError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here")
        return 130
    table(lines)
    return 0 if all(line.score >= LEAST for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
