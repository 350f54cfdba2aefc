"""What the inventory says, written out: compose project, my.cnf, accounts, certificates, secrets."""

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from wavetank.errors import UsageError
from wavetank.files import PRIVATE, READABLE, ensure_secret, remove_leftovers, write_if_changed
from wavetank.machine import containers
from wavetank.provision.certificates import ensure_tls
from wavetank.proxysql.expected_rows import expected_rows
from wavetank.servers.accounts import ACCOUNTS, APP_ACCOUNT
from wavetank.servers.replication import CA, PORT
from wavetank.topology.instance import HOME, STATE, Instance
from wavetank.topology.memory_sizing import MIB
from wavetank.topology.model import Node, Topology
from wavetank.topology.proxies import ADMIN, MYSQL_ROUTER, PROXYSQL, SECRETS, STATS, Proxy, proxysqls, routers

ENTRYPOINT = HOME / "compose" / "entrypoint.sh"
_VALIDATED = STATE / "validated"
PROXY_CONFIGS = {PROXYSQL: "proxysql.cnf", MYSQL_ROUTER: "mysqlrouter.conf"}


@dataclass(frozen=True)
class Rendered:
    """One file to be: where, what, and who may read it."""

    path: Path
    content: str
    mode: int = READABLE


@functools.cache
def _environment() -> jinja2.Environment:
    """Return what templates are read by; once, since it keeps what it has compiled."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HOME / "configs", HOME / "compose"]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is never HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["compose"] = _compose_string
    environment.filters["option"] = _option_value
    environment.filters["libconfig"] = _libconfig_value
    return environment


def _compose_string(value: object) -> str:
    """Return a value as compose reads it back: quoted, and with every $ doubled, which it would interpolate."""
    return json.dumps(str(value)).replace("$", "$$")


def _libconfig_value(value: object) -> str:
    """Return a value as libconfig reads it: numbers bare, strings quoted as JSON's are, a row in braces."""
    if isinstance(value, Mapping):
        fields = (f"{name}={_libconfig_value(each)}; " for name, each in value.items() if each is not None)
        return f"{{{''.join(fields)}}}"
    return str(value) if isinstance(value, int) else json.dumps(value)


def _option_value(value: object) -> str:
    """Return a value as MySQL's programs read it from an option file: in quotes, within which # is no comment."""
    return '"{}"'.format(str(value).replace("\\", r"\\").replace('"', r"\""))


def render_my_cnf(topology: Topology, node: Node) -> str:
    """Return the my.cnf of one node."""
    return _environment().get_template("my.cnf.j2").render(topology=topology, node=node, mib=MIB)


def render_compose(topology: Topology) -> str:
    """Return the compose project of a topology."""
    instance = Instance(topology.instance)
    return (
        _environment()
        .get_template("project.yml.j2")
        .render(
            topology=topology,
            home=HOME,
            owner=f"{os.getuid()}:{os.getgid()}",
            entrypoint=ENTRYPOINT,
            node_directory={each.name: instance.node_directory(each.name) for each in topology.members},
            # A changed my.cnf needs a new start of its server: compose sees that by this label.
            my_cnf_digest={node.name: _digest(render_my_cnf(topology, node)) for node in topology.nodes},
            # The same for a Router; a ProxySQL is told while it runs.
            router_digest={
                router.name: _digest(render_proxy(topology, router)) for router in routers(topology.proxies)
            },
        )
    )


def _files(topology: Topology) -> Iterator[Rendered]:
    """Yield every templated file of an instance; its secrets must be there."""
    instance = Instance(topology.instance)
    passwords = {account: instance.password(account) for account in ACCOUNTS}
    init_sql = _environment().get_template("sql/accounts_and_grants.sql.j2")
    for node in topology.nodes:
        directory = instance.node_directory(node.name)
        yield Rendered(directory / "my.cnf", render_my_cnf(topology, node))
        yield Rendered(directory / "init.sql", init_sql.render(passwords=passwords, node=node), PRIVATE)
    for account in client_accounts(topology):
        yield Rendered(instance.client_settings(account), render_client_settings(instance, account), PRIVATE)
    for proxy in topology.proxies:
        yield Rendered(instance.directory / proxy_file(proxy), render_proxy(topology, proxy), PRIVATE)
    yield Rendered(instance.compose_file, render_compose(topology))


