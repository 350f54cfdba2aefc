"""A rendered my.cnf beside the settings that a server really runs with."""

import configparser
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wavetank.servers.node import Server

# Not settings but instructions to the start, or the role of the moment, which has checks of its own.
NOT_COMPARED = frozenset({"plugin_load_add", "super_read_only", "read_only", "rpl_semi_sync_source_enabled"})
# Options whose variable has another name, or reads back as something else than was written.
_VARIABLE_OF = {
    "default_time_zone": "time_zone",
    "log_bin": "log_bin_basename",
    "relay_log": "relay_log_basename",
}
_SIZE_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
_SWITCHES = {"ON": "1", "OFF": "0", "TRUE": "1", "FALSE": "0", "YES": "1", "NO": "0"}


@dataclass(frozen=True)
class Deviation:
    """One setting that is not as rendered; `by_hand` says that somebody set it while the server ran."""

    name: str
    expected: str
    found: str
    by_hand: bool

    @property
    def statement(self) -> str:
        """The statement that sets it back on a running server."""
        number = re.fullmatch(r"([0-9.]+)([KMG]?)", self.expected.strip(), re.IGNORECASE)
        text = self.expected.strip("'\"").replace("'", "''")
        literal = _normal(self.expected).removesuffix(".000000") if number else f"'{text}'"
        return f"SET GLOBAL {_VARIABLE_OF.get(self.name, self.name)} = {literal}".replace("%", "%%")


def rendered_settings(path: Path) -> dict[str, str]:
    """Return the [mysqld] settings of a my.cnf; a repeated one counts with its last value, as in MySQL."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.read(path)
    named = ((name.replace("-", "_").removeprefix("loose_"), value or "ON") for name, value in parser["mysqld"].items())
    return {name: value for name, value in named if name not in NOT_COMPARED}


def deviating_settings(server: Server) -> Iterator[Deviation]:
    """Yield every setting of the server's rendered my.cnf that its variables contradict.

    An option without a variable (mysqlx, and loose ones that this build lacks) cannot be asked for.
    """
    variables = server.variables()
    by_hand = server.variables_set_by_hand()
    for name, expected in rendered_settings(server.my_cnf).items():
        variable = _VARIABLE_OF.get(name, name)
        found = variables.get(variable)
        if found is None:
            continue
        if variable.endswith("_basename"):
            found = found.removeprefix(variables["datadir"])
        if _normal(expected) != _normal(found):
            yield Deviation(name, expected, found, variable in by_hand)


def _normal(value: str) -> str:
    """Return a value as it compares: 64M and 67108864, ON and 1, 0.5 and 0.500000 are the same."""
    text = value.strip().strip("'\"").rstrip("/").upper()
    text = _SWITCHES.get(text, text)
    if text[-1:] in _SIZE_UNITS and text[:-1].isdigit():
        text = str(int(text[:-1]) * _SIZE_UNITS[text[-1]])
    with contextlib.suppress(ValueError):
        return f"{float(text):.6f}"
    return text
