"""Containers, images and the engine. The only importer of docker."""

import contextlib
import functools
import os
import re
import secrets
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wavetank.errors import UsageError
from wavetank.machine import control_groups
from wavetank.threads import side_by_side
from wavetank.waiting import wait_until

# Imported where it is used first: it takes a tenth of a second, and who asks healthy servers does not need the engine.
if TYPE_CHECKING:
    from types import ModuleType

    import docker
    from docker.models.containers import Container

ENGINE_TIMEOUT_S = 60
# How long a registry may take to say whether it has an image; the download itself has no bound.
REGISTRY_TIMEOUT_S = 8
# How long freezing a container may take, in seconds.
FREEZE_S = 5.0
SIGNALLED = 128
HOME_LABEL = "wavetank.home"
PROJECT_LABEL = "com.docker.compose.project"


@dataclass(frozen=True)
class ContainerState:
    """What the engine says of a container; `publishes` are the host's ports that it has now."""

    id: str
    name: str
    status: str
    home: str | None
    publishes: tuple[tuple[str, int], ...]

    @property
    def has_ports(self) -> bool:
        """Whether it holds the ports that it publishes."""
        return self.status in ("running", "paused")


@dataclass(frozen=True)
class NetworkPlace:
    """Where a running container is: its address on its network, and a process in its namespaces."""

    address: str
    pid: int


@functools.cache
def _client(timeout_s: int = ENGINE_TIMEOUT_S) -> "docker.DockerClient":
    import docker

    return docker.from_env(timeout=timeout_s)


def _errors() -> "ModuleType":
    import docker.errors

    return docker.errors


def engine_answers() -> bool:
    """Return whether a Docker engine answers where DOCKER_HOST, or the default socket, says."""
    try:
        return bool(_client().ping())
    except (_errors().DockerException, OSError):
        _client.cache_clear()
        return False


def containers(project: str | None = None) -> list[ContainerState]:
    """Return all containers, or those of a compose project, stopped ones included."""
    wanted = {"label": f"{PROJECT_LABEL}={project}"} if project else {}
    # One call of the engine: the SDK's own list asks for each container again, which may be gone by then.
    return [_state(raw) for raw in _client().api.containers(all=True, filters=wanted)]


def _state(raw: Mapping[str, Any]) -> ContainerState:
    ports: list[Mapping[str, Any]] = raw.get("Ports") or []
    return ContainerState(
        id=raw["Id"],
        name=raw["Names"][0].lstrip("/"),
        status=raw["State"],
        home=raw["Labels"].get(HOME_LABEL),
        publishes=tuple((port["IP"], int(port["PublicPort"])) for port in ports if "PublicPort" in port),
    )


# Compose makes the container that takes another one's place under a passing name: the other one's id before its name.
_HALF_MADE = re.compile(r"[0-9a-f]{12}_.+")


def half_made(project: str) -> list[str]:
    """Return the containers that an interrupted topology-up was about to put in the place of others; none has run."""
    found = containers(project)
    return [each.name for each in found if each.status == "created" and _HALF_MADE.fullmatch(each.name)]


def _log(container: "Container", lines: int | Literal["all"] = "all") -> list[str]:
    output = container.logs(tail=lines)
    return b"".join([output] if isinstance(output, bytes) else output).decode(errors="replace").splitlines()


def is_running(name: str) -> bool:
    """Return whether the container is there and its server runs; a paused one does not."""
    try:
        return str(_client().containers.get(name).status) == "running"
    except _errors().NotFound:
        return False


def has_crashed(name: str) -> bool:
    """Return whether the container's process was ended by a signal, which a shell calls 128 and its number."""
    try:
        state: Mapping[str, Any] = _client().containers.get(name).attrs["State"]
    except _errors().NotFound:
        return False
    return state["Status"] == "exited" and int(state["ExitCode"]) > SIGNALLED


def log_since(name: str, since_s: float) -> str:
    """Return what a container has logged since a time of the epoch, '' where there is no such container."""
    try:
        output = _client().containers.get(name).logs(since=since_s)
    except _errors().NotFound:
        return ""
    return b"".join([output] if isinstance(output, bytes) else output).decode(errors="replace")


