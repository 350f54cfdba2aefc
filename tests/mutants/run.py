"""Mutation testing of the judge: `make mutants`. Each module is judged by its own unit tests, and by no others.

    MODULES="gtid failover"  these modules only; all of modules.toml by default
    SAMPLE=20 SEED=1         so many mutants of each, drawn with this seed
    JOBS=2                   so many at once; one by default
    FRESH=1                  forget what earlier runs found

Exit code 0: at least 95 % of what counts was killed in every module; 1: not so; 2: wrong use.
"""

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

import workshop
from mutating import Mutant
from workshop import KILLED, SURVIVED, TIMED_OUT, UNTESTED, Shop

HERE = Path(__file__).resolve().parent
LEAST = 0.95
# Where it is said how far it is, in seconds, and how often it is looked.
SAID_EVERY_S, LOOK_EVERY_S = 20, 0.5
# A mutant is bounded by mutmut; this is the bound of a run that hangs, in seconds for each mutant.
HANGS_S = 120
JUDGED = (KILLED, SURVIVED, TIMED_OUT, UNTESTED)
# What a mutant is known by, wherever its function moves: module, function, the changed lines before and after.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Asked:
    """What the run is of."""

    shops: list[Shop]
    sample: int | None
    seed: int
    jobs: int


class WrongUseError(Exception):
    """What was asked for is not to be had; one line."""


def asked(environment: Mapping[str, str]) -> Asked:
    """Return what the environment asks for.

    Raises:
        WrongUseError: a module is not in modules.toml, or a number is none.
    """
    table = tomllib.loads((HERE / "modules.toml").read_text())["modules"]
    named = environment.get("MODULES", "").split() or list(table)
    if unknown := [name for name in named if name not in table]:
        raise WrongUseError(f"not in tests/mutants/modules.toml: {', '.join(unknown)}")
    numbers = {}
    for name, default in (("SAMPLE", "0"), ("SEED", "1"), ("JOBS", "1")):
        text = environment.get(name) or default
        if not text.isdecimal():
            raise WrongUseError(f"{name}={text}: a whole number is needed")
        numbers[name] = int(text)
    shops = [Shop(name, tuple(table[name])) for name in named]
    return Asked(shops, numbers["SAMPLE"] or None, numbers["SEED"], numbers["JOBS"] or 1)


def excuses() -> dict[Key, str]:
    """Return why a mutant that lives may: it does what the original does."""
    entries = tomllib.loads((HERE / "excused.toml").read_text())["excused"]
    return {(each["module"], each["function"], each["before"], each["after"]): each["reason"] for each in entries}


def drawn(shop: Shop, sample: int | None, seed: int) -> list[Mutant]:
    """Return the mutants of a module that this run is about."""
    mutants = shop.mutants()
    if sample is None or sample >= len(mutants):
        return mutants
    return random.Random(f"{seed} {shop.module}").sample(mutants, sample)  # noqa: S311


def key(shop: Shop, mutant: Mutant) -> Key:
    """Return what a mutant is known by in excused.toml."""
    return shop.module, mutant.function, mutant.before, mutant.after


@dataclass
class Clock:
    """How long the rest takes, by how long the mutants took that are judged."""

    left: int
    done: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def passed(self, count: int) -> None:
        """Know that so many are judged, just now."""
        self.done, self.left = self.done + count, self.left - count

    def say(self, shop: Shop, judged: int, of: int) -> None:
        """Say how far it is in a module, and when all will be done."""
        done = self.done + judged
        minutes = (time.monotonic() - self.began_s) / done * (self.left - judged) / 60 if done else 0
        print(f"{shop.module}: {judged} of {of}" + (f", about {minutes:.0f} min left" if done else ""), flush=True)


