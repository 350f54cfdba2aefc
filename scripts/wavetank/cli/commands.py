"""The command `wavetank`: which commands it has, and how each refusal ends. What is done is decided elsewhere."""

import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

import typer

from wavetank.cli import (
    asking_commands,
    client_commands,
    drill_commands,
    life_commands,
    role_commands,
    row_commands,
    server_commands,
    shard_commands,
)
from wavetank.cli.printing import refuse
from wavetank.errors import UnreachableError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Real MySQL topologies: brought up, proven, and broken on purpose.",
)

# In the order in which the help lists them.
COMMANDS: Mapping[str, Callable[..., None]] = {
    "up": life_commands.up,
    "down": life_commands.down,
    "prepare": life_commands.prepare,
    "verify": asking_commands.verify,
    "check": asking_commands.check,
    "status": asking_commands.status,
    "repoint": role_commands.repoint,
    "switchover": role_commands.switchover,
    "failover": role_commands.failover,
    "load": row_commands.load,
    "reshard": row_commands.reshard,
    "reshard-abort": row_commands.reshard_abort,
    "conflicts": row_commands.conflicts,
    "resolve": row_commands.resolve,
    "drill": drill_commands.drill,
    "judge": drill_commands.judge,
    "picture": drill_commands.picture,
    "compare": drill_commands.compare,
    "campaign": drill_commands.campaign,
    "clients": client_commands.clients,
    "list": asking_commands.list_,
    "sql": server_commands.sql,
    "logs": server_commands.logs,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(shard_commands.app, name="shard")


def main() -> NoReturn:
    """Run the command; refusals become one line on standard error."""
    # Whoever ends it otherwise than by Ctrl-C wants the same taken back. Who ignores a signal, as nohup does, goes on.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    try:
        app()
    except UsageError as refusal:
        refuse(str(refusal))
    except UnreachableError as error:
        refuse(f"{error} (make status shows the instance, make topology-up mends it)")
    sys.exit(0)
