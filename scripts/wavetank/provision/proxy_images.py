"""Where the proxies come from: ProxySQL from a registry or a file, MySQL Router from Debian's packages."""

import os

import yaml

from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.topology.instance import INVENTORIES
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL


def proxy_image_names(topology: Topology) -> dict[str, str]:
    """Return the name of the image of each kind of proxy that the topology has, wherever it is."""
    names = {proxy.kind: str(proxy.settings["image"]) for proxy in topology.proxies}
    if PROXYSQL in names:
        names[PROXYSQL] = str(topology.given.get("proxysql_image") or names[PROXYSQL])
    return names


def find_proxy_images(topology: Topology) -> dict[str, str]:
    """Return what has to be built: the images that are not here, each with its Debian package; pull a ProxySQL.

    Raises:
        UsageError: a ProxySQL is wanted and cannot be had.
    """
    images = proxy_image_names(topology)
    if PROXYSQL in images:
        find_proxysql(images[PROXYSQL])
    settings = {proxy.kind: proxy.settings for proxy in topology.proxies}
    build = {images[kind]: str(each["package"]) for kind, each in settings.items() if "package" in each}
    return {image: package for image, package in build.items() if not containers.image_id(image)}


def find_proxysql(name: str) -> None:
    """Have a ProxySQL image here, pulling it where it is not.

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


def why_no_proxysql() -> str:
    """Return why there is no ProxySQL to be had, neither as PROXYSQL_IMAGE nor as declared; '' where there is one."""
    declared = yaml.safe_load((INVENTORIES / "group_vars" / f"{PROXYSQL}.yml").read_text())[PROXYSQL]
    try:
        find_proxysql(os.environ.get("PROXYSQL_IMAGE") or declared["image"])
    except UsageError as refusal:
        return str(refusal)
    return ""
