"""Files that are either wholly old or wholly new, and a word on whether they changed."""

import os
import re
import secrets
from pathlib import Path

PRIVATE = 0o600
READABLE = 0o644


def write_if_changed(path: Path, content: bytes | str, *, mode: int = READABLE, dry_run: bool = False) -> bool:
    """Make `path` hold `content` with `mode`; return whether anything differed.

    The file is replaced in one step, so that an interruption leaves the old one. With `dry_run`
    nothing is written.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return False
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}.new")
        # Opened with its final mode: a secret is never readable, not even for a moment.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        new.replace(path)
    return True


def remove_leftovers(directory: Path) -> None:
    """Remove what write_if_changed() was about to rename when its process was killed, anywhere below `directory`."""
    for path in directory.rglob(".*.new"):
        writer = re.fullmatch(r"\..+\.(\d+)\.new", path.name)
        if writer and not _runs(int(writer[1])):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def ensure_secret(path: Path, *, dry_run: bool = False) -> bool:
    """Make `path` hold a random password (24 bytes, URL-safe) if it does not; return whether it was made."""
    if path.exists():
        return False
    return write_if_changed(path, secrets.token_urlsafe(24), mode=PRIVATE, dry_run=dry_run)
