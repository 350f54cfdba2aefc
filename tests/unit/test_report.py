"""A round of checks, as people and as machines read it."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import mysql.connector
import pytest
from wavetank.checks import asking
from wavetank.checks.asking import Answer, Report, all_checks, ask_all, chosen
from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.cli.check_report import print_report, summary
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

FINDING = Finding("db2", "a closed replica", "an open one", "close it")
GOOD = Report(
    "master-slave", "sea", 0.42, [Answer("writable", "db1"), Answer("writable", "db2"), Answer("server_id", "db1")]
)
RED = Report("master-slave", "sea", 0.42, [Answer("writable", "db1"), Answer("writable", "db2", (FINDING,))])
SILENT = Report(
    "master-slave",
    "sea",
    0.42,
    [Answer("writable", "db1"), Answer("writable", "db3", unanswered="db3 does not answer")],
)
OPEN = Report(
    "master-slave",
    "sea",
    0.42,
    [Answer("writable", "db1"), Answer("data_equal", "db2", not_asked=(NotAsked("the channel does not run"),))],
)
MOOT = Report(
    "four-shard", "sea", 0.42, [Answer("shard_skew", "s1", not_asked=(NotAsked("3 customers say little", moot=True),))]
)


def printed(report: Report, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_report(report)
    return capsys.readouterr().out.splitlines()


# --- the report


def test_a_finding_is_one_line_that_says_where_what_and_what_next() -> None:
    assert list(RED.lines()) == ["sea db2: writable: expected a closed replica, found an open one; next: close it"]


def test_each_finding_has_a_line() -> None:
    report = Report(
        "master-slave", "sea", 1, [Answer("writable", "db2", (FINDING, FINDING)), Answer("other", "db2", (FINDING,))]
    )
    assert len(list(report.lines())) == 3


@pytest.mark.parametrize("text", ["two\nlines", "two\r\n\nlines\n"])
def test_what_was_found_in_several_lines_is_told_in_one(text: str) -> None:
    (line,) = Report("master-slave", "sea", 1, [Answer("a", "db2", (Finding("db2", "x", text, "y"),))]).lines()
    assert "\n" not in line


def test_nothing_found_is_no_line() -> None:
    assert list(GOOD.lines()) == []


def test_what_could_not_be_asked_is_a_line_too() -> None:
    assert list(SILENT.lines()) == ["sea db3: 1 questions could not be asked"]


def test_what_was_not_asked_is_a_line_with_the_reason() -> None:
    assert list(OPEN.lines()) == ["sea db2: data_equal: not asked: the channel does not run"]


@pytest.mark.parametrize(
    ("report", "green"),
    [(GOOD, True), (RED, False), (SILENT, False), (OPEN, True), (MOOT, True)],
    ids=["good", "red", "silent", "open", "moot"],
)
def test_only_a_round_where_everybody_answered_well_is_green(report: Report, green: object) -> None:
    assert report.green is green
    assert report.as_dict()["green"] is green


@pytest.mark.parametrize(
    ("report", "proven"),
    [(GOOD, True), (RED, False), (SILENT, False), (OPEN, False), (MOOT, True)],
    ids=["good", "red", "silent", "open", "moot"],
)
def test_what_was_not_asked_proves_nothing_unless_it_has_no_meaning(report: Report, proven: object) -> None:
    assert report.proven is proven
    assert report.as_dict()["proven"] is proven
    assert report.doubts() == ([] if proven else list(report.lines()))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (GOOD, "3 answers, all good"),
        (RED, "2 answers, not all good"),
        (SILENT, "2 answers, not all good"),
        (OPEN, "2 answers, 1 not asked"),
    ],
)
def test_a_report_in_a_few_words(report: Report, words: str) -> None:
    assert report.in_words == words


def test_a_machine_reads_what_was_not_asked_and_why() -> None:
    told = json.loads(json.dumps(OPEN.as_dict()))
    assert (told["green"], told["proven"]) == (True, False)
    assert told["answers"][1]["not_asked"] == [{"reason": "the channel does not run", "moot": False}]


def test_only_answers_with_findings_are_red() -> None:
    assert (GOOD.red, RED.red, SILENT.red) == ([], [RED.answers[1]], [])


def test_a_machine_reads_the_same() -> None:
    told = json.loads(json.dumps(RED.as_dict()))
    assert (told["topology"], told["instance"]) == ("master-slave", "sea")
    assert told["seconds"] == 0.42
    assert told["answers"][1] == {
        "check": "writable",
        "node": "db2",
        "findings": [{"node": "db2", "expected": "a closed replica", "found": "an open one", "next_step": "close it"}],
        "unanswered": "",
        "not_asked": [],
    }


# --- as people read it


def test_a_good_round_is_a_line_a_check_and_a_sum(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(GOOD, capsys)
    assert len(lines) == 3
    assert lines[0].split() == ["✓", "writable", "db1,", "db2"]
    assert lines[1].split() == ["✓", "server_id", "db1"]
    assert lines[2] == "sea: all 3 answers good in 0.4 s"


def test_a_finding_says_node_expected_found_and_next(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(RED, capsys)
    assert lines[0].split()[:2] == ["✗", "writable"]
    assert [line.split(maxsplit=1) for line in lines[1:2]] == [["db2", "expected a closed replica"]]
    assert lines[2].split() == ["found", "an", "open", "one"]
    assert lines[3].split() == ["next", "close", "it"]
    assert lines[4] == "sea: 1 finding in 2 answers, 0.4 s"


def test_who_could_not_be_asked_is_not_said_to_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(SILENT, capsys)
    assert lines[0].split() == ["?", "writable", "db1"]
    assert lines[-1] == "sea: 0 findings in 2 answers, 1 could not be asked, 0.4 s"
    nobody = Report("master-slave", "sea", 0.1, [Answer("writable", "db1", unanswered="db1 does not answer")])
    assert printed(nobody, capsys)[0].split(maxsplit=2) == ["?", "writable", "nobody could be asked"]


def test_what_was_not_asked_has_neither_a_tick_nor_a_cross_and_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(OPEN, capsys)
    assert lines[1].split() == ["○", "data_equal", "db2"]
    assert lines[2].split(maxsplit=1) == ["db2", "not asked: the channel does not run"]
    assert lines[-1] == "sea: 1 answers good, 1 not asked in 0.4 s"


def test_a_finding_is_red_whatever_else_was_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer("data_equal", "db2", (FINDING,), not_asked=(NotAsked("db3 does not answer"),))
    lines = printed(Report("master-slave", "sea", 1, [answer]), capsys)
    assert lines[0].startswith("✗")
    assert any("db3 does not answer" in line for line in lines)
    assert lines[-1] == "sea: 1 finding in 1 answers, 1 not asked, 1.0 s"


def test_what_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding("db2", "[red]x[/red]", "[ERROR] [MY-010119] [/]", "grep '[bold]'")
    lines = printed(Report("master-slave", "sea", 1, [Answer("a", "db2", (finding,))]), capsys)
    assert lines[1].endswith("expected [red]x[/red]")
    assert lines[2].endswith("[ERROR] [MY-010119] [/]")
    assert lines[3].endswith("grep '[bold]'")


def test_a_long_finding_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding("db2", "x " * 300, "y", "z")
    assert len(printed(Report("master-slave", "sea", 1, [Answer("a", "db2", (finding,))]), capsys)) == 5


def test_the_sum_counts_findings_and_not_answers() -> None:
    report = Report("master-slave", "sea", 2.0, [Answer("a", "db2", (FINDING, FINDING)), Answer("b", "db2")])
    assert "2 findings" in summary(report)
    assert "in 2 answers" in summary(report)


# --- asking


def check(examine: Callable[[Node], Iterator[Seen]]) -> SimpleNamespace:
    return SimpleNamespace(
        QUESTION="?", concerns=lambda topology: topology.nodes, examine=lambda node, _servers: examine(node)
    )


def fine(_node: Node) -> Iterator[Finding]:
    yield from ()


def finds(node: Node) -> Iterator[Finding]:
    yield Finding(node.name, "x", "y", "z")


def dies(node: Node) -> Iterator[Finding]:
    yield Finding(node.name, "x", "y", "z")
    raise UnreachableError(node.name, "gone")


def is_refused(_node: Node) -> Iterator[Finding]:
    yield from ()
    raise mysql.connector.ProgrammingError(msg="SELECT command denied", errno=1142)


def leaves_out(node: Node) -> Iterator[Seen]:
    yield NotAsked(f"{node.name} is not the one")
    yield Finding(node.name, "x", "y", "z")


def is_slow(_node: Node) -> Iterator[Finding]:
    yield from ()
    raise mysql.connector.DatabaseError(msg="maximum statement execution time exceeded", errno=3024)


def dead_db2(node: Node) -> Iterator[Finding]:
    if node.name == "db2":
        yield Finding(node.name, "an answer", "none", "docker logs")


def dead_db3(node: Node) -> Iterator[Finding]:
    if node.name == "db3":
        yield Finding(node.name, "an answer", "none", "docker logs")


@pytest.fixture
def ask(make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Return a function that asks pretended checks of a topology of three."""

    def run(
        *, only: list[str] | None = None, of: Topology | None = None, **examine: Callable[[Node], Iterator[Seen]]
    ) -> Report:
        pretended = {"reachable": check(fine)} | {name: check(ask) for name, ask in examine.items()}
        monkeypatch.setattr(asking, "all_checks", lambda: pretended)
        return ask_all(Servers(of or make_topology()), only)

    return run


