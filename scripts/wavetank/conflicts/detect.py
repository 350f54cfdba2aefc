"""Which changes were made without knowledge of each other and touch the same thing. Pure: asks nobody.

Two changes are concurrent where neither server had the other's transaction when it committed its own. They
conflict where they also meet: on one row, on one value of a unique index, or on a parent that one side removed
and the other refers to. Whether replication stopped there or went on in silence plays no part.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wavetank.servers.binlog.catalogue import PRIMARY, Key, Name, Table, Weights
from wavetank.servers.binlog.history import Change, Order
from wavetank.servers.binlog.values import Image

SAME_PRIMARY_KEY = "primary key"
SAME_UNIQUE_KEY = "unique key"
UPDATE_UPDATE = "update/update"
DELETE_UPDATE = "delete/update"
DELETE_DELETE = "delete/delete"
FOREIGN_KEY = "foreign key"
KINDS = (SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE, DELETE_UPDATE, DELETE_DELETE, FOREIGN_KEY)


@dataclass(frozen=True, eq=False)
class Effect:
    """What a change did to one row; a change of the primary key removed one row and made another.

    Attributes:
        change: the change.
        row: the row's primary key.
        before: the row before.
        after: the row after.
        held: the unique keys that the row has afterwards.
        freed: those that it had before.
        refers: the keys of parents that it refers to afterwards.
        referred: those that it referred to before.
    """

    change: Change
    row: Key
    before: Image | None
    after: Image | None
    held: frozenset[Key]
    freed: frozenset[Key]
    refers: frozenset[Key] = frozenset()
    referred: frozenset[Key] = frozenset()

    @property
    def lost(self) -> frozenset[Key]:
        """The keys that nobody can refer to any more."""
        return self.freed - self.held | (frozenset({self.row}) if self.after is None else frozenset())

    @property
    def operation(self) -> str:
        """What it did, as SQL names it."""
        return "insert" if self.before is None else "delete" if self.after is None else "update"

    @property
    def image(self) -> Image:
        """The row, as it is or was."""
        image = self.after if self.after is not None else self.before
        assert image is not None  # noqa: S101 - for mypy: a change has one of the two
        return image


@dataclass(frozen=True, eq=False)
class Conflict:
    """Changes that met.

    Attributes:
        kind: one of KINDS.
        key: where they met.
        effects: what each side did there, in no order.
        settled: whether a later change, which came after all of them everywhere, decided it.
    """

    kind: str
    key: Key
    effects: tuple[Effect, ...]
    settled: bool

    @property
    def servers(self) -> tuple[str, ...]:
        """Whose changes met."""
        return tuple(sorted({effect.change.server for effect in self.effects}))

    @property
    def first(self) -> Effect:
        """The earliest of the changes."""
        return min(self.effects, key=lambda effect: (effect.change.committed_us, effect.change.gtid))


@dataclass(frozen=True, eq=False)
class RowVersions:
    """A row: what it was, and what each side last made of it without knowledge of the others' last.

    Each comes with the rows that it refers to and that may be gone.
    """

    row: Key
    base: tuple[Image | None, frozenset[Key]]
    candidates: tuple[tuple[Effect, frozenset[Key]], ...]


@dataclass
class Component:
    """Conflicts that cannot be resolved one by one, since their rows share keys, and all of those rows."""

    conflicts: list[Conflict] = field(default_factory=list)
    rows: list[RowVersions] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to decide."""
        return all(conflict.settled for conflict in self.conflicts)


class _Reader:
    """Turns changes into effects, with the tables' keys at hand."""

    def __init__(self, tables: Mapping[Name, Table], weights: Weights) -> None:
        self._tables = tables
        self._weights = weights

    def effects(self, change: Change) -> Iterator[Effect]:
        """Yield what a change did to rows: one, or two where it changed the primary key; none without one."""
        table = self._tables.get((change.schema, change.table))
        if table is None or PRIMARY not in table.indexes:
            return
        before, after = change.before, change.after
        if before is not None and after is not None and self._row(table, before) == self._row(table, after):
            yield self._effect(change, table, before, after)
            return
        if before is not None:
            yield self._effect(change, table, before, None)
        if after is not None:
            yield self._effect(change, table, None, after)

    def _row(self, table: Table, image: Image) -> Key | None:
        return table.key(PRIMARY, image, self._weights)

    def _effect(self, change: Change, table: Table, before: Image | None, after: Image | None) -> Effect:
        row = self._row(table, after if after is not None else before or {})
        assert row is not None  # noqa: S101 - for mypy: a primary key is never NULL
        held, freed = (self._unique(table, image) for image in (after, before))
        refers, referred = (frozenset(self._parents(table, image)) for image in (after, before))
        return Effect(change, row, before, after, held, freed, refers, referred)

    def _unique(self, table: Table, image: Image | None) -> frozenset[Key]:
        indexes = [index for index in table.indexes if index != PRIMARY] if image is not None else []
        keys = (table.key(index, image or {}, self._weights) for index in indexes)
        return frozenset(key for key in keys if key is not None)

    def _parents(self, table: Table, image: Image | None) -> Iterator[Key]:
        for reference in table.references if image is not None else ():
            parent = self._tables.get(reference.parent)
            values = dict(
                zip(reference.parent_columns, ((image or {})[column] for column in reference.columns), strict=True)
            )
            for index, parts in parent.indexes.items() if parent else ():
                if parent and {column for column, _ in parts} == values.keys():
                    key = parent.key(index, values, self._weights)
                    if key is not None:
                        yield key


