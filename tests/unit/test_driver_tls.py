"""The driver trusts the instance's own CA and nobody else, and changes nobody else's trust."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pymysql
import pytest
from mysql.connector import utils
from tls_server import SSL_CAPABILITY, PretendedTlsServer, serving
from wavetank.checks.questions import proxy_reachable
from wavetank.client.splitting import of_instance
from wavetank.errors import UnreachableError
from wavetank.provision.certificates import ensure_tls
from wavetank.provision.rendering import render_client_settings
from wavetank.servers.node import Login, Servers, open_connection
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, Proxy

SEA, LAKE = Instance("sea"), Instance("lake")


@pytest.fixture(autouse=True)
def _authorities(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """Have two instances with a CA each; the lake's is one of the system's."""
    for instance in (SEA, LAKE):
        ensure_tls(instance, ["db1"])
        assert state in instance.ca.parents
    monkeypatch.setenv("SSL_CERT_FILE", str(LAKE.ca))


@pytest.fixture
def sea() -> Iterator[PretendedTlsServer]:
    with serving(SEA.node_directory("db1")) as server:
        yield server


@pytest.fixture
def lake() -> Iterator[PretendedTlsServer]:
    with serving(LAKE.node_directory("db1")) as server:
        yield server


def login(server: PretendedTlsServer, instance: Instance = SEA, host: str = "127.0.0.1") -> Login:
    return Login("db1", server.port, "app_rw", "a secret", instance.ca, host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_of_the_instances_ca_is_let_in(sea: PretendedTlsServer, host: str) -> None:
    open_connection(login(sea, host=host)).close()
    assert sea.logins == 1


def test_a_connection_starts_no_process(sea: PretendedTlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a process was started to open a connection")

    utils.get_platform.cache_clear()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    open_connection(login(sea)).close()
    assert sea.logins == 1


def test_a_server_of_another_ca_is_refused_before_it_sees_a_password(lake: PretendedTlsServer) -> None:
    """The other CA is one that the system trusts: that must not help it."""
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        open_connection(login(lake))
    assert lake.logins == 0


def test_a_server_that_is_called_otherwise_is_refused(sea: PretendedTlsServer) -> None:
    with pytest.raises(UnreachableError, match=r"IP address mismatch.*127\.0\.0\.2"):
        open_connection(login(sea, host="127.0.0.2"))
    assert sea.logins == 0


def test_an_instance_without_its_ca_lets_nobody_in(sea: PretendedTlsServer) -> None:
    SEA.ca.unlink()
    with pytest.raises(UnreachableError, match="No such file"):
        open_connection(login(sea))
    assert sea.logins == 0


def test_the_applications_other_connections_trust_whom_they_did(
    sea: PretendedTlsServer, make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(os.environ)
    trusted = ssl.create_default_context().get_ca_certs()
    assert "wavetank lake CA" in str(trusted)

    open_connection(login(sea)).close()
    topology = make_topology(instance="sea")
    with Servers(topology):
        pass
    monkeypatch.setattr(Instance, "topology", lambda _instance: topology)
    monkeypatch.setattr(Instance, "password", lambda _instance, account: account)
    of_instance.router_of(SEA).close()

    assert dict(os.environ) == before
    assert ssl.create_default_context().get_ca_certs() == trusted


# --- the driver of the modules that administer a ProxySQL: it reads of TLS in the file that they name


def by_module(server: PretendedTlsServer) -> None:
    settings = SEA.client_settings("proxy_admin")
    SEA.secret("proxy_admin").parent.mkdir()
    SEA.secret("proxy_admin").write_text("a secret")
    settings.parent.mkdir()
    settings.write_text(render_client_settings(SEA, "proxy_admin"))
    # As community.proxysql's modules do with their config_file.
    pymysql.connect(read_default_file=str(settings), host="127.0.0.1", port=server.port).close()


def test_a_module_lets_the_instances_proxysql_in(sea: PretendedTlsServer) -> None:
    by_module(sea)
    assert sea.logins == 1


def test_a_module_refuses_a_proxysql_of_another_ca(lake: PretendedTlsServer) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
        by_module(lake)
    assert lake.logins == 0


def test_a_module_refuses_a_proxysql_without_tls(sea: PretendedTlsServer) -> None:
    sea.capabilities &= ~SSL_CAPABILITY
    with pytest.raises(pymysql.err.OperationalError, match="SSL is required"):
        by_module(sea)
    assert sea.logins == 0


def test_the_driver_refuses_a_server_without_tls(sea: PretendedTlsServer) -> None:
    sea.capabilities &= ~SSL_CAPABILITY
    with pytest.raises(UnreachableError, match="SSL is required"):
        open_connection(login(sea))
    assert sea.logins == 0


# --- the check that says so


def examined(main: PretendedTlsServer, administration: PretendedTlsServer, topology: Topology) -> list[str]:
    """Return what proxy_reachable finds of a ProxySQL with these ports."""
    for account in ("app_rw", "proxy_admin"):
        SEA.secret(account).parent.mkdir(exist_ok=True)
        SEA.secret(account).write_text("a secret")
    proxy = Proxy("proxy1", PROXYSQL, main.port, administration.port, {})
    with Servers(replace(topology, proxies=(proxy,))) as servers:
        return [finding.found for finding in proxy_reachable.examine(proxy, servers)]


def test_the_check_sees_an_administration_that_is_not_the_instances(
    sea: PretendedTlsServer, lake: PretendedTlsServer, make_topology: Callable[..., Topology]
) -> None:
    topology = make_topology(instance="sea")
    assert examined(sea, sea, topology) == []
    (found,) = examined(sea, lake, topology)
    assert "proxy1 admin does not answer" in found
    assert "certificate verify failed" in found


def test_the_check_sees_an_administration_without_tls(
    sea: PretendedTlsServer, make_topology: Callable[..., Topology]
) -> None:
    with serving(SEA.node_directory("db1")) as plain:
        plain.capabilities &= ~SSL_CAPABILITY
        (found,) = examined(sea, plain, make_topology(instance="sea"))
    assert "SSL is required" in found