def test_every_check_is_asked_of_every_node_it_concerns(ask: Callable[..., Report]) -> None:
    report = ask(one=fine, other=finds)
    asked = [(answer.check, answer.node, len(answer.findings)) for answer in report.answers]
    assert sorted(asked) == sorted(
        (name, node, findings)
        for name, findings in (("reachable", 0), ("one", 0), ("other", 1))
        for node in ("db1", "db2", "db3")
    )


def test_only_the_named_checks_are_asked(ask: Callable[..., Report]) -> None:
    assert {answer.check for answer in ask(only=["one"], one=fine, other=finds).answers} == {"one"}


def test_a_server_that_does_not_answer_is_asked_nothing_else(ask: Callable[..., Report]) -> None:
    report = ask(reachable=dead_db2, other=finds)
    about = {answer.check: answer for answer in report.answers if answer.node == "db2"}
    assert about["reachable"].findings
    assert about["other"] == Answer("other", "db2", unanswered="db2 does not answer")


def test_a_server_that_dies_meanwhile_is_not_said_to_be_good(ask: Callable[..., Report]) -> None:
    report = ask(other=dies)
    unanswered = [answer for answer in report.answers if answer.check == "other"]
    assert {answer.unanswered for answer in unanswered} == {f"db{n} does not answer: gone" for n in (1, 2, 3)}
    assert not report.green