def last_error(name: str, lines: int = 200) -> str:
    """Return the last error line in a container's log, else its last line."""
    try:
        log = _log(_client().containers.get(name), lines)
    except _errors().NotFound:
        return "there is no such container"
    errors = [line for line in log if "[ERROR]" in line]
    return (errors or log or ["nothing"])[-1]


def restart(name: str) -> None:
    """Restart a container, or start it where it is stopped."""
    _client().containers.get(name).restart(timeout=30)


def start(name: str) -> None:
    """Start a stopped container."""
    _client().containers.get(name).start()


def start_all(names: Sequence[str]) -> bool:
    """Start stopped containers side by side; return whether all could be: a network may be gone, or a port taken."""

    def is_started(name: str) -> bool:
        try:
            start(name)
        except _errors().APIError:
            return False
        return True

    return all(side_by_side(is_started, names))


def stop(name: str, timeout_s: int) -> None:
    """Ask a container's server to end, kill it where it has not after `timeout_s` seconds; a stopped one stays so."""
    with contextlib.suppress(_errors().NotFound):
        _client().containers.get(name).stop(timeout=timeout_s)


def kill(name: str) -> None:
    """Send SIGKILL to a container's server and wait until it is gone."""
    container = _client().containers.get(name)
    container.kill()
    container.wait(timeout=ENGINE_TIMEOUT_S)


def kill_if_running(name: str) -> None:
    """Have the engine kill a container that it still thinks runs; one that has ended stays so."""
    with contextlib.suppress(_errors().APIError):
        kill(name)


def kill_at_once(name: str) -> None:
    """Send SIGKILL to a container's server; wait for nothing, unless only the engine can reach it."""
    container = _client().containers.get(name)
    pid = int(container.attrs["State"]["Pid"])
    if control_groups.holds(str(container.id), pid):
        os.kill(pid, signal.SIGKILL)
    else:
        kill(name)


def has_ended(name: str, project: str) -> bool:
    """Return whether a container of a project certainly has no process, by the word of the engine or of the kernel."""
    found = {each.name: each for each in containers(project)}
    if name not in found or found[name].status in ("exited", "created", "dead"):
        return True
    fellows = [each.id for each in found.values() if each.name != name and each.has_ports]
    return control_groups.is_empty(found[name].id, fellows)


def start_idle(name: str, image: str, project: str) -> None:
    """Start a container that does nothing on a compose project's network; it goes away with the project."""
    remove_if_there(name)
    _client().containers.run(
        image,
        name=name,
        entrypoint=["sleep"],
        command=["infinity"],
        detach=True,
        network=project,
        init=True,
        labels={PROJECT_LABEL: project, "com.docker.compose.service": name, "com.docker.compose.oneoff": "False"},
    )


def remove_if_there(name: str) -> None:
    """Remove a container, running or not; nothing where there is none of that name."""
    with contextlib.suppress(_errors().NotFound):
        remove(name)


def pause(name: str) -> None:
    """Freeze a container: its server keeps its connections and answers none.

    Raises:
        WaitedInVain: it could not be frozen within FREEZE_S.
    """
    container = _client().containers.get(name)
    wait_until(f"{name} to freeze", lambda: _frozen(container), timeout_s=FREEZE_S, interval_s=0.05)


def _frozen(container: "Container") -> bool:
    """Freeze a container; return False where it has to be asked again.

    On cgroup v1 runc can lose to a process that is just being started in the container, as a health check is. It then
    thaws the container and leaves it to its caller to try again (https://github.com/opencontainers/runc/pull/4388).
    """
    try:
        container.pause()
    except _errors().APIError as error:
        if "unable to freeze" not in str(error):
            raise
        return False
    return True


def unpause(name: str) -> None:
    """Let a frozen container go on."""
    _client().containers.get(name).unpause()


def remove(name: str) -> None:
    """Remove a container, running or not; its volume stays."""
    _client().containers.get(name).remove(force=True)


