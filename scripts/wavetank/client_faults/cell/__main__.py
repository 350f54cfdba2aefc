"""Run one cell: what is to be done comes as the first line of standard input."""

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from wavetank.client_faults.cell.telling import tell
from wavetank.client_faults.subjects.server import Server

SUBJECTS = "wavetank.client_faults.subjects"
SCENARIOS = "wavetank.client_faults.cell.scenarios"


def main() -> None:
    """Do what the scenario says, and end without waiting for threads that hang."""
    spec = json.loads(sys.stdin.readline())
    try:
        module = load(spec["subject"])
    except ImportError as missing:
        tell("not installed", says=str(missing))
        return
    # Not before: asyncio loads the system's TLS library, and after it the connector's C extension loads no more.
    from wavetank.client_faults.cell.client import CellClient  # noqa: PLC0415
    from wavetank.client_faults.cell.driven import Driven  # noqa: PLC0415

    subject = Driven(module)
    lacks = [each for each in spec["needs"] if not subject.has(each)]
    if spec["asynchronous"] is not None and subject.is_async is not spec["asynchronous"]:
        lacks.append("await" if spec["asynchronous"] else "threads")
    if lacks:
        tell("not applicable", says=f"it has no {', '.join(lacks)}")
        return
    file, _, scenario = spec["scenario"].partition(".")
    client = CellClient(subject, Server(**spec["server"]), spec["hardened"], spec["cell"], spec["cap_s"])
    tell("loaded", pid=os.getpid())
    getattr(importlib.import_module(f"{SCENARIOS}.{file}"), scenario)(client)


def load(subject: str) -> ModuleType:
    """Return the subject of that name, or the one in the file of that path.

    Raises:
        ImportError: its library is not installed, or cannot be loaded here.
    """
    if not subject.endswith(".py"):
        return importlib.import_module(f"{SUBJECTS}.{subject}")
    spec = importlib.util.spec_from_file_location(Path(subject).stem, subject)
    if spec is None or spec.loader is None:
        raise ImportError(f"{subject} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