def detect(changes: Iterable[Change], order: Order, tables: Mapping[Name, Table], weights: Weights) -> list[Component]:
    """Return all conflicts, in components; settled ones too."""
    reader = _Reader(tables, weights)
    effects = [effect for change in changes for effect in reader.effects(change)]
    by_row = _grouped(effects, lambda effect: (effect.row,))
    conflicts = [
        *_row_conflicts(by_row, order),
        *_unique_conflicts(_grouped(effects, lambda effect: effect.held), by_row, order),
        *_foreign_key_conflicts(_grouped(effects, lambda effect: effect.lost | effect.refers), by_row, order),
    ]
    return _components(conflicts, effects, by_row, order)


def _grouped(effects: Iterable[Effect], keys: Callable[[Effect], Iterable[Key]]) -> dict[Key, list[Effect]]:
    groups: dict[Key, list[Effect]] = defaultdict(list)
    for effect in effects:
        for key in keys(effect):
            groups[key].append(effect)
    return groups


def _meeting(group: Sequence[Effect], order: Order, meet: Callable[[Effect, Effect], bool]) -> list[Effect]:
    """Return those of the effects that are concurrent with another one that they meet."""
    by_server: dict[str, list[Effect]] = defaultdict(list)
    for effect in group:
        by_server[effect.change.server].append(effect)

    def has_company(effect: Effect, others: Sequence[Effect]) -> bool:
        # The first ones are before it and the last ones after it, so that two searches find those in between.
        theirs = [other for other in others if meet(effect, other)]
        since = bisect.bisect_left(theirs, x=True, key=lambda other: not order.before(other.change, effect.change))
        until = bisect.bisect_left(theirs, x=True, key=lambda other: order.before(effect.change, other.change))
        return since < until

    return [
        effect
        for effect in group
        if any(has_company(effect, theirs) for name, theirs in by_server.items() if name != effect.change.server)
    ]


def _episodes(involved: Sequence[Effect], order: Order) -> Iterator[list[Effect]]:
    """Yield the effects in groups, each of which came after all of those before it, everywhere."""
    episode: list[Effect] = []
    for effect in sorted(involved, key=lambda effect: (effect.change.committed_us, effect.change.place)):
        last = {earlier.change.server: earlier.change for earlier in episode}.values()
        if len(last) > 1 and all(order.before(change, effect.change) for change in last):
            yield episode
            episode = []
        episode.append(effect)
    if episode:
        yield episode


def _row_conflicts(by_row: Mapping[Key, list[Effect]], order: Order) -> Iterator[Conflict]:
    for row, group in by_row.items():
        for involved in _episodes(_meeting(group, order, lambda _one, _other: True), order):
            kind, same = _kind(involved)
            if not same:
                yield _conflict(kind, row, involved, by_row, order)


def _kind(involved: Sequence[Effect]) -> tuple[str, bool]:
    """Return what the sides together did to the row, and whether they all updated it to the same."""
    last = {effect.change.server: effect.after for effect in involved}
    gone = [after is None for after in last.values()]
    if all(effect.before is None for effect in {e.change.server: e for e in reversed(involved)}.values()):
        return SAME_PRIMARY_KEY, False
    if all(gone):
        return DELETE_DELETE, False
    if any(gone):
        return DELETE_UPDATE, False
    return UPDATE_UPDATE, all(one == other for one, other in itertools.pairwise(last.values()))


def _unique_conflicts(
    by_key: Mapping[Key, list[Effect]], by_row: Mapping[Key, list[Effect]], order: Order
) -> Iterator[Conflict]:
    for key, group in by_key.items():
        for involved in _episodes(_meeting(group, order, lambda one, other: one.row != other.row), order):
            yield _conflict(SAME_UNIQUE_KEY, key, involved, by_row, order)


