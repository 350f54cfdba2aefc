"""What a topology-up has to have before its containers: an engine and images; on most machines all is there."""

from collections.abc import Mapping
from dataclasses import dataclass

from wavetank.machine import containers
from wavetank.provision.engine import look_at_engine
from wavetank.provision.images import FROM_DEBIAN, base_here, node_image
from wavetank.provision.proxy_images import proxy_image_names
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology


@dataclass(frozen=True)
class Images:
    """The names of the images that a topology runs on, those of its proxies by their kinds."""

    node: str
    proxies: Mapping[str, str]


def images_of(topology: Topology) -> Images:
    """Return the images that a topology runs on, wherever they are."""
    wanted = str(topology.given.get("mysql_image") or "")
    return Images(node_image(base_here(wanted) or wanted or FROM_DEBIAN), proxy_image_names(topology))


def lacks_something(topology: Topology) -> bool:
    """Return whether the engine, its compose plugin or an image has to be brought about for a topology first."""
    # What has composed this instance before need not be asked for its version, which takes longer than all else here.
    composed_before = Instance(topology.instance).composed.exists()
    if not (containers.engine_answers() if composed_before else look_at_engine().ready):
        return True
    images = images_of(topology)
    return not all(map(containers.image_id, (images.node, *images.proxies.values())))
