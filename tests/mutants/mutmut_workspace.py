"""Where mutmut works: copies of the project in .wavetank/mutants/, in which scripts/ is src/, one a set of tests.

Results are kept there, and so an interrupted run goes on. A function that changed is judged anew, and so is a mutant
that survived; one that a test killed stays killed until FRESH=1.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutating import Mutant, mutants_of, plainly
from mutmut.stats import status_by_exit_code
from wavetank.files import write_if_changed

HOME = Path(__file__).resolve().parents[2]
WORKSPACES = HOME / ".wavetank" / "mutants"
# What tests read beside the package.
FILES = ("Makefile", "README.md", "ansible.cfg", "benchmarks", "compose", "configs", "docs", "inventories", "playbooks")
# What `make mutants` is asked for by, in the environment.
ASKED = ("MODULES", "SAMPLE", "SEED", "JOBS", "FRESH")
# In process numbers of its own: mutmut 3.8 signals the number of a mutant when its time is over, also where it has
# ended, and by then another process of the machine may have that number.
APART = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
KILLED, SURVIVED, UNTESTED, TIMED_OUT = "killed", "survived", "no tests", "timeout"


@dataclass(frozen=True)
class Judged:
    """A module that mutants are made of.

    Attributes:
        module: as its file is called below the package, without .py: sharding/query/groups.
        tests: the files in tests/unit/ that judge it.
    """

    module: str
    tests: tuple[str, ...]

    @property
    def source(self) -> Path:
        """Return the module as mutmut finds it, from where mutmut works."""
        return Path("src", "wavetank", f"{self.module}.py")

    @property
    def text(self) -> str:
        """Return the module's text as it is mutated."""
        return _text(self.module)

    def mutants(self) -> list[Mutant]:
        """Return those of the module's mutants that count; made once for each text of it, since that takes time."""
        text = self.text
        rules = (Path(__file__).with_name("mutating.py").read_text(), (HOME / "pyproject.toml").read_text())
        known = WORKSPACES / "listed" / hashlib.sha256("|".join([self.module, text, *rules]).encode()).hexdigest()
        if not known.exists():
            known.parent.mkdir(parents=True, exist_ok=True)
            listed = [dataclasses.astuple(each) for each in mutants_of(self.source, text)]
            write_if_changed(known, json.dumps(listed))
        return [Mutant(*each) for each in json.loads(known.read_text())]

    @property
    def workspace(self) -> Path:
        """Return where mutmut works on it: one place for all that the same tests judge, since starting is slow."""
        return WORKSPACES / "+".join(name.removesuffix(".py").removeprefix("test_") for name in self.tests)

    @property
    def _results(self) -> Path:
        return self.workspace / "mutants" / f"{self.source}.meta"

    def results(self) -> dict[str, str]:
        """Return mutmut's word for what came of each mutant that was judged, by the mutant's name."""
        try:
            codes = json.loads(self._results.read_text())["exit_code_by_key"]
        except (FileNotFoundError, json.JSONDecodeError):  # it is written anew after each mutant
            return {}
        return {name: status_by_exit_code[code] for name, code in codes.items() if code is not None}

    def forget(self, names: Collection[str]) -> None:
        """Forget what came of these mutants."""
        with contextlib.suppress(FileNotFoundError):
            kept = json.loads(self._results.read_text())
            codes = kept["exit_code_by_key"]
            codes |= dict.fromkeys(codes.keys() & names)
            self._results.write_text(json.dumps(kept))


@functools.cache
def _text(module: str) -> str:
    """Return a module's text as it was at first: mutants are known by numbers, which shift when it changes."""
    return plainly((HOME / "scripts" / "wavetank" / f"{module}.py").read_text())


def prepare(together: Sequence[Judged]) -> None:
    """Bring the copy for modules that the same tests judge up to what the project is now, keeping results.

    What has not changed is not touched, so that mutmut does not make its mutants anew.
    """
    workspace = together[0].workspace
    mutated = {each.source: each.text for each in together}
    wanted = {Path("src", file.relative_to(HOME / "scripts")): file for file in (HOME / "scripts").rglob("*.py")}
    for path, file in wanted.items():
        write_if_changed(workspace / path, mutated.get(path) or file.read_bytes())
    for gone in {file.relative_to(workspace) for file in (workspace / "src").rglob("*.py")} - wanted.keys():
        (workspace / gone).unlink()
        (workspace / "mutants" / gone).unlink(missing_ok=True)
    for name in (*FILES, "tests"):
        link = workspace / name
        if not link.is_symlink():
            link.symlink_to(HOME / name)
    shutil.rmtree(workspace / "mutants" / "tests", ignore_errors=True)
    # Which test comes to which function is asked anew: tests change.
    (workspace / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    if write_if_changed(workspace / "pyproject.toml", _settings(together)):
        # Other modules, or other rules: what was made before is not what would be made now.
        shutil.rmtree(workspace / "mutants", ignore_errors=True)


def _settings(together: Sequence[Judged]) -> str:
    """Return the project's own settings, with those of mutmut that say what is judged by what."""
    own = {
        "only_mutate": [str(each.source) for each in together],
        "pytest_add_cli_args_test_selection": [f"tests/unit/{name}" for name in together[0].tests],
        "also_copy": list(FILES),
    }
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
    head, table, rest = (HOME / "pyproject.toml").read_text().partition("[tool.mutmut]")
    comment, _, rest = rest.partition("\n")
    return f"{head}{table}{comment}\n{lines}\n{rest}"


@contextlib.contextmanager
def running(workspace: Path, names: Collection[str], jobs: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have mutmut judge these mutants meanwhile; it ends when the block does."""
    command = [*APART, str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs), *names]
    # What this run is asked for is not meant for the tests, of which some ask the environment for a sample, too.
    kept = {name: value for name, value in os.environ.items() if name not in ASKED}
    environment = {**kept, "HYPOTHESIS_PROFILE": "mutants"}
    with (workspace / "mutmut.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=workspace, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait()


def log_tail(workspace: Path) -> str:
    """Return the end of what mutmut said."""
    return "\n".join((workspace / "mutmut.log").read_text().splitlines()[-15:])


def delete_all() -> None:
    """Delete all workspaces, and so all results."""
    shutil.rmtree(WORKSPACES, ignore_errors=True)
