"""What was found, written down in wavetank.replication_conflicts and wavetank.conflict_versions."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.conflicts.detect import Component, Conflict, Effect
from wavetank.conflicts.survey import Survey, recorder
from wavetank.servers.binlog.catalogue import Key, Name, Table
from wavetank.servers.binlog.documents import Document
from wavetank.servers.binlog.values import Image, Value
from wavetank.servers.node import Row, Server, Servers, query_on

OPEN, SUPERSEDED = "open", "superseded"

_CONFLICTS = """
    SELECT conflict_id, identity, component, kind, schema_name, table_name, key_name, key_values, servers, state,
           found_at, strategy, winner, resolved_at
      FROM wavetank.replication_conflicts
"""
_NEW_CONFLICT = """
    INSERT INTO wavetank.replication_conflicts
        (component, kind, servers, state, identity, schema_name, table_name, key_name, key_values, found_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))
"""
_CHANGED_CONFLICT = """
    UPDATE wavetank.replication_conflicts SET component = %s, kind = %s, servers = %s, state = %s WHERE identity = %s
"""
_VERSIONS = """
    SELECT component, row_id, schema_name, table_name, server, operation, gtid, committed_at, after_image AS image, kept
      FROM wavetank.conflict_versions
     WHERE component IN ({components})
     ORDER BY component, row_id, committed_at
"""
_EXAMINED = """
    INSERT INTO wavetank.conflicts_examined VALUES (1, GTID_SUBTRACT(%s, ''), UTC_TIMESTAMP(6)) AS new
    ON DUPLICATE KEY UPDATE
        gtid_set = GTID_SUBTRACT(CONCAT_WS(',', NULLIF(conflicts_examined.gtid_set, ''), new.gtid_set), ''),
        examined_at = new.examined_at
