"""Where mutmut works on one module: a copy of the project in .wavetank/mutants/, in which scripts/ is src/.

Results are kept there, and so an interrupted run goes on. A function that changed is judged anew, and so is a mutant
that survived; one that a test killed stays killed until FRESH=1.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mutating import Mutant, mutants_of, plainly
from mutmut.stats import status_by_exit_code

HOME = Path(__file__).resolve().parents[2]
SHOPS = HOME / ".wavetank" / "mutants"
# What tests read beside the package.
FILES = ("Makefile", "README.md", "ansible.cfg", "benchmarks", "compose", "configs", "docs", "inventories", "playbooks")
KILLED, SURVIVED, UNTESTED, TIMED_OUT = "killed", "survived", "no tests", "timeout"


@dataclass(frozen=True)
class Shop:
    """The copy for one module.

    Attributes:
        module: as its file is called below the package, without .py: sharding/query/groups.
        tests: the files in tests/unit/ that judge it.
    """

    module: str
    tests: tuple[str, ...]

    @property
    def _home(self) -> Path:
        return SHOPS / self.module.replace("/", ".")

    @property
    def source(self) -> Path:
        """Return the module as mutmut finds it, from where mutmut works."""
        return Path("src", "wavetank", f"{self.module}.py")

    @property
    def _results(self) -> Path:
        return self._home / "mutants" / f"{self.source}.meta"

    def mutants(self) -> list[Mutant]:
        """Return those of the module's mutants that count."""
        return list(mutants_of(self.source, self._text()))

    def _text(self) -> str:
        return plainly((HOME / "scripts" / "wavetank" / f"{self.module}.py").read_text())

    def prepare(self) -> None:
        """Bring the copy up to what the project is now, keeping results."""
        home = self._home
        for stale in (home / "src", home / "mutants" / "tests", home / "mutants" / "mutmut-stats.json"):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        shutil.copytree(HOME / "scripts", home / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (home / self.source).write_text(self._text())
        for name in (*FILES, "tests"):
            link = home / name
            if not link.is_symlink():
                link.symlink_to(HOME / name)
        own = {
            "only_mutate": [str(self.source)],
            "pytest_add_cli_args_test_selection": [f"tests/unit/{name}" for name in self.tests],
            "also_copy": list(FILES),
        }
        lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
        settings = (HOME / "pyproject.toml").read_text()
        head, table, rest = settings.partition("[tool.mutmut]")
        comment, _, rest = rest.partition("\n")
        (home / "pyproject.toml").write_text(f"{head}{table}{comment}\n{lines}\n{rest}")

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

    @contextlib.contextmanager
    def running(self, mutants: list[Mutant], jobs: int) -> Iterator[subprocess.Popen[bytes]]:
        """Have mutmut judge these mutants meanwhile; it ends when the block does."""
        names = [each.name for each in mutants]
        command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs), *names]
        environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants"}
        with (self._home / "mutmut.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._home, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 15)
            process.wait()

    def last_words(self) -> str:
        """Return the end of what mutmut said."""
        return "\n".join((self._home / "mutmut.log").read_text().splitlines()[-15:])


def begin_anew() -> None:
    """Forget all results."""
    shutil.rmtree(SHOPS, ignore_errors=True)
