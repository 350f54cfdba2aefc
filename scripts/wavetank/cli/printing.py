"""What commands print alike: why one is refused, and steps as they are taken."""

import sys
from collections.abc import Callable
from typing import NoReturn

from wavetank.cli.options import USAGE


def refuse(reason: str) -> NoReturn:
    """Say in one line on standard error why, and exit as for wrong use."""
    print(f"wavetank: {reason}", file=sys.stderr)
    sys.exit(USAGE)


def progress(*, as_json: bool) -> Callable[[str], None]:
    """Return what prints a step as it is taken: for people only, and at once, also into a log."""
    return (lambda _: None) if as_json else (lambda step: print(f"  {step}", flush=True))
