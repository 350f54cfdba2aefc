"""What is inside the containers, seen by pytest-testinfra."""

import pytest
import testinfra
from testinfra.host import Host
from wavetank.topology.model import Node, Topology


@pytest.fixture
def host(topology: Topology, node: Node) -> Host:
    """The node's container."""
    return testinfra.get_host(f"docker://{topology.container(node)}")


def test_the_server_is_the_first_process_and_not_root(host: Host) -> None:
    process = host.file("/proc/1")
    assert host.file("/proc/1/comm").content_string.strip() == "mysqld"
    assert process.user == "mysql"


def test_only_mysql_listens(host: Host) -> None:
    listening = {socket.rsplit(":", 1)[-1] for socket in host.socket.get_listening_sockets() if "tcp" in socket}
    docker_dns = {socket.rsplit(":", 1)[-1] for socket in host.socket.get_listening_sockets() if "127.0.0.11" in socket}
    assert listening - docker_dns == {"3306"}


def test_my_cnf_is_the_rendered_one(host: Host, node: Node) -> None:
    my_cnf = host.file("/etc/my.cnf")
    assert my_cnf.is_symlink
    assert my_cnf.linked_to == "/etc/wavetank/my.cnf"
    assert f"server_id = {node.server_id}\n" in my_cnf.content_string


@pytest.mark.parametrize("name", ["init.sql", "server-key.pem"])
def test_secrets_are_the_servers_alone(host: Host, name: str) -> None:
    secret = host.file(f"/run/wavetank/{name}")
    assert (secret.user, secret.group, secret.mode) == ("mysql", "mysql", 0o400)
    assert host.file("/run/wavetank").mode == 0o700


def test_the_data_belong_to_the_server(host: Host) -> None:
    data = host.file("/var/lib/mysql/data")
    assert (data.user, data.mode & 0o007) == ("mysql", 0)


def test_root_comes_in_through_the_socket(host: Host) -> None:
    assert host.check_output("mysql -N -e 'SELECT CURRENT_USER()'") == "root@localhost"


def test_root_does_not_come_in_over_the_network(host: Host) -> None:
    assert host.run("mysql --protocol=tcp -h 127.0.0.1 -u root -e 'SELECT 1'").rc != 0


def test_a_connection_without_tls_is_refused(host: Host) -> None:
    refused = host.run("mysql --protocol=tcp -h 127.0.0.1 -u app_ro -pwrong --ssl-mode=DISABLED -e 'SELECT 1'")
    assert refused.rc != 0
    assert "secure" in refused.stderr
