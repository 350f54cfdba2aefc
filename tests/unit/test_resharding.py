"""What of a resharding can be decided without servers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pymysqlreplication.event import GtidEvent, QueryEvent, XAPrepareEvent, XidEvent
from pymysqlreplication.row_event import DeleteRowsEvent
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.shop_log import Held, Read, Write
from wavetank.drills.traffic.shop_verdict import ShopVerdict, judge, longest_wait_ms, unserved
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.node import STATEMENT_BYTES, StatementError
from wavetank.sharding.catalogue import PublishedMap
from wavetank.sharding.maps.factory import KINDS, make_map
from wavetank.sharding.reshard import copying, cutover, decision, log_reading, run
from wavetank.sharding.reshard.copying import _outside
from wavetank.sharding.reshard.cutover import CutOver, cut_over
from wavetank.sharding.reshard.following import Progress
from wavetank.sharding.reshard.ledger import Chunk
from wavetank.sharding.reshard.log_reading import Logged, read_log, settle
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.next_map import changed_map, check_count
from wavetank.sharding.reshard.outcome import Resharded
from wavetank.sharding.reshard.replicas import refuse_unreplicated, what_is_missing
from wavetank.sharding.reshard.rows import Column, Table, statements
from wavetank.sharding.reshard.view import progress_line

UUID = "c900bfda-e4f0-11f1-9f0c-0242c0a8a003"


def change(number: int) -> Any:  # noqa: ANN401
    return ("orders", None, {"order_id": str(number)})


# --- the binary log


def event(kind: type, **attributes: Any) -> Any:  # noqa: ANN401
    made = kind.__new__(kind)
    vars(made).update(attributes)
    return made


def log(*parts: Any) -> list[Logged]:  # noqa: ANN401
    """Read a log of parts: a number begins a transaction, a text is a statement."""
    events = []
    for part in parts:
        if isinstance(part, int):
            events.append(event(GtidEvent, sid=bytes(16), gno=part, lt_type=2))
        elif isinstance(part, str):
            events.append(event(QueryEvent, query=part, schema=b""))
        else:
            events.append(part)
    return list(read_log(events, "shop_1", ["orders"], "s1"))


def prepare(gtrid: bytes) -> Any:  # noqa: ANN401
    return event(XAPrepareEvent, one_phase=False, xid_gtrid=gtrid, xid_bqual=b"1", xid_format_id=7)


def test_a_transaction_ends_where_the_log_says() -> None:
    found = log(1, "BEGIN", event(XidEvent, xid=1), 2, "CREATE TABLE other.t (id INT)", 3, "BEGIN", "COMMIT")
    assert [each.gtid.rpartition(":")[2] for each in found] == ["1", "2", "3"]


def test_a_prepared_transaction_has_the_name_by_which_it_is_committed() -> None:
    first, second = log(
        1, "XA START X'6162',X'31',7", "XA END X'6162',X'31',7", prepare(b"ab"), 2, "XA COMMIT X'6162',X'31',7"
    )
    assert first.prepares == second.commits != ""
    (third,) = log(3, "XA ROLLBACK X'6162',X'31',7")
    assert third.forgets == first.prepares


@pytest.mark.parametrize("statement", ["ALTER TABLE shop_1.orders ADD x INT", "DROP TABLE `shop_1`.`orders`"])
def test_a_schema_that_changes_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="was changed while its rows move"):
        log(1, statement)


def test_what_was_prepared_counts_when_it_is_committed() -> None:
    prepared: dict[str, Logged] = {}
    branch = Logged("u:1", [change(1)], prepares="x")
    assert settle([branch, Logged("u:2", [change(2)])], prepared) == (["u:2"], [change(2)])
    gtids, changes = settle([Logged("u:3", commits="x")], prepared)
    assert (sorted(gtids), changes) == (["u:1", "u:3"], [change(1)])
    assert not prepared


def test_what_was_rolled_back_never_was() -> None:
    prepared: dict[str, Logged] = {}
    batch = [Logged("u:1", [change(1)], prepares="x"), Logged("u:2", forgets="x"), Logged("u:3", commits="unknown")]
    gtids, changes = settle(batch, prepared)
    assert (sorted(gtids), changes) == (["u:1", "u:2", "u:3"], [])


def test_a_transaction_in_doubt_keeps_the_log_from_being_reached() -> None:
    progress = Progress(f"{UUID}:1-10")
    progress.advance([f"{UUID}:12"], {7: 3}, 1, 0)
    assert progress.reached(f"{UUID}:1-10:12")
    assert not progress.reached(f"{UUID}:1-12")
    progress.advance([f"{UUID}:11"], {8: 3}, 1, 1)
    assert progress.reached(f"{UUID}:1-12")
    assert progress.applied == f"{UUID}:1-12"
    assert progress.take_touched() == {7: 3, 8: 3}
    assert progress.touched == 0
    assert (progress.rows, progress.deleted) == (2, 1)


def rows(schema: str, table: str) -> Any:  # noqa: ANN401
    return event(DeleteRowsEvent, schema=schema, table=table)


def test_what_a_resharding_has_removed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "row_changes", lambda event: [({"order_id": event.table}, None)])
    own, client = log(
        1, "BEGIN", rows("shop_1", "orders"), rows("sharding", "removals"), event(XidEvent, xid=1),
        2, "BEGIN", rows("shop_1", "orders"), event(XidEvent, xid=2),
    )  # fmt: skip
    assert own.changes == []
    assert client.changes == [("orders", {"order_id": "orders"}, None)]


def test_what_a_resharding_removes_says_so_in_its_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.transaction = lambda work: work()  # type: ignore[attr-defined]
    stage.tables = []  # type: ignore[attr-defined]
    stage.run = lambda statement, parameters=(): stage.done.append(f"{statement} {parameters}")  # type: ignore[method-assign]
    monkeypatch.setattr(copying, "delete", lambda _, __, customers: 0 if customers == [0] else 14)
    assert copying.remove(stage, 1, [7, 8], version=9) == 14  # type: ignore[arg-type]
    assert copying.remove(stage, 1, [0], version=9) == 0  # type: ignore[arg-type]
    (said,) = stage.done
    assert said.startswith("INSERT INTO sharding.removals")
    assert said.endswith("[9, 14]")


# --- what is on replicas


@dataclass
class Replica:
    """One that has executed something or not, or does not answer."""

    name: str
    has: bool | None

    def value(self, _: str, __: Sequence[Any] = (), *, account: str = "monitor") -> bool:  # noqa: ARG002
        if self.has is None:
            raise UnreachableError(self.name, "gone")
        return self.has


@pytest.mark.parametrize(
    ("replicas", "missing"),
    [
        ({}, ""),
        ({"a": True}, ""),
        ({"a": None}, "a not answering"),
        ({"a": None, "b": None}, "a, b not answering"),
        ({"a": None, "b": True}, ""),
        ({"a": True, "b": False}, "b not so far"),
        ({"a": None, "b": False}, "b not so far"),
    ],
)
def test_a_replica_that_does_not_answer_counts_for_nothing(replicas: dict[str, bool | None], missing: str) -> None:
    assert what_is_missing([Replica(*each) for each in replicas.items()], "u:1-9") == missing  # type: ignore[misc]


def test_a_copy_waits_for_a_replica_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LAGGARD_S", 0.01)
    throttle = copying.Throttle(Stage(), [GONE], bound_s=0)  # type: ignore[arg-type, list-item]
    with pytest.raises(WaitedInVain, match="behind s1; last seen: s1r not answering"):
        throttle.wait()


HAS, GONE = Replica("s1r", has=True), Replica("s1r", has=None)


@pytest.mark.parametrize(
    ("replicas", "without", "refusal"),
    [
        ([], False, "shards 1, 2 have no replica, .*: make topology-up REPLICAS=1, or WITHOUT_REPLICA=1 to move rows"),
        ([], True, ""),
        ([HAS], False, ""),
        ([GONE], True, r"of shard 1 no replica answers \(s1r\), and rows that are on s1 alone"),
    ],
)
def test_a_shard_without_a_replica_needs_the_users_word(replicas: list[Replica], without: bool, refusal: str) -> None:  # noqa: FBT001
    stage = Stage()
    stage.replicas = lambda _: replicas  # type: ignore[method-assign, assignment]
    with pytest.raises(UsageError, match=refusal) if refusal else nullcontext():
        refuse_unreplicated(stage, [2, 1], without_replica=without)  # type: ignore[arg-type]


def test_a_source_that_lacks_what_was_decided_by_keeps_everything() -> None:
    decided = decision.Decision(5, {}, (1, 2), {1: "u:1-9", 3: "w:1-4"})
    stage = Stage()
    stage.value = lambda *_: "u:7-9,\nu2:3"  # type: ignore[method-assign, assignment]
    lacks = (
        r"s1 lacks 4 transactions that shard 1 had at the cut-over to map version 5 \(u:7-9,u2:3\): nothing is removed"
    )
    with pytest.raises(UsageError, match=lacks):
        decision.refuse_loss(stage, decided, [1, 2])  # type: ignore[arg-type]
    decision.refuse_loss(stage, decided, [2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "deleted", "refused"), [(0, 0, True), (0, 99, True), (0, 100, False), (99, 1, False)]
)
def test_sides_that_are_equally_empty_differ_from_what_was_copied(
    there: int,
    deleted: int,
    refused: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "count_copies", lambda *_: there)
    chunks = {Chunk(1, 2, 0, 9): 60, Chunk(1, 3, 0, 9): 40, Chunk(2, 3, 0, 9): 7}
    one = SimpleNamespace(_ledger=SimpleNamespace(chunks=lambda *_: chunks), _resharding=0, _catch_up=lambda *_: None)
    context = SimpleNamespace(targets=lambda _: [2])
    follower = SimpleNamespace(source_shard=1, progress=SimpleNamespace(deleted=deleted))
    expected = f"shard 1 gave 100 rows, of which its customers have deleted {deleted}, and its targets hold 0"
    with pytest.raises(cutover.DiffersError, match=expected) if refused else nullcontext():
        run._Run._refuse_vanished(one, context, [follower])  # type: ignore[arg-type, list-item]  # noqa: SLF001


# --- what moves


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "directory"])
def test_rows_move_only_between_the_shards_that_are_followed(kind: str) -> None:
    old = make_map(kind, (1, 2, 3, 4))
    new = changed_map(old, 5, [1, 2, 3, 4, 5, 6])
    assert new.shards == (1, 2, 3, 4, 5)
    for before, after in ((old, new), (new, old)):
        context = ReshardingContext.__new__(ReshardingContext)
        context.old, context.new = before, after
        moves = {(before.shard_of(key), after.shard_of(key)) for key in keys(before.column)}
        moves = {pair for pair in moves if pair[0] != pair[1]}
        assert moves
        assert moves <= context.pairs


def keys(column: str) -> Iterator[Any]:
    if column == "customer_id":
        yield from range(500)
    elif column == "country":
        yield from (
            "DE",
            "US",
            "BR",
            "CA",
            "MX",
            "GB",
            "FR",
            "ES",
            "IN",
            "JP",
            "ID",
            "KR",
            "NG",
            "ZA",
            "KE",
            "AU",
            "NZ",
        )
    else:
        yield from (datetime(2023, month, day) for month in range(1, 13) for day in range(1, 29))  # noqa: DTZ001


def test_the_highest_shard_goes_and_the_lowest_spare_one_comes() -> None:
    old = make_map("hash", (1, 2, 4))
    assert changed_map(old, 4, [1, 2, 3, 4, 5]).shards == (1, 2, 3, 4)
    assert changed_map(old, 2, [1, 2, 3, 4, 5]).shards == (1, 2)
    with pytest.raises(UsageError, match="4 shards need servers, and there are 3: make topology-up SHARDS=4"):
        changed_map(old, 4, [1, 2, 4])


@pytest.mark.parametrize("to", [0, -1, 100])
def test_a_number_of_shards_that_cannot_be_is_refused(to: int) -> None:
    with pytest.raises(UsageError, match="make reshard TO=5"):
        check_count(to)


def test_customers_of_chunks_that_are_done_are_left_out() -> None:
    assert _outside([1, 5, 9, 12, 20], [(4, 9), (15, 30)]) == [1, 12]
    assert _outside([1, 50, 101], [(1, 100), (20, 30)]) == [101]
    assert _outside([3], []) == [3]


# --- the cut-over


BEFORE = PublishedMap(4, make_map("ring", (1,)), make_map("ring", (1, 2)))
Play = Callable[..., CutOver]


class Stage:
    """Everything that a cut-over touches, with what was done to it in its order."""

    def __init__(self, *, arrives: bool = True, differ: Sequence[int] = (), busy: bool = False) -> None:
        self.done: list[str] = []
        self.source_shards, self.shards = [1], [1, 2]
        self.source_shard, self.title = 1, "shard 1 and shard 2"
        self.catalogue = self.progress = self.servers = self.old = self
        self.guarded, self.topology = [1, 2], SimpleNamespace(shards=[])
        self.name = "s1"
        self._arrives = arrives
        self._differ = differ
        self._busy = busy
        self._asked = 0

    @contextmanager
    def impatient(self, _: int) -> Iterator["Stage"]:
        yield self

    def read(self) -> PublishedMap:
        return BEFORE

    def session(self, _: int) -> "Stage":
        return self

    def source(self, _: int) -> "Stage":
        return self

    def replicas(self, _: int) -> list["Stage"]:
        return []

    def run(self, statement: str) -> None:
        if "gates" in statement:
            if self._busy:
                raise StatementError(errno=1205, msg="Lock wait timeout exceeded")
            self.done.append("gate held")
        if statement == "COMMIT":
            self.commit()

    def commit(self) -> None:
        self.done.append("gate closed")

    def query(self, _: str, parameters: Sequence[Any], account: str = "") -> None:
        to, gate, least = parameters
        self.done.append(f"gate {gate} from {least} to {to}")
        assert account

    def close(self) -> None:
        pass

    def value(self, _: str) -> str:
        return "u:1-9"

    def reached(self, _: str) -> bool:
        # Before the gate is closed the log is read to its end; after it, some time later.
        closed = "gate closed" in self.done
        self._asked += closed
        there = not closed or (self._arrives and self._asked > 2)
        if closed and there:
            self.done.append("drained")
        return there

    def take_touched(self) -> dict[int, int]:
        return {7: 2}

    def of(self, touched: Mapping[int, int]) -> list[int]:
        return list(touched)

    def now(self, _: "Stage", customers: list[int]) -> list[int]:
        self.done.append(f"compared {customers}")
        return [customer for customer in customers if customer in self._differ]

    def publish(self, shard_map: Any, pending: Any = None, *, after: int, at_least: int) -> PublishedMap:  # noqa: ANN401
        assert at_least <= after + 1
        self.done.append(f"published {shard_map.shards} then {pending and pending.shards}")
        return PublishedMap(after + 1, shard_map, pending)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CutOver]:
    monkeypatch.setattr(decision, "_note_at_catalogue", lambda stage, *_: stage.done.append("decided"))
    monkeypatch.setattr(decision, "_note_elsewhere", lambda stage, *_: stage.done.append("known"))

    def do(stage: Any, told: Callable[[str], None] = lambda _: None) -> CutOver:  # noqa: ANN401
        return cut_over(stage, BEFORE, [stage], [stage], told)

    return do


def test_a_cut_over_closes_drains_compares_decides_and_only_then_publishes(play: Play) -> None:
    stage = Stage()
    done = play(stage)
    steps = ["gate held", "gate closed", "drained", "compared [7]", "decided", "known", "published (1, 2) then None"]
    assert stage.done == steps
    assert (done.published.version, done.compared) == (5, 1)


@pytest.mark.parametrize(
    ("stage", "refusal"),
    [
        (Stage(arrives=False), "binary logs"),
        (Stage(differ=[7]), r"shard 1 and shard 2 differ in the rows of 1 customers \(7\)"),
    ],
)
def test_a_cut_over_that_fails_lets_clients_go_on_with_the_old_map(
    stage: Stage, refusal: str, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover, "DRAIN_S", 0.02)
    with pytest.raises(UsageError, match=refusal):
        play(stage)
    assert stage.done[-1] == "published (1,) then (1, 2)"
    assert "published (1, 2) then None" not in stage.done


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


ENDS = (KeyboardInterrupt(), UnreachableError("s1", "gone"), StatementError(errno=1290, msg="read-only"), OSError("x"))


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", ["take_touched", "now", "told"])
def test_whatever_ends_a_cut_over_reopens_the_keys(step: str, error: BaseException, play: Play) -> None:
    stage = Stage()
    if step != "told":
        setattr(stage, step, raising(error))
    with pytest.raises(type(error)):
        play(stage, raising(error) if step == "told" else lambda _: None)
    assert stage.done[1] == "gate closed"
    assert stage.done[-1] == "published (1,) then (1, 2)"


def test_gates_of_which_one_could_not_be_closed_are_reopened(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, other = Stage(), Stage()
    stage.source_shards = [1, 2]
    monkeypatch.setattr(stage, "session", lambda number: stage if number == 1 else other)
    monkeypatch.setattr(other, "commit", raising(UnreachableError("s2", "gone")))
    with pytest.raises(UnreachableError, match="s2 does not answer"):
        play(stage)
    assert stage.done[-1] == "published (1,) then (1, 2)"


def test_keys_are_reopened_on_their_shards_where_the_catalogue_is_gone(play: Play) -> None:
    stage = Stage()
    stage.publish = raising(UnreachableError("s1", "gone"))  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        play(stage, raising(KeyboardInterrupt()))
    assert stage.done[-1] == "gate move from 5 to 4"


@pytest.mark.parametrize("published", [False, True])
def test_a_catalogue_that_restarts_while_all_is_decided_is_waited_for(published: bool, play: Play) -> None:  # noqa: FBT001
    stage = Stage()
    after = PublishedMap(5, make_map("ring", (1, 2)))
    publish = stage.publish

    def restart(*arguments: Any, **named: Any) -> PublishedMap:  # noqa: ANN401
        # Whether it had published before that, only it can say.
        stage.publish = publish  # type: ignore[method-assign]
        if published:
            publish(*arguments, **named)
            stage.read = lambda: after  # type: ignore[method-assign]
        raise UnreachableError("s1", "gone")

    stage.publish = restart  # type: ignore[method-assign]
    assert play(stage).published == after
    assert stage.done.count("published (1, 2) then None") == 1
    assert "published (1,) then (1, 2)" not in stage.done


def test_what_is_decided_is_never_taken_back(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "CONCLUDE_S", 0.01)
    stage = Stage()
    stage.publish = raising(UnreachableError("s1", "gone"))  # type: ignore[method-assign]
    stays = (
        "the cut-over to map version 5 could not be concluded .*: moving keys stay closed until make reshard goes on"
    )
    with pytest.raises(UsageError, match=stays):
        play(stage)
    assert stage.done[-1] == "known"


def test_keys_that_stay_closed_are_said(play: Play) -> None:
    stage = Stage()
    stage.publish = stage.query = raising(UnreachableError("s1", "gone"))  # type: ignore[method-assign]
    with pytest.raises(UsageError) as refusal:
        play(stage, raising(KeyboardInterrupt()))
    assert str(refusal.value) == (
        "interrupted, and moving keys of shard 1 stay closed (s1 does not answer: gone): "
        "make reshard goes on, make topology-up opens them"
    )


def test_a_transaction_that_does_not_end_keeps_the_gates_open(play: Play) -> None:
    stage = Stage(busy=True)
    with pytest.raises(UsageError, match="a transaction of moving keys did not end within 1 s"):
        play(stage)
    assert stage.done == []


# --- statements


ORDERS = Table(
    "orders",
    (Column("order_id", "bigint", nullable=False), Column("note", "varchar", nullable=True)),
    ("order_id",),
)


def test_statements_hold_all_rows_and_fit_into_a_record() -> None:
    literals = [f"({number},'{'x' * (number % 300)}')" for number in range(1000)]
    made = list(statements(ORDERS, literals))
    assert max(map(len, made)) <= STATEMENT_BYTES
    assert len(made) < 20
    assert ",".join(each.removeprefix(ORDERS.into) for each in made) == ",".join(literals)
    assert list(statements(ORDERS, [])) == []
    assert len(list(statements(ORDERS, ["(1,'" + "x" * 2 * STATEMENT_BYTES + "')"]))) == 1


def test_an_integer_of_the_log_is_a_number_again() -> None:
    # As texts these two are one floating-point number to the server.
    assert ORDERS.value("order_id", "117278151461048321") == 117278151461048321
    assert ORDERS.value("note", "12") == "12"
    assert ORDERS.value("note", None) is None


# --- what people read


def test_lines_say_how_far_it_is() -> None:
    assert progress_line("copy", 500, 2000, 100.0) == "copy: 500 of about 2,000 rows, 100 a second, 15 s left"
    assert progress_line("copy", 0, 2000, 0.0) == "copy: 0 of about 2,000 rows, 0 a second"


def test_nothing_to_do_is_said() -> None:
    assert list(Resharded(4, 4, 7, changed=False).lines()) == ["4 shards are in the map already: nothing to do"]


# --- the drill's verdict


def write(id_: int, order: int = 1, **values: Any) -> Write:  # noqa: ANN401
    given = {"kind": "order", "customer": 9, "counter": id_, "sent_s": 0.0, "done_s": 0.1, "outcome": "acknowledged"}
    return Write(id=id_, order=order, **{**given, **values})  # type: ignore[arg-type]


def held(order: int, total: int, shard: int = 1) -> Held:
    return Held(shard, 9, order, total, total)


@pytest.mark.parametrize(
    ("writes", "orders", "wrong"),
    [
        ([write(1)], [held(1, 1)], ""),
        ([write(1)], [], "lost"),
        ([write(1, outcome="unknown")], [], ""),
        ([write(1, outcome="unknown")], [held(1, 1)], ""),
        ([write(1), write(2, kind="change")], [held(1, 2)], ""),
        ([write(1), write(2, kind="change")], [held(1, 1)], "wrong"),
        ([write(1), write(2, kind="change", outcome="unknown")], [held(1, 1)], ""),
        ([write(1), write(2, kind="change", outcome="failed")], [held(1, 2)], "wrong"),
        ([write(1)], [Held(1, 9, 1, 1, None)], "wrong"),
        ([write(1), write(2, kind="cancel")], [held(1, 1)], "resurrected"),
        ([write(1), write(2, kind="cancel", outcome="unknown")], [held(1, 1)], ""),
        ([write(1)], [held(1, 1), held(1, 1, shard=2)], "twice"),
        ([write(1, outcome="failed")], [held(1, 1)], "unexpected"),
    ],
)
def test_an_order_is_judged_by_its_writes(writes: list[Write], orders: list[Held], wrong: str) -> None:
    counter = max((each.counter for each in writes if each.outcome == "acknowledged"), default=0)
    verdict = judge(writes, [], orders, [(1, 9, counter)])
    assert [name for name in ("lost", "wrong", "resurrected", "twice", "unexpected") if getattr(verdict, name)] == (
        [wrong] if wrong else []
    )
    assert not verdict.counters
    assert bool(verdict.as_dict()["undead"]) == (wrong == "resurrected")
    assert bool(verdict.failures()) == bool(wrong)


@pytest.mark.parametrize(("rows", "good"), [([2], True), ([3], True), ([1], False), ([], False), ([0], False)])
def test_a_counter_is_the_last_acknowledged_one_or_one_that_nobody_knows_of(rows: list[int], good: bool) -> None:  # noqa: FBT001
    writes = [write(1), write(2, order=2), write(3, order=3, outcome="unknown")]
    orders = [held(1, 1), held(2, 2)]
    assert (judge(writes, [], orders, [(1, 9, each) for each in rows]).counters == ()) == good


def test_a_read_saw_what_was_true_while_it_was_under_way() -> None:
    reads = [Read(9, seen, 3, 5, 0.0, 0.1) for seen in (2, 3, 5, 6)]
    verdict = judge([], [*reads, Read(9, 0, 3, 5, 0.0, 0.1, error="refused")], [], [(1, 9, 0)])
    assert [each.seen for each in verdict.stale] == [2, 6]
    assert (verdict.reads, verdict.unread) == (5, 1)
    assert verdict.failures() == ["2 reads were not current: customer 9 read 2, which was to be 3 to 5"]


def test_a_read_that_failed_is_not_current() -> None:
    assert not Read(9, 4, 3, 5, 0.0, 0.1, error="refused").current


def test_what_a_read_had_to_see_is_what_the_log_says_and_not_only_its_own_word() -> None:
    doctored = Read(9, 0, 0, 5, 3.0, 3.1)
    verdict = judge([write(1), write(2, order=2)], [doctored], [held(1, 1), held(2, 2)], [(1, 9, 2)])
    assert [(each.seen, each.least) for each in verdict.stale] == [(0, 2)]


def test_a_customer_of_whom_nothing_was_acknowledged_is_there_all_the_same() -> None:
    assert judge([write(1, outcome="failed")], [], [], [(1, 9, 0)]).failures() == []
    assert judge([write(1, outcome="failed")], [], [], []).counters == (9,)
    assert judge([], [Read(9, 0, 0, 0, 0.0, 0.1)], [], []).counters == (9,)


@pytest.mark.parametrize(
    ("verdict", "missing"),
    [
        (ShopVerdict(acknowledged=2000, failed=0, unknown=0, reads=2000), []),
        # A busy machine, which serves what it is asked.
        (ShopVerdict(acknowledged=40, failed=0, unknown=0, reads=40), []),
        (
            ShopVerdict(acknowledged=0, failed=2000, unknown=0, reads=2000),
            ["only 0 writes were acknowledged of 2,000 that were offered",
             "only 0 writes were acknowledged of 2,000 that were sent"],
        ),
        (
            ShopVerdict(acknowledged=2000, failed=0, unknown=0, reads=2000, unread=2000),
            [
                "only 0 reads were current of 2,000 that were offered",
                "only 0 reads were current of 2,000 that were sent",
            ],
        ),
        (
            ShopVerdict(acknowledged=1700, failed=200, unknown=100, reads=2000),
            ["only 1,700 writes were acknowledged of 2,000 that were sent"],
        ),
        (
            ShopVerdict(acknowledged=39, failed=0, unknown=0, reads=2000),
            ["only 39 writes were acknowledged of 2,000 that were offered"],
        ),
    ],
)  # fmt: skip
def test_nothing_passes_because_nothing_was_done(verdict: ShopVerdict, missing: list[str]) -> None:
    assert list(unserved(verdict, Load(0.0, 10.0, 4, 200, 200))) == missing


def test_the_longest_wait_is_that_of_the_customers_and_the_time_asked_for() -> None:
    writes = [
        write(1, sent_s=1.0, done_s=1.2),
        write(2, sent_s=2.0, done_s=2.5, customer=8),
        write(3, sent_s=9.0, done_s=9.9),
    ]
    assert longest_wait_ms(writes, {9}, 0.0, 5.0) == 200.0
    assert longest_wait_ms(writes, {7}, 0.0, 5.0) == 0.0
