"""The command `wavetank` as it is installed: without the packages of the testbed it says that it needs them."""

import importlib.util
import sys

# What the testbed cannot do without; whoever has these has installed the extra.
NEEDED = ("ansible", "docker", "typer")
# As of all commands for wrong use: see cli.options, which cannot be imported without typer.
USAGE = 2


def main() -> int:
    """Run the command line; return the exit code."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"wavetank: {', '.join(missing)} not installed: the testbed needs pip install '.[lab]'", file=sys.stderr)
        return USAGE
    from wavetank.cli import commands

    return commands.main()