def _foreign_key_conflicts(
    by_key: Mapping[Key, list[Effect]], by_row: Mapping[Key, list[Effect]], order: Order
) -> Iterator[Conflict]:
    def orphaned(one: Effect, other: Effect, key: Key) -> bool:
        return (key in one.lost and key in other.refers) or (key in one.refers and key in other.lost)

    for key, group in by_key.items():
        meeting = _meeting(group, order, lambda one, other, key=key: orphaned(one, other, key))  # type: ignore[misc]
        for involved in _episodes(meeting, order):
            yield _conflict(FOREIGN_KEY, key, involved, by_row, order)


def _conflict(
    kind: str, key: Key, involved: Sequence[Effect], by_row: Mapping[Key, list[Effect]], order: Order
) -> Conflict:
    """Return a conflict, settled where each of the rows was written once more by somebody who had seen all of it.

    An update settles only where no server can lack the row: one that lacks it passes the update over.
    """
    last = {effect.change.server: effect.change for effect in involved}.values()
    settled = all(
        any(
            (effect.operation != "update" or kind == UPDATE_UPDATE)
            and all(order.before(change, effect.change) for change in last)
            for effect in by_row[row]
        )
        for row in {effect.row for effect in involved}
    )
    return Conflict(kind, key, tuple(involved), settled)


def _components(
    conflicts: Sequence[Conflict], effects: Sequence[Effect], by_row: Mapping[Key, list[Effect]], order: Order
) -> list[Component]:
    linked = _Links()
    for conflict in conflicts:
        linked.join(effect.row for effect in conflict.effects)
    for group in _grouped(effects, lambda effect: effect.held | effect.freed).values():
        linked.join(effect.row for effect in group)
    for _, same in itertools.groupby(effects, lambda effect: id(effect.change)):
        # A server that passes a change of the primary key over has neither the old row nor the new one.
        linked.join(effect.row for effect in same)
    at_risk = _with_children(linked, conflicts, effects)
    components: dict[Key, Component] = defaultdict(Component)
    for conflict in conflicts:
        components[linked.root(conflict.first.row)].conflicts.append(conflict)
    for row, group in by_row.items():
        if (root := linked.root(row)) in components:
            components[root].rows.append(_versions(row, group, order, at_risk))
    return list(components.values())


def _with_children(
    linked: "_Links", conflicts: Sequence[Conflict], effects: Sequence[Effect]
) -> Callable[[Iterable[Key]], frozenset[Key]]:
    """Link the rows that refer to one which some server may lack; return what says which of the keys' rows those are.

    Where only updates met, no server lacks a row. Elsewhere any row of the component may be missing somewhere, then
    rows that refer to it are passed over there, and so are those that refer to them.
    """
    risky = {linked.root(conflict.first.row) for conflict in conflicts if conflict.kind != UPDATE_UPDATE}
    rows = _grouped(effects, lambda effect: {effect.row} | effect.held | effect.freed)

    def at_risk(keys: Iterable[Key]) -> frozenset[Key]:
        named = {parent.row for key in keys for parent in rows.get(key, ())}
        return frozenset(row for row in named if linked.root(row) in risky)

    left: Sequence[Effect] = ()
    children = [effect for effect in effects if effect.refers | effect.referred]
    while len(left) != len(children):
        left, children = children, []
        for child in left:
            if parents := at_risk(child.refers | child.referred):
                # Their root stays, so that the child is at risk as well.
                linked.join([*parents, child.row])
            else:
                children.append(child)
    return at_risk


def _versions(
    row: Key, group: Sequence[Effect], order: Order, at_risk: Callable[[Iterable[Key]], frozenset[Key]]
) -> RowVersions:
    last = {effect.change.server: effect for effect in group}.values()
    latest = [one for one in last if not any(order.before(one.change, other.change) for other in last)]
    # What all of them had seen is common ground; the first change beyond it says what the row was there.
    beyond = [each for each in group if not all(order.before(each.change, one.change) for one in latest)]
    first = min(beyond, key=lambda effect: (effect.change.committed_us, effect.change.server, effect.change.place))
    base = (first.before, at_risk(first.referred))
    return RowVersions(row, base, tuple((one, at_risk(one.refers)) for one in latest))


class _Links:
    """Which rows belong together (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[Key, Key] = {}

    def root(self, row: Key) -> Key:
        while (parent := self._parents.get(row, row)) != row:
            self._parents[row] = self._parents.get(parent, parent)
            row = parent
        return row

    def join(self, rows: Iterable[Key]) -> None:
        """Put rows together, under the root of the first one."""
        roots = [self.root(row) for row in rows]
        for root in roots[1:]:
            self._parents[self.root(root)] = self.root(roots[0])
