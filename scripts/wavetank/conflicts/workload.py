"""Writes for servers that do not see each other, of which it is known beforehand which ones will conflict."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wavetank.conflicts.detect import DELETE_UPDATE, SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE

SCHEMA = "drill"
# At least 200 operations that conflict with another: each conflict has two or more of them.
CONFLICTS_A_KIND = (30, 40)
TABLES = (
    f"""CREATE TABLE {SCHEMA}.items (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        code VARCHAR(40) NOT NULL,
        label VARCHAR(80) NULL,
        amount DECIMAL(10, 2) NOT NULL,
        changed DATETIME(6) NOT NULL,
        UNIQUE KEY code (code)
    )""",
    f"""CREATE TABLE {SCHEMA}.stock (
        house CHAR(3) NOT NULL,
        shelf INT NOT NULL,
        label VARCHAR(80) NULL,
        amount DECIMAL(10, 2) NOT NULL,
        changed DATETIME(6) NOT NULL,
        PRIMARY KEY (house, shelf)
    )""",
)
_EPOCH = "2026-01-01 00:00:00.000000"
# Rows that are there before the storm have every tenth number, so that there are numbers in between.
_STEP = 10
_BATCH = 500

Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True)
class Planned:
    """A conflict that will be: its kind, its table, and the values of the key where the writes meet, as text."""

    kind: str
    table: str
    key: tuple[str, ...]


@dataclass
class Workload:
    """What is there before, what each server is told, and what will come of it.

    Attributes:
        base: statements that make the rows that are there before; they run on one server.
        scripts: by server, its transactions in their order, each a list of statements.
        planned: the conflicts, each with what each server makes of the row's label, None where it deletes it.
        harmless: the label that a row of drill.items shall have in the end, by its code; None for no such row.
        operations: how many statements conflict with another, and how many do not.
    """

    base: list[Statement] = field(default_factory=list)
    scripts: dict[str, list[list[Statement]]] = field(default_factory=dict)
    planned: dict[Planned, dict[str, str | None]] = field(default_factory=dict)
    harmless: dict[str, str | None] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=lambda: {"conflicting": 0, "harmless": 0})


def make_workload(servers: Sequence[str], seed: int, harmless: int) -> Workload:
    """Return a workload that is the same for the same servers, seed and count of harmless operations."""
    return _Maker(servers, seed).make(harmless)


class _Maker:
    """Hands out rows, each for one purpose, so that nothing conflicts that was not meant to."""

    def __init__(self, servers: Sequence[str], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it is to be foreseen
        self._servers = list(servers)
        self._rows = 0
        self._workload = Workload(scripts={name: [] for name in servers})
        self._operations: dict[str, list[Statement]] = {name: [] for name in servers}

    def make(self, harmless: int) -> Workload:
        kinds = (self._same_key, self._same_code, self._updates, self._delete)
        for conflict in kinds:
            for number in range(self._random.randint(*CONFLICTS_A_KIND)):
                conflict(number)
        for number in range(harmless):
            self._harmless(number)
        self._workload.base = list(self._base())
        for name, statements in self._operations.items():
            self._random.shuffle(statements)
            self._workload.scripts[name] = list(self._transactions(statements))
        return self._workload

    def _transactions(self, statements: Sequence[Statement]) -> Iterator[list[Statement]]:
        """Cut the statements into transactions: one that fails elsewhere also has rows that would not."""
        at = 0
        while at < len(statements):
            count = self._random.randint(1, 5)
            yield list(statements[at : at + count])
            at += count

    def _take(self) -> int:
        """Return the number of a row that is there before, in both tables, and that nobody else was given."""
        self._rows += 1
        return self._rows * _STEP

    def _base(self) -> Iterator[Statement]:
        numbers = range(_STEP, (self._rows + 1) * _STEP, _STEP)
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            items = [(number, f"b-{number}", "before", 1, _EPOCH) for number in part]
            stock = [("ham", number, None, 1, _EPOCH) for number in part]
            for table, rows in (("items", items), ("stock", stock)):
                marks = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
                yield f"INSERT INTO {SCHEMA}.{table} VALUES {marks}", tuple(itertools.chain(*rows))

    def _some(self) -> list[str]:
        """Return two or more of the servers."""
        return self._random.sample(self._servers, self._random.randint(2, len(self._servers)))

    def _conflict(self, planned: Planned, labels: dict[str, str | None], statements: dict[str, Statement]) -> None:
        self._workload.planned[planned] = labels
        self._workload.operations["conflicting"] += len(statements)
        for name, statement in statements.items():
            self._operations[name].append(statement)

    def _values(self) -> tuple[str, str]:
        second = self._random.uniform(0, 1e6)
        return f"{self._random.uniform(0, 1e4):.2f}", f"2026-06-{1 + int(second) % 28:02d} 12:00:{second % 60:09.6f}"

    def _same_key(self, _number: int) -> None:
        """Let several servers insert one primary key."""
        table, row = self._random.choice(("items", "stock")), self._take() + self._random.randint(1, _STEP - 1)
        labels: dict[str, str | None] = {name: f"made by {name}" for name in self._some()}
        statements: dict[str, Statement]
        if table == "items":
            statements = {
                name: (
                    f"INSERT INTO {SCHEMA}.items VALUES (%s, %s, %s, %s, %s)",
                    (row, f"p-{row}-{name}", label, *self._values()),
                )
                for name, label in labels.items()
            }
            key: tuple[str, ...] = (str(row),)
        else:
            statements = {
                name: (f"INSERT INTO {SCHEMA}.stock VALUES ('kie', %s, %s, %s, %s)", (row, label, *self._values()))
                for name, label in labels.items()
            }
            key = ("kie", str(row))
        self._conflict(Planned(SAME_PRIMARY_KEY, table, key), labels, statements)

    def _same_code(self, number: int) -> None:
        """Let several servers give one code to different rows; its letters need not be of the same case."""
        labels: dict[str, str | None] = {name: f"coded by {name}" for name in self._some()}
        update = self._random.random() < 0.5  # noqa: PLR2004
        statements: dict[str, Statement] = {}
        for name, label in labels.items():
            code = self._random.choice((f"u-{number}", f"U-{number}"))
            if update:
                statements[name] = (
                    f"UPDATE {SCHEMA}.items SET code = %s, label = %s WHERE id = %s",
                    (code, label, self._take()),
                )
            else:
                statements[name] = (
                    f"INSERT INTO {SCHEMA}.items (code, label, amount, changed) VALUES (%s, %s, %s, %s)",
                    (code, label, *self._values()),
                )
        self._conflict(Planned(SAME_UNIQUE_KEY, "items", (f"u-{number}",)), labels, statements)

    def _updates(self, _number: int) -> None:
        """Let several servers update one row, each its own way."""
        row, labels = self._take(), {name: f"changed by {name}" for name in self._some()}
        self._change_row(UPDATE_UPDATE, row, dict(labels))

    def _delete(self, _number: int) -> None:
        """Let a server delete what others update."""
        row, names = self._take(), self._some()
        self._change_row(DELETE_UPDATE, row, {names[0]: None} | {name: f"changed by {name}" for name in names[1:]})

    def _change_row(self, kind: str, row: int, labels: dict[str, str | None]) -> None:
        table, where = self._random.choice((("items", "id = %s"), ("stock", "house = 'ham' AND shelf = %s")))
        statements: dict[str, Statement] = {
            name: (
                f"UPDATE {SCHEMA}.{table} SET label = %s, amount = %s, changed = %s WHERE {where}",
                (label, *self._values(), row),
            )
            if label is not None
            else (f"DELETE FROM {SCHEMA}.{table} WHERE {where}", (row,))
            for name, label in labels.items()
        }
        key = (str(row),) if table == "items" else ("ham", str(row))
        self._conflict(Planned(kind, table, key), labels, statements)

    def _harmless(self, number: int) -> None:
        """Let one server do something that concerns no other."""
        name, what = self._random.choice(self._servers), self._random.random()
        label = f"harmless {number}"
        if what < 0.5:  # noqa: PLR2004
            code: str = f"h-{number}"
            statement: Statement = (
                f"INSERT INTO {SCHEMA}.items (code, label, amount, changed) VALUES (%s, %s, %s, %s)",
                (code, label, *self._values()),
            )
            self._workload.harmless[code] = label
        else:
            row = self._take()
            gone = what > 0.85  # noqa: PLR2004
            statement = (
                (f"DELETE FROM {SCHEMA}.items WHERE id = %s", (row,))
                if gone
                else (f"UPDATE {SCHEMA}.items SET label = %s WHERE id = %s", (label, row))
            )
            self._workload.harmless[f"b-{row}"] = None if gone else label
        self._operations[name].append(statement)
        self._workload.operations["harmless"] += 1