def test_a_question_that_the_server_refuses_is_a_finding(ask: Callable[..., Report]) -> None:
    report = ask(only=["other"], other=is_refused)
    assert all("1142" in answer.findings[0].found for answer in report.answers)


def test_what_a_check_leaves_out_is_kept_beside_what_it_finds(ask: Callable[..., Report]) -> None:
    for answer in ask(only=["other"], other=leaves_out).answers:
        assert answer.not_asked == (NotAsked(f"{answer.node} is not the one"),)
        assert [finding.node for finding in answer.findings] == [answer.node]


def test_a_server_that_takes_long_is_not_said_to_be_silent(ask: Callable[..., Report]) -> None:
    report = ask(only=["other"], other=is_slow)
    assert {answer.unanswered for answer in report.answers} == {""}
    assert {answer.findings[0].expected for answer in report.answers} == {"an answer in time"}


def test_what_comes_of_a_question_is_told_with_the_check_and_the_server(ask: Callable[..., Report]) -> None:
    def of_db2(examine: Callable[[Node], Iterator[Seen]]) -> Answer:
        return next(each for each in ask(only=["other"], other=examine).answers if each.node == "db2")

    assert of_db2(dies) == Answer("other", "db2", unanswered="db2 does not answer: gone")
    assert of_db2(finds) == Answer("other", "db2", (Finding("db2", "x", "y", "z"),))
    (finding,) = of_db2(is_refused).findings
    assert (finding.node, finding.expected) == ("db2", "an answer")
    assert finding.found.startswith("error 1142")
    assert finding.next_step == "make topology-up INSTANCE=sea, which mends the accounts"
    assert of_db2(is_slow) == Answer(
        "other", "db2",
        (Finding("db2", "an answer in time", "maximum statement execution time exceeded",
                 "make check INSTANCE=sea again, when there is less to do"),),
    )  # fmt: skip


def test_a_next_step_names_the_instance_where_its_name_is_not_the_topologys(
    ask: Callable[..., Report], make_topology: Callable[..., Topology]
) -> None:
    def mend(node: Node) -> Iterator[Finding]:
        yield Finding(node.name, "x", "y", "make topology-up, or make failover")

    for instance, step in (
        ("master-slave", "make topology-up, or make failover"),
        ("lake", "make topology-up INSTANCE=lake, or make failover"),
    ):
        report = ask(only=["other"], of=make_topology(instance=instance), other=mend)
        assert {each.next_step for answer in report.answers for each in answer.findings} == {step}


def test_a_question_is_asked_through_the_servers_that_are_given(
    make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, met = Servers(make_topology()), []
    servers["db2"].given_up = "of an earlier round"

    def examine(node: Node, through: Servers) -> Iterator[Finding]:
        met.append((through, servers[node.name].given_up))
        yield from ()

    pretended = SimpleNamespace(QUESTION="?", concerns=lambda topology: topology.nodes, examine=examine)
    monkeypatch.setattr(asking, "all_checks", lambda: {"reachable": check(dead_db3), "other": pretended})
    report = ask_all(servers)
    assert met == [(servers, "")] * 2
    assert servers["db3"].given_up == "it did not a moment ago"
    assert 0 <= report.seconds < 5
    assert report.seconds == round(report.seconds, 3)


def test_the_checks_of_the_project_are_found_by_themselves() -> None:
    found = all_checks()
    assert found.keys() >= asking.FIRST
    assert {"errant_transactions", "replication_threads", "writable"} <= found.keys()


# --- which checks are asked


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("applier_leg", "no check 'applier_leg'; there are: applier_lag"),
        ("shard_map", "the check shard_map has nothing to ask of sea, a master-slave topology"),
    ],
)
def test_a_check_that_cannot_be_asked_is_refused(name: str, said: str, make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError) as refusal:
        chosen(name, make_topology())
    assert str(refusal.value) == said


def test_a_name_like_no_other_is_answered_with_all_names(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError) as refusal:
        chosen("zzz", make_topology())
    assert str(refusal.value) == f"no check 'zzz'; there are: {', '.join(sorted(all_checks()))}"


def test_one_check_is_one_check_and_no_name_means_all(make_topology: Callable[..., Topology]) -> None:
    assert chosen("writable", make_topology()) == ["writable"]
    assert chosen("", make_topology()) is None
