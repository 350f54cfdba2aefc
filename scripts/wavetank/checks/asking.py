"""Who asks the questions: all checks side by side, and what came of a round of them."""

import difflib
import functools
import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from wavetank.checks import questions
from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.checksums import TOO_LATE
from wavetank.servers.node import Servers, StatementError
from wavetank.topology.model import Member, Topology

# Asked first: what does not answer cannot be asked anything else.
FIRST = frozenset({"reachable", "proxy_reachable"})
THREADS = 12


class Check(Protocol):
    """What a module of checks.questions offers; see that package's docstring."""

    __name__: str
    QUESTION: str

    def concerns(self, topology: Topology) -> Iterable[Member]:
        """Return the nodes, or proxies, that the question is about."""

    def examine(self, node: Member, servers: Servers) -> Iterator[Seen]:
        """Ask the question of one node."""


@dataclass(frozen=True)
class Answer:
    """One check's word on one node.

    Attributes:
        check: which one.
        node: whose answer it is.
        findings: what is not as it should be.
        unanswered: why the node did not answer, '' where it did.
        not_asked: what of the question was not asked, and why.
    """

    check: str
    node: str
    findings: tuple[Finding, ...] = ()
    unanswered: str = ""
    not_asked: tuple[NotAsked, ...] = ()


@dataclass
class Report:
    """All answers of one round."""

    topology: str
    instance: str
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether nothing was found, and everybody who was asked answered; see `proven`."""
        return all(not answer.findings and not answer.unanswered for answer in self.answers)

    @property
    def proven(self) -> bool:
        """Whether it is green, and no question was left out that has a meaning: for those who rely on all answers."""
        return self.green and all(each.moot for answer in self.answers for each in answer.not_asked)

    @property
    def open(self) -> list[Answer]:
        """The answers to questions that were not asked, or not wholly."""
        return [answer for answer in self.answers if answer.not_asked]

    def doubts(self) -> list[str]:
        """Return lines() where it is not proven, for those who rely on all answers; none where it is."""
        return [] if self.proven else list(self.lines())

    @property
    def in_words(self) -> str:
        """How many answers there are and how they are, as a line of a report says it."""
        good = f"{len(self.open)} not asked" if self.open else "all good"
        return f"{len(self.answers)} answers, {good if self.green else 'not all good'}"

    @property
    def red(self) -> list[Answer]:
        """The answers with findings."""
        return [answer for answer in self.answers if answer.findings]

    def lines(self) -> Iterator[str]:
        """Yield what was found, who did not answer and what was not asked, as people read it, one line each."""
        for answer in self.red:
            for finding in answer.findings:
                yield " ".join(
                    f"{self.instance} {finding.node}: {answer.check}: expected {finding.expected}, "
                    f"found {finding.found}; next: {finding.next_step}".split()
                )
        if unanswered := [answer for answer in self.answers if answer.unanswered]:
            nodes = ", ".join(sorted({answer.node for answer in unanswered}))
            yield f"{self.instance} {nodes}: {len(unanswered)} questions could not be asked"
        for answer in self.open:
            for each in answer.not_asked:
                yield f"{self.instance} {answer.node}: {answer.check}: not asked: {each.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return {"green": self.green, "proven": self.proven, **asdict(self)}


def check_names() -> list[str]:
    """Return the name of every check, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(questions.__path__))


@functools.cache
def all_checks() -> dict[str, Check]:
    """Return every check by its name."""
    return {name: importlib.import_module(f"{questions.__name__}.{name}") for name in check_names()}


def chosen(name: str, topology: Topology) -> list[str] | None:
    """Return the check called `name` as ask_all() takes it; an empty name means all of them.

    Raises:
        UsageError: there is no such check, or it has nothing to ask in this topology.
    """
    if not name:
        return None
    if name not in check_names():
        similar = difflib.get_close_matches(name, check_names())
        raise UsageError(f"no check {name!r}; there are: {', '.join(similar or check_names())}")
    if not list(all_checks()[name].concerns(topology)):
        raise UsageError(f"the check {name} has nothing to ask of {topology.instance}, a {topology.name} topology")
    return [name]


def ask(name: str, node: Member, servers: Servers) -> Answer:
    """Ask one check of one node."""
    seen: list[Seen]
    try:
        seen = list(dict.fromkeys(all_checks()[name].examine(node, servers)))
    except UnreachableError as error:
        return Answer(name, node.name, unanswered=str(error))
    except StatementError as error:
        seen = [_refused(node, error)]
    findings = tuple(_addressed(each, servers.topology) for each in seen if isinstance(each, Finding))
    return Answer(name, node.name, findings, not_asked=tuple(each for each in seen if isinstance(each, NotAsked)))


def _refused(node: Member, error: StatementError) -> Finding:
    """Return the finding that a server has not carried out a question's statement."""
    if error.errno == TOO_LATE:
        return Finding(node.name, "an answer in time", str(error.msg), "make check again, when there is less to do")
    return Finding(node.name, "an answer", f"error {error}", "make topology-up, which mends the accounts")


def _addressed(finding: Finding, topology: Topology) -> Finding:
    """Return a finding with a next step that names the instance where its name is not the topology's."""
    if topology.instance == topology.name:
        return finding
    commands = r"make (topology-up|status|check|conflicts|resolve)"
    return replace(finding, next_step=re.sub(commands, rf"make \1 INSTANCE={topology.instance}", finding.next_step))


def ask_all(servers: Servers, names: Iterable[str] | None = None) -> Report:
    """Ask every check, or those named, of every node it concerns, side by side."""
    started = time.monotonic()
    topology = servers.topology
    checks = {name: check for name, check in all_checks().items() if names is None or name in names}
    questions = [(name, node) for name, check in checks.items() for node in check.concerns(topology)]
    with ThreadPoolExecutor(THREADS) as pool:
        for node in topology.members:
            servers[node.name].given_up = ""
        first = {
            (name, node.name): pool.submit(ask, name, node, servers)
            for name in sorted(FIRST & all_checks().keys())
            for node in all_checks()[name].concerns(topology)
        }
        dead = {node for (_, node), answer in first.items() if answer.result().findings}
        for name in dead:
            servers[name].given_up = "it did not a moment ago"

        def answer(question: tuple[str, Member]) -> Answer:
            name, node = question
            if name in FIRST:
                return first[name, node.name].result()
            return (
                Answer(name, node.name, unanswered=f"{node.name} does not answer")
                if node.name in dead
                else ask(name, node, servers)
            )

        answers = list(pool.map(answer, questions))
    return Report(topology.name, topology.instance, round(time.monotonic() - started, 3), answers)
