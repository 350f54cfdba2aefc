"""What the inventory says, written out: my.cnf, compose project, accounts, secrets."""

import configparser
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from wavetank.errors import UsageError
from wavetank.provision import images, rendering
from wavetank.provision.planning import plan
from wavetank.provision.rendering import render_client_settings, render_compose, render_instance, render_my_cnf
from wavetank.servers.accounts import ACCOUNTS
from wavetank.topology import instance
from wavetank.topology.instance import HOME, INVENTORIES, Instance, topology_names
from wavetank.topology.memory_sizing import MIB
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from conftest import Engine

MakeTopology = Callable[..., Topology]
Record = Callable[[Topology], Topology]

pytestmark = pytest.mark.usefixtures("engine")


# --- my.cnf


def mysqld(topology: Topology, name: str = "db1") -> dict[str, str]:
    """Return the settings of a node's my.cnf as the server would take them."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.read_string(render_my_cnf(topology, topology.node(name)))
    return {key: value or "" for key, value in parser["mysqld"].items()}


PROMISED = {
    "sync_binlog": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "binlog_format": "ROW",
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "log_bin": "binlog",
    "log_replica_updates": "ON",
    "super_read_only": "ON",
    "require_secure_transport": "ON",
    "ssl_ca": "/etc/wavetank/ca.pem",
    "persisted_globals_load": "OFF",
}


@pytest.mark.parametrize("node", ["db1", "db2"], ids=["a source", "a replica"])
@pytest.mark.parametrize(("setting", "value"), PROMISED.items())
def test_my_cnf_has_each_promised_setting(make_topology: MakeTopology, node: str, setting: str, value: str) -> None:
    assert mysqld(make_topology(), node).get(setting) == value


def test_my_cnf_has_the_servers_own_id_and_name(make_topology: MakeTopology) -> None:
    topology = make_topology({"db1": {"server_id": 77}, "db2": {"server_id": 5, "replicates_from": "db1"}})
    assert [mysqld(topology, node)["server_id"] for node in ("db1", "db2")] == ["77", "5"]
    assert [mysqld(topology, node)["report_host"] for node in ("db1", "db2")] == ["db1", "db2"]


def test_a_source_and_a_replica_differ_only_in_who_they_are(make_topology: MakeTopology) -> None:
    one, other = (mysqld(make_topology(semi_sync=True), node) for node in ("db1", "db2"))
    assert {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)} == {
        "server_id",
        "report_host",
    }


def test_semi_sync_is_in_my_cnf_only_when_asked_for(make_topology: MakeTopology) -> None:
    for node in ("db1", "db2"):
        topology = make_topology()
        assert "semi" not in render_my_cnf(topology, topology.node(node))


@pytest.mark.parametrize("node", ["db1", "db2"], ids=["a source", "a replica"])
def test_semi_sync_waits_after_sync_as_long_as_said(make_topology: MakeTopology, node: str) -> None:
    topology = make_topology(semi_sync=2, semi_sync_timeout_ms=1234)
    settings = mysqld(topology, node)
    # A server starts as nobody's source; topology-up says who waits.
    assert settings["rpl_semi_sync_source_enabled"] == "OFF"
    assert settings["rpl_semi_sync_replica_enabled"] == "ON"
    assert settings["rpl_semi_sync_source_wait_point"] == "AFTER_SYNC"
    assert settings["rpl_semi_sync_source_timeout"] == "1234"
    assert settings["rpl_semi_sync_source_wait_for_replica_count"] == "2"
    text = render_my_cnf(topology, topology.node(node))
    assert re.findall(r"^plugin_load_add *= *(semisync_\w+\.so)$", text, re.MULTILINE) == [
        "semisync_source.so",
        "semisync_replica.so",
    ]


def test_the_buffer_pool_follows_the_memory(make_topology: MakeTopology) -> None:
    pools = {memory: mysqld(make_topology(memory=memory))["innodb_buffer_pool_size"] for memory in (384, 512, 2048)}
    assert {memory: int(pool) // MIB for memory, pool in pools.items()} == {384: 96, 512: 192, 2048: 1344}


def test_my_cnf_of_a_host_has_the_last_word(make_topology: MakeTopology) -> None:
    own = {"max_connections": 7, "binlog_format": "STATEMENT", "loose_new_one": "a b"}
    hosts = {"db1": {"server_id": 1, "my_cnf": own}, "db2": {"server_id": 2, "replicates_from": "db1"}}
    topology = make_topology(hosts, semi_sync=True)
    assert list(mysqld(topology, "db1").items())[-1] == ("loose_new_one", "a b")
    assert own.items() <= {**mysqld(topology, "db1"), "max_connections": 7}.items()
    assert mysqld(topology, "db1")["max_connections"] == "7"
    assert mysqld(topology, "db2")["max_connections"] != "7"
    lines = [line for line in render_my_cnf(topology, topology.node("db1")).splitlines() if " = " in line]
    server = lines[: next(at for at, line in enumerate(lines) if line.startswith("loose_new_one")) + 1]
    assert server[-3:] == ["max_connections = 7", "binlog_format = STATEMENT", "loose_new_one = a b"]


# --- the compose project


def interpolated(value: Any) -> Any:  # noqa: ANN401
    """Do to a parsed compose file what compose does: $NAME is a variable (none is set), $$ is a dollar."""
    if isinstance(value, dict):
        return {key: interpolated(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"\$(\$|\{\w+\}|\w+)", lambda found: "$" if found[1] == "$" else "", value)
    return value


def compose(topology: Topology) -> dict[str, Any]:
    project: dict[str, Any] = interpolated(yaml.safe_load(render_compose(topology)))
    return project


def test_every_server_is_a_service_and_nothing_else_is(make_topology: MakeTopology) -> None:
    assert list(compose(make_topology())["services"]) == ["db1", "db2", "db3"]


def test_ports_are_published_on_127_0_0_1_only(make_topology: MakeTopology) -> None:
    services = compose(make_topology(base_port=15000))["services"]
    assert [service["ports"] for service in services.values()] == [
        ["127.0.0.1:15000:3306"],
        ["127.0.0.1:15001:3306"],
        ["127.0.0.1:15002:3306"],
    ]
    assert not [service for service in services.values() if "network_mode" in service or "privileged" in service]


def test_every_server_has_the_memory_and_cpus_of_the_topology(make_topology: MakeTopology) -> None:
    for service in compose(make_topology(memory=640, cpus=0.5))["services"].values():
        assert service["mem_limit"] == 640 * MIB
        assert service["cpus"] == 0.5


def test_without_a_wish_there_is_no_limit_of_cpus(make_topology: MakeTopology) -> None:
    assert not [service for service in compose(make_topology())["services"].values() if "cpus" in service]


def test_nothing_restarts_or_pulls_behind_anybodys_back(make_topology: MakeTopology) -> None:
    for service in compose(make_topology())["services"].values():
        assert service["restart"] == "no"
        assert service["pull_policy"] == "never"


@pytest.mark.parametrize("folder", ["a space", "a$HOME b", "${x}", "$$", "it's", 'say "so"', "100% #1", "é: [x], {y}"])
def test_paths_survive_whatever_is_in_them(
    make_topology: MakeTopology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    home = tmp_path / folder / "wavetank"
    for part in ("configs", "compose"):
        shutil.copytree(HOME / part, home / part)
    monkeypatch.setattr(rendering, "HOME", home)
    monkeypatch.setattr(rendering, "ENTRYPOINT", home / "compose" / "entrypoint.sh")
    monkeypatch.setattr(instance, "STATE", home / ".wavetank")
    for name, service in compose(make_topology())["services"].items():
        mounts = {mount["target"]: mount for mount in service["volumes"]}
        assert mounts["/usr/local/bin/wavetank-entrypoint"]["source"] == str(home / "compose" / "entrypoint.sh")
        assert mounts["/etc/wavetank"]["source"] == str(home / ".wavetank" / "instances" / "sea" / "nodes" / name)
        assert service["labels"]["wavetank.home"] == str(home)
        assert all(mount["read_only"] for mount in mounts.values() if mount["type"] == "bind")


@pytest.mark.parametrize("name", ["null", "true"])
def test_a_server_may_be_called_what_yaml_takes_for_something_else(make_topology: MakeTopology, name: str) -> None:
    project = compose(make_topology({name: {"server_id": 1}}))
    assert list(project["services"]) == [name]
    assert project["services"][name]["hostname"] == name
    assert list(project["volumes"]) == [name]


def test_a_changed_my_cnf_changes_the_label_of_its_server_alone(make_topology: MakeTopology) -> None:
    hosts: dict[str, dict[str, Any]] = {
        "db1": {"server_id": 1},
        "db2": {"server_id": 2, "replicates_from": "db1"},
    }
    before = compose(make_topology(hosts))["services"]
    hosts["db2"]["my_cnf"] = {"max_connections": 7}
    after = compose(make_topology(hosts))["services"]
    assert before["db1"] == after["db1"]
    assert before["db2"]["labels"]["wavetank.my_cnf"] != after["db2"]["labels"]["wavetank.my_cnf"]
    for service in (before["db2"], after["db2"]):
        del service["labels"]["wavetank.my_cnf"]
    assert before["db2"] == after["db2"]


def names(project: dict[str, Any]) -> list[str]:
    """Return every name under which the engine will know something of the project."""
    return [
        project["name"],
        *(service["container_name"] for service in project["services"].values()),
        *(network["name"] for network in project["networks"].values()),
        *(volume["name"] for volume in project["volumes"].values()),
    ]


def project_topologies(suffix: str = "") -> Iterator[Topology]:
    for name in topology_names():
        hosts = yaml.safe_load((INVENTORIES / f"{name}.yml").read_text())["mysql"]["hosts"]
        yield plan(name, name + suffix, {host: variables or {} for host, variables in hosts.items()}, {})


@pytest.mark.usefixtures("free_ports")
def test_every_name_starts_with_wavetank() -> None:
    for topology in project_topologies():
        project = compose(topology)
        assert not [name for name in names(project) if not name.startswith("wavetank-")]
        assert not [mount for service in project["services"].values() for mount in service["volumes"]
                    if mount["type"] == "volume" and mount["source"] not in project["volumes"]]  # fmt: skip


def test_every_image_of_ours_starts_with_wavetank() -> None:
    assert images.FROM_DEBIAN.startswith("wavetank/")
    assert re.fullmatch(r"wavetank/node:[0-9a-f]{16}", images.node_image("mysql:9.7"))


@pytest.mark.parametrize("part", ["SEED", "ENTRYPOINT"])
def test_the_node_image_changes_with_whatever_is_in_it(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = images.node_image("mysql:9.7")
    assert images.node_image("mysql:9.7") == before
    assert images.node_image("mysql:9.6") != before
    (tmp_path / "other.sql").write_text("something else")
    monkeypatch.setattr(images, part, tmp_path if part == "SEED" else tmp_path / "other.sql")
    assert images.node_image("mysql:9.7") != before


def test_every_service_runs_the_image_of_the_topology(make_topology: MakeTopology) -> None:
    services = compose(make_topology())["services"].values()
    assert {service["image"] for service in services} == {"wavetank/node:0123456789abcdef"}


@pytest.mark.usefixtures("free_ports")
def test_two_instances_share_no_name_and_no_port(record: Record) -> None:
    seen: set[str] = set()
    for suffix in ("", "-2"):
        for topology in project_topologies(suffix):
            project = compose(record(topology))
            ports = [port for service in project["services"].values() for port in service["ports"]]
            new = {*names(project), *ports}
            assert not seen & new
            seen |= new


# --- init.sql


@pytest.fixture
def sea(make_topology: MakeTopology) -> Instance:
    """Return an instance whose files have been rendered."""
    render_instance(make_topology())
    return Instance("sea")


@pytest.fixture
def init_sql(sea: Instance) -> list[str]:
    """Return the lines of init.sql."""
    return (sea.node_directory("db1") / "init.sql").read_text().splitlines()


def grants(lines: list[str]) -> dict[str, dict[str, set[str]]]:
    """Return by account: what it may do, by what it may do it on."""
    found: dict[str, dict[str, set[str]]] = {account: {} for account in ACCOUNTS}
    for line in lines:
        if granted := re.fullmatch(r"GRANT (.+) ON (\S+) TO '(\w+)'@'%'( WITH GRANT OPTION)?;", line):
            rights, where, account, option = granted.groups()
            found[account][where] = set(rights.split(", ")) | ({"GRANT OPTION"} if option else set())
    return found


def test_there_is_one_statement_a_line(init_sql: list[str]) -> None:
    assert not [
        line
        for line in init_sql
        if not re.fullmatch(r"(SET|REPLACE INTO|CREATE USER|ALTER USER|REVOKE|GRANT) [^;]+;", line)
    ]


def test_nothing_of_it_reaches_a_binary_log(init_sql: list[str]) -> None:
    assert init_sql[0] == "SET sql_log_bin = OFF;"
    assert sum("sql_log_bin" in line for line in init_sql) == 1


@pytest.mark.parametrize("account", ACCOUNTS)
def test_each_account_is_made_anew_and_requires_tls(init_sql: list[str], sea: Instance, account: str) -> None:
    user = f"'{account}'@'%'"
    identity = f"{user} IDENTIFIED WITH caching_sha2_password BY '{sea.password(account)}' REQUIRE SSL"
    about = [line for line in init_sql if user in line]
    assert about[0] == f"CREATE USER IF NOT EXISTS {identity};"
    assert about[1] == f"ALTER USER {identity} ACCOUNT UNLOCK;"
    assert about[2] == f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user};"
    assert about[3:]
    assert all(line.startswith("GRANT ") for line in about[3:])


def test_there_is_no_other_account(init_sql: list[str]) -> None:
    assert set(re.findall(r"'(\w*)'@", "\n".join(init_sql))) == set(ACCOUNTS)


def test_every_grant_is_understood_by_these_tests(init_sql: list[str]) -> None:
    stated = sum(line.startswith("GRANT ") for line in init_sql)
    assert sum(len(of) for of in grants(init_sql).values()) == stated


def test_only_admin_may_do_everything(init_sql: list[str]) -> None:
    for account, rights in grants(init_sql).items():
        everything = {"ALL", "ALL PRIVILEGES", "GRANT OPTION", "SUPER", "CREATE USER", "CONNECTION_ADMIN"}
        assert bool(everything & set().union(*rights.values())) == (account == "admin")


def test_the_replication_account_may_replicate_and_nothing_else(init_sql: list[str]) -> None:
    assert grants(init_sql)["replication"] == {"*.*": {"REPLICATION SLAVE"}}


def test_the_monitor_sees_everything_and_writes_only_what_its_proofs_need(init_sql: list[str]) -> None:
    harmless = {"SELECT", "PROCESS", "REPLICATION CLIENT", "XA_RECOVER_ADMIN"}
    writes = {where: rights - harmless for where, rights in grants(init_sql)["monitor"].items()}
    assert {where: rights for where, rights in writes.items() if rights} == {
        "wavetank.canary": {"INSERT", "UPDATE"},
        "wavetank.generated_ids": {"INSERT", "DELETE"},
    }
    assert "SELECT" not in grants(init_sql)["monitor"].get("*.*", set())


def test_the_applications_reader_only_reads(init_sql: list[str]) -> None:
    rights = grants(init_sql)["app_ro"]
    # The functions of a drill's own schema say who answered; no application can create one there.
    assert rights.pop("`drill`.*") == {"SELECT", "EXECUTE"}
    assert rights
    assert set().union(*rights.values()) <= {"SELECT", "SHOW VIEW"}


def test_the_applications_writer_changes_rows_and_no_tables(init_sql: list[str]) -> None:
    rights = set().union(*grants(init_sql)["app_rw"].values())
    assert {"SELECT", "INSERT", "UPDATE", "DELETE"} <= rights
    assert rights <= {"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "SHOW VIEW"}


@pytest.mark.parametrize("account", ["app_rw", "app_ro"])
def test_an_application_sees_only_schemas_of_its_own(init_sql: list[str], account: str) -> None:
    for where in grants(init_sql)[account]:
        if where == "wavetank.routed":  # what statements are routed about
            continue
        schema = where.partition(".")[0].strip("`")
        assert schema not in {"*", "%", "mysql", "sys", "performance_schema", "wavetank"}


# --- all files of an instance


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_each_account_has_a_password_of_its_own(sea: Instance) -> None:
    assert len({sea.password(account) for account in ACCOUNTS}) == len(ACCOUNTS)


def test_passwords_and_keys_are_in_private_files_only(sea: Instance) -> None:
    secrets = [sea.password(account).encode() for account in ACCOUNTS] + [b"PRIVATE KEY"]
    telling = {name: mode for name, (data, mode) in files(sea.directory).items() if any(s in data for s in secrets)}
    assert {"secrets/admin", "nodes/db1/init.sql", "nodes/db1/server-key.pem"} <= telling.keys()
    assert set(telling.values()) == {0o600}


def test_a_client_logs_in_by_a_private_file_that_proves_who_the_server_is(sea: Instance) -> None:
    settings = sea.client_settings("app_rw")
    assert settings.stat().st_mode & 0o777 == 0o600
    lines = settings.read_text().splitlines()
    assert {
        'user = "app_rw"', f'password = "{sea.password("app_rw")}"', f'ssl-ca = "{sea.ca}"',
        "loose-ssl-mode = VERIFY_IDENTITY", "ssl-verify-server-cert = 1",
    } <= set(lines)  # fmt: skip
    assert not sea.client_settings("proxy_admin").exists()


def test_signs_that_mean_something_in_an_option_file_are_escaped(sea: Instance) -> None:
    sea.secret("app_rw").write_text("a #b 'c' \"d\" \\n;$x`")
    assert 'password = "a #b \'c\' \\"d\\" \\\\n;$x`"' in render_client_settings(sea, "app_rw").splitlines()


def test_the_files_that_a_server_reads_as_mysql_are_readable(sea: Instance) -> None:
    for name in ("my.cnf", "ca.pem", "server-cert.pem"):
        assert (sea.node_directory("db1") / name).stat().st_mode & 0o777 == 0o644


def test_rendering_again_changes_nothing_and_says_so(sea: Instance, make_topology: MakeTopology) -> None:
    before = files(sea.directory)
    assert render_instance(make_topology()) == []
    assert files(sea.directory) == before


def test_only_what_differs_is_written_and_named(sea: Instance, make_topology: MakeTopology) -> None:
    hosts = {
        "db1": {"server_id": 1},
        "db2": {"server_id": 2, "replicates_from": "db1", "my_cnf": {"max_connections": 7}},
        "db3": {"server_id": 3, "replicates_from": "db1"},
    }
    before = files(sea.directory)
    assert sorted(render_instance(make_topology(hosts))) == ["compose.yml", "nodes/db2/my.cnf"]
    after = files(sea.directory)
    differing = {name for name in after if before.get(name) != after[name]}
    assert differing == {"compose.yml", "nodes/db2/my.cnf", "topology.json"}


@pytest.mark.parametrize("file", ["compose.yml", "nodes/db1/my.cnf", "nodes/db1/init.sql"])
def test_what_was_changed_by_hand_is_put_back(sea: Instance, make_topology: MakeTopology, file: str) -> None:
    right = (sea.directory / file).read_bytes()
    (sea.directory / file).write_text("something else")
    assert render_instance(make_topology()) == [file]
    assert (sea.directory / file).read_bytes() == right


def test_a_dry_run_of_a_new_instance_writes_nothing(make_topology: MakeTopology, state: Path) -> None:
    assert render_instance(make_topology(), dry_run=True) == [str(Instance("sea").directory)]
    assert not state.exists()


def test_a_dry_run_names_what_would_differ_and_writes_nothing_of_it(sea: Instance, make_topology: MakeTopology) -> None:
    before = files(sea.directory)
    assert sorted(render_instance(make_topology(memory=1024), dry_run=True)) == [
        "compose.yml",
        "nodes/db1/my.cnf",
        "nodes/db2/my.cnf",
        "nodes/db3/my.cnf",
    ]
    assert files(sea.directory) == before


def test_a_dry_run_after_an_interrupted_up_says_what_is_missing(record: Record, make_topology: MakeTopology) -> None:
    """The record is the first file that an up writes; the secrets come after it."""
    assert render_instance(record(make_topology()), dry_run=True)


def test_an_interrupted_up_is_finished_by_the_next(sea: Instance, make_topology: MakeTopology) -> None:
    whole = files(sea.directory).keys()
    shutil.rmtree(sea.directory / "secrets")
    (sea.node_directory("db2") / "server-cert.pem").unlink()
    sea.compose_file.unlink()
    assert "compose.yml" in render_instance(make_topology())
    assert files(sea.directory).keys() == whole


def test_a_my_cnf_that_the_server_refuses_is_refused_in_one_line_before_anything_is_written(
    make_topology: MakeTopology, engine: "Engine"
) -> None:
    engine.complaint = "db2: unknown variable 'max_connexions=7'.\ndb3: the same"
    with pytest.raises(UsageError) as refusal:
        render_instance(make_topology())
    assert str(refusal.value) == "the server refuses the my.cnf of db2: unknown variable 'max_connexions=7'."
    assert not Instance("sea").directory.exists()


def test_a_refused_my_cnf_is_judged_again(make_topology: MakeTopology, engine: "Engine") -> None:
    engine.complaint = "db1: no"
    for _ in range(2):
        with pytest.raises(UsageError):
            render_instance(make_topology())
    assert engine.judged == ["db1", "db2", "db3"] * 2


def test_an_accepted_my_cnf_is_judged_once(make_topology: MakeTopology, engine: "Engine") -> None:
    render_instance(make_topology())
    render_instance(make_topology())
    assert engine.judged == ["db1", "db2", "db3"]


def test_a_changed_my_cnf_is_judged_alone(make_topology: MakeTopology, engine: "Engine") -> None:
    render_instance(make_topology())
    engine.judged.clear()
    hosts = {
        "db1": {"server_id": 1},
        "db2": {"server_id": 2, "replicates_from": "db1"},
        "db3": {"server_id": 3, "replicates_from": "db1", "my_cnf": {"max_connections": 7}},
    }
    render_instance(make_topology(hosts))
    assert engine.judged == ["db3"]


def test_another_server_judges_for_itself(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    render_instance(make_topology())
    engine.judged.clear()
    monkeypatch.setattr("wavetank.machine.containers.image_id", lambda _name: "sha256:another")
    render_instance(make_topology())
    assert engine.judged == ["db1", "db2", "db3"]
