"""The faults, a file for each group of them, found by themselves: FAULTS is what a file has. None judges anything."""

import importlib
import pkgutil
from collections.abc import Iterable

from wavetank.client_faults.lab.faults import Fault
from wavetank.errors import UsageError

# As reports list them.
GROUPS = ("server", "process", "network", "topology", "pool", "state", "sharing", "transaction", "tls")


def all_faults() -> dict[str, Fault]:
    """Return every fault by its name, by group in the order of GROUPS."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    found: list[Fault] = [fault for module in modules for fault in module.FAULTS]
    return {fault.name: fault for fault in sorted(found, key=lambda fault: GROUPS.index(fault.group))}


def named_faults(names: Iterable[str]) -> list[Fault]:
    """Return the faults of these names, or all where none is named.

    Raises:
        UsageError: there is none of a name; the message lists those that there are.
    """
    known, wanted = all_faults(), list(names)
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"there is no fault {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in wanted] if wanted else list(known.values())
