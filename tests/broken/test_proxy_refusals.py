"""A ProxySQL that cannot be had is refused in one line, before anything is created."""

import subprocess

from commands import own, wavetank
from wavetank.topology.instance import Instance

NOWHERE = "wavetank.invalid/proxysql:0"


def test_without_an_image_nothing_is_created_and_the_ways_out_are_named() -> None:
    name = own("no-proxysql")
    done = wavetank(
        "up", INSTANCE=name, TOPOLOGY="proxysql", BASE_PORT="", PROXYSQL_IMAGE="wavetank.invalid/proxysql:0"
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    for way in ("PROXYSQL_IMAGE", "docker load", "TOPOLOGY=mysql-router", NOWHERE):
        assert way in done.stderr
    assert not Instance(name).directory.exists()
    for kind in (["ps", "-a"], ["volume", "ls"], ["network", "ls"]):
        command = ["docker", *kind, "-q", f"--filter=name={name}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