"""


@dataclass(frozen=True)
class Recorded:
    """One row of wavetank.replication_conflicts."""

    conflict_id: int
    identity: str
    component: str
    kind: str
    schema_name: str
    table_name: str
    key_name: str
    key_values: Mapping[str, Any]
    servers: tuple[str, ...]
    state: str
    found_at: dt.datetime
    strategy: str | None
    winner: str | None
    resolved_at: dt.datetime | None

    @property
    def where(self) -> str:
        """The row or key as a sentence names it: schema.table id=5."""
        return f"{self.schema_name}.{self.table_name} {shown(self.key_values)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        times = {"found_at": self.found_at, "resolved_at": self.resolved_at}
        return asdict(self) | {name: time and time.isoformat() for name, time in times.items()}


@dataclass(frozen=True)
class RecordedVersion:
    """One row of wavetank.conflict_versions: what a server made of a row, or, without a server, what it was."""

    row_id: str
    schema_name: str
    table_name: str
    server: str
    operation: str
    gtid: str
    committed_at: dt.datetime | None
    image: Mapping[str, Any] | None
    kept: bool


def shown(image: Mapping[str, Any]) -> str:
    """Return a recorded row, or a part of it, as a sentence names it: id=5, photo=x'ff'."""
    return ", ".join(
        f"{name}=x'{value['hex']}'"
        if isinstance(value, dict) and "hex" in value
        else f"{name}={value['json'] if isinstance(value, dict) else value}"
        for name, value in image.items()
    )


def record(servers: Servers, found: Survey) -> None:
    """Write down what a survey found, all or nothing; what is there already is left as it is."""
    server = recorder(servers)
    known = {conflict.identity: conflict for conflict in read_records(server)}
    with server.connection("admin") as connection:
        book = _Book(lambda *statement: query_on(connection, *statement, node=server.name), known, found.tables)
        book.write(found.components)


class _Book:
    """The record, open for writing."""

    def __init__(
        self, run: Callable[..., list[Row]], known: Mapping[str, Recorded], tables: Mapping[Name, Table]
    ) -> None:
        self._run = run
        self._known = known
        self._tables = tables

    def write(self, components: Iterable[Component]) -> None:
        self._run("START TRANSACTION")
        stale = {identity for identity, conflict in self._known.items() if conflict.state == OPEN}
        for component in components:
            identities = {_identity(conflict): conflict for conflict in component.conflicts}
            undecided = [identity for identity, conflict in identities.items() if not conflict.settled]
            # What is settled keeps the record of how it was: what is open has one of its own.
            name = min(undecided or identities)
            stale -= identities.keys()
            for identity, conflict in identities.items():
                self._write_conflict(conflict, identity, name)
            if undecided or not self._known.keys() & identities.keys():
                self._write_versions(component, name)
        for identity in stale:
            self._run(
                "UPDATE wavetank.replication_conflicts SET state = %s WHERE identity = %s", [SUPERSEDED, identity]
            )
        self._run("COMMIT")

    def _write_conflict(self, conflict: Conflict, identity: str, component: str) -> None:
        known = self._known.get(identity)
        state = SUPERSEDED if conflict.settled else OPEN
        values = (component, conflict.kind, ",".join(conflict.servers), state)
        if known is None:
            key = conflict.key
            where = (key.schema, key.table, key.index, _json(_key_values(conflict, self._tables)))
            self._run(_NEW_CONFLICT, [*values, identity, *where])
        elif known.state == OPEN and (known.component, known.kind, ",".join(known.servers), known.state) != values:
            self._run(_CHANGED_CONFLICT, [*values, identity])

    def _write_versions(self, component: Component, name: str) -> None:
        rows = list(_version_rows(component, name))
        there = self._run(
            "SELECT row_id, server, gtid FROM wavetank.conflict_versions WHERE component = %s FOR UPDATE", [name]
        )
        if {(row[1], row[2], row[6]) for row in rows} == {tuple(row.values()) for row in there}:
            return
        self._run("DELETE FROM wavetank.conflict_versions WHERE component = %s", [name])
        for row in rows:
            self._run(f"INSERT INTO wavetank.conflict_versions VALUES ({', '.join(['%s'] * len(row))})", row)


def _identity(conflict: Conflict) -> str:
    return _digest(*_names(conflict.key), conflict.first.change.gtid)


def _names(key: Key) -> tuple[str, ...]:
    return (
        key.schema,
        key.table,
        key.index,
        *(value.hex() if isinstance(value, bytes) else str(value) for value in key.values),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _key_values(conflict: Conflict, tables: Mapping[Name, Table]) -> Image:
    columns = tables[conflict.key.schema, conflict.key.table].indexes[conflict.key.index]
    # Of a foreign key, the parent's side.
    image = next(
        (effect.before for effect in conflict.effects if conflict.key in effect.lost and effect.before is not None),
        conflict.first.image,
    )
    return {column: image[column] for column, _ in columns if column is not None}


def _version_rows(component: Component, name: str) -> Iterator[tuple[object, ...]]:
    for versions in component.rows:
        row = _digest(*_names(versions.row))
        place = (name, row)
        table = (versions.row.schema, versions.row.table)
        base, parents = versions.base
        yield (*place, "", *table, "base", "", None, None, _json(base), _row_ids(parents), False)
        for effect, parents in versions.candidates:
            yield (*place, effect.change.server, *table, *_version(effect, parents), False)


def _version(effect: Effect, parents: Iterable[Key]) -> tuple[object, ...]:
    committed = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=effect.change.committed_us)
    return (
        effect.operation,
        effect.change.gtid,
        committed.strftime("%Y-%m-%d %H:%M:%S.%f"),
        _json(effect.before),
        _json(effect.after),
        _row_ids(parents),
    )


def _row_ids(rows: Iterable[Key]) -> str:
    return json.dumps(sorted(_digest(*_names(row)) for row in rows))


def _json(image: Image | None) -> str | None:
    """Return a row as JSON of text; bytes, and documents of which text does not say all, as an object."""
    if image is None:
        return None
    return json.dumps({name: _plain(value) for name, value in image.items()}, ensure_ascii=False)


def _plain(value: Value) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return value.as_dict() if isinstance(value, Document) else value


def read_records(server: Server, *, state: str = "") -> list[Recorded]:
    """Return the recorded conflicts, all of them or those of a state, the oldest first."""
    where = " WHERE state = %s ORDER BY conflict_id" if state else " ORDER BY conflict_id"
    return [_recorded(row) for row in server.query(_CONFLICTS + where, [state] if state else [], account="admin")]


def _recorded(row: Row) -> Recorded:
    return Recorded(**{**row, "key_values": json.loads(row["key_values"]), "servers": tuple(row["servers"].split(","))})


def set_examined(server: Server, gtids: str) -> None:
    """Note that the GTID set needs no second look: no conflict in it is open, and none to come can reach into it."""
    server.query(_EXAMINED, [gtids], account="admin")


def read_versions(server: Server, components: Sequence[str]) -> dict[str, list[RecordedVersion]]:
    """Return the versions of each of the components, rows together, what they were before first."""
    found: dict[str, list[RecordedVersion]] = {component: [] for component in components}
    marks = ", ".join(["%s"] * len(found)) or "NULL"
    for row in server.query(
        _VERSIONS.format(components=marks),
        list(found),
        account="admin",
    ):
        image = json.loads(row["image"]) if row["image"] else None
        found[row.pop("component")].append(RecordedVersion(**{**row, "image": image, "kept": bool(row["kept"])}))
    return found