def judge(work: Mapping[Shop, list[Mutant]], jobs: int) -> Iterator[tuple[Shop, dict[str, str]]]:
    """Yield each module with what came of its mutants, by their names; say how far it is meanwhile.

    Raises:
        WrongUseError: the module's own tests fail before anything is changed, or mutmut ends otherwise.
    """
    known = {shop: shop.results() for shop in work}
    todo = {
        shop: [each for each in mutants if known[shop].get(each.name) not in (KILLED, TIMED_OUT)]
        for shop, mutants in work.items()
    }
    clock = Clock(sum(map(len, todo.values())))
    for shop, mutants in work.items():
        if todo[shop]:
            shop.prepare()
            for judged in _watched(shop, todo[shop], jobs):
                clock.say(shop, judged, len(todo[shop]))
            clock.passed(len(todo[shop]))
        results = shop.results()
        missing = [each for each in mutants if results.get(each.name) not in JUDGED]
        if missing:
            raise WrongUseError(f"{shop.module}: {len(missing)} mutants were not judged:\n{shop.last_words()}")
        yield shop, {each.name: results[each.name] for each in mutants}


def _watched(shop: Shop, mutants: list[Mutant], jobs: int) -> Iterator[int]:
    """Have mutants judged; yield now and then how many are."""
    names = {each.name for each in mutants}
    shop.forget(names)
    began_s = said_s = time.monotonic()
    with shop.running(mutants, jobs) as process:
        while process.poll() is None:
            if time.monotonic() - began_s > HANGS_S * (len(mutants) + 1):
                raise WrongUseError(f"{shop.module}: mutmut hangs:\n{shop.last_words()}")
            time.sleep(LOOK_EVERY_S)
            if time.monotonic() - said_s >= SAID_EVERY_S:
                said_s = time.monotonic()
                yield len(names & shop.results().keys())


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
        counts = (
            self.results.total(),
            self.results[KILLED],
            self.results[TIMED_OUT],
            self.alive,
            self.excused,
        )
        return f"{self.module:<28}" + "".join(f"{count:>10}" for count in counts) + f"{self.score:>9.1%}"


def report(judged: Iterator[tuple[Shop, dict[str, str]]], work: Mapping[Shop, list[Mutant]]) -> list[Line]:
    """Print each module's survivors as soon as it is judged; return the lines of the table."""
    reasons = excuses()
    lines = []
    for shop, results in judged:
        alive = [each for each in work[shop] if results[each.name] in (SURVIVED, UNTESTED)]
        excused = [each for each in alive if key(shop, each) in reasons]
        for each in alive:
            if each not in excused:
                print(f"\n{shop.module}: {each.function} {results[each.name]}")
                print("".join(f"  - {line}\n" for line in each.before.splitlines()), end="")
                print("".join(f"  + {line}\n" for line in each.after.splitlines()), end="", flush=True)
        _say_stale(shop, {key(shop, each) for each in work[shop] if each not in alive}, reasons)
        lines.append(Line(shop.module, Counter(results.values()), len(excused)))
    return lines


def _say_stale(shop: Shop, dead: set[Key], reasons: Mapping[Key, str]) -> None:
    """Say which excuses excuse nobody any more: the mutant is killed, or there is none like it."""
    there = {key(shop, each) for each in shop.mutants()}
    for excuse in reasons:
        if excuse[0] == shop.module and (excuse in dead or excuse not in there):
            print(f"\n{shop.module}: {excuse[1]}: an excuse that excuses nobody: {excuse[3]}", flush=True)


def main() -> int:
    """Judge the judge; return the exit code."""
    # However it is ended, mutmut ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wanted = asked(os.environ)
        if os.environ.get("FRESH"):
            workshop.begin_anew()
        work = {shop: drawn(shop, wanted.sample, wanted.seed) for shop in wanted.shops}
        sampled = f", {wanted.sample} of each with SEED={wanted.seed}" if wanted.sample else ""
        print(f"{sum(map(len, work.values()))} mutants of {len(work)} modules{sampled}", flush=True)
        lines = report(judge(work, wanted.jobs), work)
    except WrongUseError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here")
        return 130
    total = Line("all", sum((line.results for line in lines), Counter()), sum(line.excused for line in lines))
    heads = ("mutants", "killed", "timed out", "survived", "excused")
    print(f"\n{'module':<28}" + "".join(f"{head:>10}" for head in heads) + f"{'score':>9}")
    print(*lines, total, sep="\n")
    return 0 if all(line.score >= LEAST for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
