"""Which subjects there are, read without importing any: their libraries are not in this environment."""

import ast
import functools
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavetank.client_faults import subjects
from wavetank.client_faults.lab.bench import PYTHON
from wavetank.errors import UsageError
from wavetank.topology.instance import HOME

# Where people put clients of their own.
OWN = HOME / "configs" / "clients"
_NEEDED = ("connect", "read", "write", "transaction")
_NO_SUBJECTS = ("server",)


@dataclass(frozen=True)
class Subject:
    """One client library, or somebody's own client.

    Attributes:
        key: as SUBJECTS= names it.
        file: where it is.
        name: as its users call it.
        kind: driver, pool or ORM.
        what: the first line of its docstring.
        packages: the distributions whose versions are reported.
        hardened: the settings that are to be copied, as they stand in the file; '' for none.
    """

    key: str
    file: Path
    name: str
    kind: str
    what: str
    packages: tuple[str, ...]
    hardened: str

    @property
    def loaded_as(self) -> str:
        """What a cell loads: a module of ours, or a file."""
        return self.key if self.file.parent == _ours() else str(self.file)

    @property
    def pooled(self) -> bool:
        """Whether it has to come back by itself once a fault is over."""
        return self.kind != "driver"

    @property
    def source(self) -> str:
        """The code that runs."""
        return self.file.read_text()

    def versions(self) -> dict[str, str]:
        """Return the version of each of its packages, as far as it is installed where clients run."""
        found = _installed()
        return {name: found[_plain(name)] for name in self.packages if _plain(name) in found}


@functools.cache
def _installed() -> Mapping[str, str]:
    """Return the version of each distribution where clients run, by its plain name."""
    site = [str(path) for path in (PYTHON.parent.parent / "lib").glob("python*/site-packages")]
    return {_plain(each.name): each.version for each in importlib.metadata.distributions(path=site) if each.name}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _ours() -> Path:
    return Path(next(iter(subjects.__path__)))


def all_subjects() -> dict[str, Subject]:
    """Return every subject by its key, people's own ones last."""
    files = [*sorted(_ours().glob("[!_]*.py")), *sorted(OWN.glob("[!_]*.py"))]
    found = (read_subject(file) for file in files if file.stem not in _NO_SUBJECTS)
    return {subject.key: subject for subject in found}


def named_subjects(names: Iterable[str]) -> list[Subject]:
    """Return the subjects of these keys or in the files of these paths, or all where none is named.

    Raises:
        UsageError: there is none of a name, or a file is none; the message says what there is, or what it lacks.
    """
    known, wanted = all_subjects(), list(names)
    if unknown := [name for name in wanted if name not in known and not name.endswith(".py")]:
        raise UsageError(f"there is no subject {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] if name in known else read_subject(Path(name).resolve()) for name in wanted] or [
        *known.values()
    ]


def read_subject(file: Path) -> Subject:
    """Return what a file says of the client in it.

    Raises:
        UsageError: it cannot be read, or has not the functions that a client needs.
    """
    try:
        tree = ast.parse(file.read_text())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no client: {error}") from error
    said = _constants(tree)
    if lacking := [name for name in _NEEDED if name not in _defined(tree)]:
        raise UsageError(f"{file} is no client: it has no {', '.join(lacking)}; see docs/clients/own-client.md")
    return Subject(
        key=file.stem,
        file=file,
        name=str(said.get("NAME", file.stem)),
        kind=str(said.get("KIND", "driver")),
        what=(ast.get_docstring(tree) or "").partition("\n")[0],
        packages=tuple(said.get("PACKAGES", ())),
        hardened=_text(tree, file, "HARDENED"),
    )


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a file has at its top: functions, imports and assignments."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def _constants(tree: ast.Module) -> Mapping[str, Any]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def _text(tree: ast.Module, file: Path, name: str) -> str:
    """Return an assignment as it stands in the file, '' where there is none."""
    lines = file.read_text().splitlines()
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and node.end_lineno:
            return "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return ""
