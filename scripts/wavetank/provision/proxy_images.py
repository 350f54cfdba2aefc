"""Where the proxies come from: ProxySQL from a registry or a file, MySQL Router from Debian's packages."""

import os
from dataclasses import dataclass

import yaml

from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.topology.instance import INVENTORIES
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL


@dataclass(frozen=True)
class ProxyImages:
    """The image of each kind of proxy, and of which Debian package those have to be built that are not here."""

    images: dict[str, str]
    build: dict[str, str]


def find_proxy_images(topology: Topology) -> ProxyImages:
    """Return the images of all kinds of proxies that the topology has, pulling ProxySQL's where a registry has it.

    Raises:
        UsageError: a ProxySQL is wanted and cannot be had.
    """
    settings = {proxy.kind: proxy.settings for proxy in topology.proxies}
    images = {kind: str(each["image"]) for kind, each in settings.items()}
    if PROXYSQL in images:
        images[PROXYSQL] = find_proxysql(str(topology.given.get("proxysql_image") or images[PROXYSQL]))
    build = {images[kind]: str(each["package"]) for kind, each in settings.items() if "package" in each}
    return ProxyImages(images, {image: package for image, package in build.items() if not containers.image_id(image)})


def find_proxysql(name: str) -> str:
    """Return the name of a ProxySQL image that is here, pulling it where it is not.

    Raises:
        UsageError: no registry delivers it.
    """
    if not containers.image_id(name):
        if reason := containers.registry_has(name):
            raise UsageError(
                f"the image {name} is not here and cannot be pulled ({reason}): bring one with docker load and name it "
                "with PROXYSQL_IMAGE=, or take TOPOLOGY=mysql-router"
            )
        containers.pull(name)
    return name


def why_no_proxysql() -> str:
    """Return why there is no ProxySQL to be had, neither as PROXYSQL_IMAGE nor as declared; '' where there is one."""
    declared = yaml.safe_load((INVENTORIES / "group_vars" / f"{PROXYSQL}.yml").read_text())[PROXYSQL]
    try:
        find_proxysql(os.environ.get("PROXYSQL_IMAGE") or declared["image"])
    except UsageError as refusal:
        return str(refusal)
    return ""