def proxy_file(proxy: Proxy) -> str:
    """Return where the proxy's configuration lies in the instance's directory."""
    return f"nodes/{proxy.name}/{PROXY_CONFIGS[proxy.kind]}"


def render_proxy(topology: Topology, proxy: Proxy) -> str:
    """Return the configuration of one proxy; for a ProxySQL the instance's secrets must be there."""
    instance = Instance(topology.instance)
    passwords, expected = {}, {}
    if proxy.kind == PROXYSQL:
        passwords = {name: instance.password(name) for name in secrets_of(topology)}
        expected = expected_rows(topology, proxy, passwords)
    return (
        _environment()
        .get_template(f"{PROXY_CONFIGS[proxy.kind]}.j2")
        .render(
            topology=topology,
            proxy=proxy,
            passwords=passwords,
            expected={table.name: rows for table, rows in expected.items()},
            admin=ADMIN,
            stats=STATS,
            ca=CA,
            mysql_port=PORT,
        )
    )


def client_accounts(topology: Topology) -> list[str]:
    """Return the accounts that people log in as from this host."""
    return [APP_ACCOUNT, *([ADMIN] if proxysqls(topology.proxies) else [])]


def render_client_settings(instance: Instance, account: str) -> str:
    """Return what MySQL's command-line programs need to log in as `account`, whose password must be there."""
    return _environment().get_template("client.cnf.j2").render(instance=instance, account=account)


def secrets_of(topology: Topology) -> list[str]:
    """Return the names of all secrets of an instance."""
    return [*ACCOUNTS, *dict.fromkeys(name for proxy in topology.proxies for name in SECRETS[proxy.kind])]


def render_instance(topology: Topology, *, dry_run: bool = False) -> list[str]:
    """Write every file of the instance; return the names of those that differed.

    Raises:
        UsageError: the server refuses a my.cnf; nothing has been written then.
    """
    instance = Instance(topology.instance)
    if dry_run and not all(instance.secret(name).exists() for name in secrets_of(topology)):
        return [str(instance.directory)]
    _refuse_invalid_configs(topology)
    if not dry_run:
        remove_leftovers(instance.directory)
        instance.remember(topology)
        for name in secrets_of(topology):
            ensure_secret(instance.secret(name))
        ensure_tls(instance, [each.name for each in topology.members])
    return [
        str(file.path.relative_to(instance.directory))
        for file in _files(topology)
        if write_if_changed(file.path, file.content, mode=file.mode, dry_run=dry_run)
    ]


def _refuse_invalid_configs(topology: Topology) -> None:
    """Let the server itself judge the my.cnf files that it has not judged before."""
    image = containers.image_id(topology.image) or topology.image
    texts = {node.name: render_my_cnf(topology, node) for node in topology.nodes}
    # What a verdict depends on: the server, and the file without the lines that only say whose it is.
    marks = {name: _VALIDATED / _digest(image + _anonymous(text)) for name, text in texts.items()}
    unjudged = [name for name, mark in marks.items() if not mark.exists()]
    if not unjudged:
        return
    with tempfile.TemporaryDirectory(prefix="wavetank-") as scratch:
        candidates = Path(scratch)
        for name in unjudged:
            write_if_changed(candidates / name / "my.cnf", texts[name])
        candidates.chmod(0o755)
        complaints = containers.validate_configs(topology.image, ENTRYPOINT, candidates)
    if complaints:
        raise UsageError(f"the server refuses the my.cnf of {complaints.splitlines()[0]}")
    for name in unjudged:
        write_if_changed(marks[name], "")


def _anonymous(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