def network_place(name: str) -> NetworkPlace | None:
    """Return where a container is on its first network, None where it does not run."""
    try:
        found: Mapping[str, Any] = _client().containers.get(name).attrs
    except _errors().NotFound:
        return None
    network = next(iter(found["NetworkSettings"]["Networks"].values()))
    return NetworkPlace(network["IPAddress"], int(found["State"]["Pid"])) if found["State"]["Pid"] else None


def volumes(project: str) -> dict[str, Path]:
    """Return by name where the volumes of a compose project are on the engine's machine, which may be another one."""
    found = _client().api.volumes(filters={"label": f"{PROJECT_LABEL}={project}"})
    return {each["Name"]: Path(each["Mountpoint"]) for each in found["Volumes"] or []}


def networks(project: str) -> list[str]:
    """Return the names of the networks of a compose project."""
    found = _client().api.networks(filters={"label": f"{PROJECT_LABEL}={project}"})
    return [each["Name"] for each in found]


def image_id(name: str) -> str | None:
    """Return the id of a local image, None where there is none of that name."""
    try:
        return str(_client().images.get(name).id)
    except _errors().ImageNotFound:
        return None


def registry_has(image: str) -> str | None:
    """Ask the image's registry for it; return None if it is there, else the reason why it cannot be had."""
    try:
        _client(REGISTRY_TIMEOUT_S).api.inspect_distribution(image)  # type: ignore[no-untyped-call]
    except (_errors().DockerException, OSError) as error:
        return _first_line(error)
    return None


def pull(image: str) -> None:
    """Pull an image.

    Raises:
        UsageError: the registry does not deliver it.
    """
    try:
        _client().images.pull(image)
    except _errors().DockerException as error:
        raise UsageError(f"the image {image} cannot be had: {_first_line(error)}") from error


def seed_image(base: str, tag: str, entrypoint: Path, seed: Path) -> None:
    """Make the image `tag`: `base` with an initialised data directory in /seed.

    The image appears in one step, when the data directory is complete.

    Raises:
        UsageError: the server in `base` could not make a data directory.
    """
    with _helper(base, "seed", {entrypoint: _ENTRYPOINT, seed: "/etc/wavetank/seed"}) as container:
        if container.wait(timeout=ENGINE_TIMEOUT_S * 3)["StatusCode"] != 0:
            raise UsageError(f"{base} could not make a data directory: {last_error(container.name or '')}")
        repository, _, version = tag.partition(":")
        container.commit(repository=repository, tag=version, conf={"Labels": {"wavetank.base": base}})


def validate_configs(image: str, entrypoint: Path, candidates: Path) -> str:
    """Let the server in `image` judge every my.cnf under `candidates`; return its complaints, '' for none."""
    with _helper(image, "validate", {entrypoint: _ENTRYPOINT, candidates: "/candidates"}) as container:
        failed = container.wait(timeout=ENGINE_TIMEOUT_S)["StatusCode"] != 0
        output = "\n".join(_log(container))
        return (output or f"{image} cannot validate a configuration") if failed else ""


_ENTRYPOINT = "/usr/local/bin/wavetank-entrypoint"


@contextlib.contextmanager
def _helper(image: str, command: str, mounts: Mapping[Path, str]) -> Iterator["Container"]:
    """Run our entrypoint's `command` in a passing container without a network; it is gone afterwards."""
    import docker.types

    container = _client().containers.run(
        image,
        name=f"wavetank-{command}-{secrets.token_hex(4)}",
        entrypoint=[_ENTRYPOINT],
        command=[command],
        detach=True,
        network_mode="none",
        labels={"wavetank.helper": command},
        mounts=[
            docker.types.Mount(target, str(source), type="bind", read_only=True) for source, target in mounts.items()
        ],
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "explanation", None) or error)
    return re.sub(r"\s+", " ", text)[:200]


def refuse_if_dead(name: str, container: str) -> bool:
    """Return False where what is called `name` may still be starting.

    Raises:
        UsageError: its container is not running, so that no wait would help.
    """
    if is_running(container):
        return False
    raise UsageError(f"{name} is not running: {last_error(container)}")
