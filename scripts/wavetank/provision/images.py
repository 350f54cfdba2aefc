"""Where the servers come from: a pulled image, or one built from Debian's packages, with a data directory."""

import hashlib
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.provision.rendering import ENTRYPOINT
from wavetank.topology.instance import HOME

OFFICIAL = "mysql:9.7"
FROM_DEBIAN = "wavetank/mysql:9.7-debian"
SEED = HOME / "configs" / "sql" / "initdb"


@dataclass(frozen=True)
class BaseImage:
    """The image that holds the server; `build` says why it has to be built first, None where it is there."""

    name: str
    build: str | None = None


def find_base(wanted: str) -> BaseImage:
    """Return the image to use, pulling it where a registry has it.

    An image that somebody asked for by name is never replaced by another.

    Raises:
        UsageError: `wanted` was asked for and cannot be had.
    """
    if here := base_here(wanted):
        return BaseImage(here)
    name = wanted or OFFICIAL
    reason = containers.registry_has(name)
    if reason is None:
        containers.pull(name)
        return BaseImage(name)
    if wanted:
        raise UsageError(f"the image {wanted} is not here and cannot be pulled: {reason}")
    return BaseImage(FROM_DEBIAN, build=reason)


def base_here(wanted: str) -> str | None:
    """Return the base image that is on this machine, None where there is none; `wanted` is the one asked for, or ''."""
    return next(filter(containers.image_id, (wanted,) if wanted else (OFFICIAL, FROM_DEBIAN)), None)


def node_image(base: str) -> str:
    """Return the name of the node image over `base`: it changes with the base, the seed and the entrypoint."""
    parts = (
        (containers.image_id(base) or "").encode(),
        ENTRYPOINT.read_bytes(),
        *(file.read_bytes() for file in sorted(SEED.iterdir())),
    )
    return f"wavetank/node:{hashlib.sha256(b'|'.join(parts)).hexdigest()[:16]}"


def ensure_node_image(base: str) -> bool:
    """Make the node image over `base` if it is not there; return whether it was made."""
    tag = node_image(base)
    if containers.image_id(tag):
        return False
    containers.seed_image(base, tag, ENTRYPOINT, SEED)
    return True
