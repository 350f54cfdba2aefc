"""What status draws and says of instances made by hand, and what it counts as a deviation."""

import io
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from rich.console import Console
from wavetank.machine import containers
from wavetank.servers.gtid import count_transactions
from wavetank.status.collecting import collect
from wavetank.status.facts import ChannelStatus, InstanceStatus, NodeStatus, Remark
from wavetank.status.remarks import remarks
from wavetank.status.shards import ShardMapStatus
from wavetank.status.view import connect_lines, duration, print_status, watch_status
from wavetank.topology.model import Channel, Node, Topology

UUID = "3ede0b4b-e4bb-11f1-bd5e-0242ac190003"
OTHER = "3ebf7257-e4bb-11f1-bff3-0242ac190002"


class Engine(Protocol):
    """What is used here of the pretended engine in conftest.py."""

    def run(self, name: str, *ports: int, status: str = "running") -> None: ...


def server(name: str, *sources: str, **facts: object) -> NodeStatus:
    """Return a server that does what the inventory says, but for `facts`."""
    number = int(name.removeprefix("db"))
    channels = tuple(
        ChannelStatus(source if len(sources) > 1 else "", source, "ON", "ON", lag_us=1_500, gap=0) for source in sources
    )
    usual: dict[str, Any] = {
        "port": 13309 + number,
        "container": f"wavetank-sea-{name}",
        "container_state": "running",
        "declared_sources": sources,
        "role": "replica" if sources else "source",
        "read_only": bool(sources),
        "super_read_only": bool(sources),
        "errant": 0 if sources else None,
        "version": "9.7.4",
        "channels": channels,
    }
    return NodeStatus(name, **{**usual, **facts})


def dead(name: str, *declared: str, state: str = "exited") -> NodeStatus:
    reason = f"container {state}"
    return NodeStatus(
        name,
        13399,
        f"wavetank-sea-{name}",
        state,
        declared,
        reason,
        remarks=(Remark(f"no answer: {reason}", broken=True),),
    )


def sea(*nodes: NodeStatus, client: str = "/w/clients/app_rw.cnf") -> InstanceStatus:
    return InstanceStatus("sea", "master-slave", nodes, "/w/ca.pem", "/w/secrets/app_rw", client)


def drawn(status: InstanceStatus, *, width: int = 80, colours: bool = False) -> list[str]:
    """Return the lines that a terminal of that width, or a log, would show."""
    file = io.StringIO()
    print_status(status, Console(file=file, width=width, highlight=False, color_system="standard" if colours else None))
    return file.getvalue().splitlines()


def tree(status: InstanceStatus) -> list[str]:
    """Return the guides and names of the drawn tree, a server a line."""
    names = (re.match(r"([│├└─ ]*db\d)  ", line) for line in drawn(status))
    return [name[1] for name in names if name]


def test_the_tree_shows_who_replicates_from_whom() -> None:
    status = sea(server("db1"), server("db2", "db1", role="relay"), server("db3", "db1"), server("db4", "db2"))
    assert tree(status) == ["db1", "├── db2", "│   └── db4", "└── db3"]


def test_each_server_says_its_role_port_and_figures() -> None:
    channel = ChannelStatus("", "db1", "ON", "ON", lag_us=2_300_000, gap=17)
    text = "\n".join(drawn(sea(server("db1"), server("db2", "db1", channels=(channel,)))))
    assert "db1  source · writable · container running · 127.0.0.1:13310" in text
    assert "db2  replica · super_read_only · container running · 127.0.0.1:13311" in text
    assert "lag 2.3 s · gap 17 · errant 0 · receiver ON · applier ON" in text
    assert "2 servers, all as the inventory says" in text


def test_a_server_that_does_not_answer_is_drawn_where_it_is_declared() -> None:
    status = sea(server("db1"), dead("db2", "db1", state="paused"), server("db3", "db2"))
    text = "\n".join(drawn(status))
    assert tree(status) == ["db1", "└── db2", "    └── db3"]
    assert "db2  container paused · 127.0.0.1:13399" in text
    assert "✗ no answer: container paused; drawn where declared" in text
    assert "2 of 3 answer, 1 deviation" in text


def test_a_moved_replica_is_drawn_where_its_server_says() -> None:
    moved = server("db3", "db2", declared_sources=("db1",), remarks=(Remark("replicates from db2"),))
    status = sea(server("db1"), server("db2", "db1"), moved)
    assert tree(status) == ["db1", "└── db2", "    └── db3"]
    assert any("! replicates from db2" in line for line in drawn(status))


def test_what_replicates_from_an_unknown_server_is_a_tree_of_its_own() -> None:
    assert tree(sea(server("db1"), server("db2", "elsewhere"))) == ["db1", "db2"]


def test_a_ring_is_drawn_once_round() -> None:
    status = sea(server("db1", "db2"), server("db2", "db1"), server("db3", "db2"))
    assert tree(status) == ["db1", "└── db2", "    ├── db1", "    └── db3"]
    assert any("db1  drawn above" in line for line in drawn(status))


def test_a_replica_of_two_sources_is_drawn_behind_both_and_names_them() -> None:
    status = sea(server("db1"), server("db2"), server("db3", "db1", "db2"))
    text = "\n".join(drawn(status))
    assert tree(status) == ["db1", "└── db3", "db2", "└── db3"]
    assert "from db1 · lag 1.5 ms" in text
    assert "from db2 · lag 1.5 ms" in text


def test_a_stopped_replica_tells_the_age_of_its_data() -> None:
    stopped = ChannelStatus("", "db1", "ON", "OFF", gap=3)
    text = "\n".join(drawn(sea(server("db1"), server("db2", "db1", channels=(stopped,), heartbeat_age_us=65_000_000))))
    assert "data 1 min 5 s old · gap 3 · errant 0 · receiver ON · applier OFF" in text


def test_what_cannot_be_known_is_a_question_mark() -> None:
    channel = ChannelStatus("", "db1", "ON", "ON")
    text = "\n".join(drawn(sea(dead("db1"), server("db2", "db1", channels=(channel,), errant=None))))
    assert "lag ? · gap ? · errant ?" in text


def test_colours_say_nothing_that_words_do_not() -> None:
    status = sea(server("db1"), dead("db2", "db1"), server("db3", "db1", remarks=(Remark("is writable"),)))
    coloured = "\n".join(drawn(status, colours=True))
    assert "\x1b[1;31mdb2" in coloured
    assert "\x1b[1;33mdb3" in coloured
    assert "\x1b" not in "\n".join(drawn(status))


@pytest.mark.parametrize("width", [80, 120])
def test_the_picture_keeps_its_width(width: int) -> None:
    error = "error 2003: Error reconnecting to source 'replication@db1:3306'. " * 4
    status = sea(server("db1"), server("db2", "db1", remarks=(Remark(error, broken=True),)), server("db3", "db2"))
    picture = drawn(status, width=width)[: -len(list(connect_lines(status)))]
    assert max(map(len, picture)) <= width


def test_markup_in_an_error_is_text() -> None:
    status = sea(server("db1"), server("db2", "db1", remarks=(Remark("error [red] in [/]"),)))
    assert any("error [red] in [/]" in line for line in drawn(status))


def test_commands_are_never_broken_survive_a_shell_and_hold_no_password() -> None:
    client = "/a very long path/" + "x" * 90 + "/it's here/app_rw.cnf"
    lines = drawn(sea(server("db1"), dead("db2", "db1"), client=client))
    assert "  docker exec -it wavetank-sea-db1 mysql" in lines
    assert "  docker exec -it wavetank-sea-db2 mysql  # exited" in lines
    start = next(at for at, line in enumerate(lines) if line.startswith("  mysql "))
    pasted = "\n".join(["mysql() { printf '%s\\n' \"$@\"; }", *lines[start:]])
    words = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, check=True).stdout.splitlines()
    assert words == [f"--defaults-extra-file={client}", "-h", "127.0.0.1", "-P", "13310"]


def test_an_application_connects_where_writes_are_taken() -> None:
    closed = server("db1", read_only=True, super_read_only=True)
    opened = server("db2", read_only=False, super_read_only=False)
    assert sea(closed, opened).app_node.name == "db2"
    assert sea(closed, dead("db2")).app_node.name == "db1"


def test_json_holds_everything() -> None:
    status = sea(server("db1"), dead("db2", "db1"))
    read = json.loads(json.dumps(status.as_dict()))
    assert (read["instance"], read["topology"], read["as_declared"]) == ("sea", "master-slave", False)
    assert read["nodes"][0]["writability"] == "writable"
    assert read["nodes"][1]["unanswered"] == "container exited"
    assert read["nodes"][1]["remarks"] == [{"text": "no answer: container exited", "broken": True}]
    assert sea(server("db1"), server("db2", "db1")).as_declared


def test_a_watch_ends_quietly_with_ctrl_c() -> None:
    def interrupted() -> InstanceStatus:
        raise KeyboardInterrupt

    watch_status(interrupted, console=Console(file=io.StringIO()))


REPLICA = Node("db2", 2, 13311, (Channel("", "db1"),))
SOURCE = Node("db1", 1, 13310)


@pytest.mark.parametrize(
    ("node", "seen", "expected"),
    [
        (SOURCE, server("db1"), None),
        (REPLICA, server("db2", "db1"), None),
        (SOURCE, server("db1", read_only=True), "is read_only; the inventory makes it take writes"),
        (
            REPLICA,
            server("db2", "db1", super_read_only=False),
            "is read_only; the inventory makes it super_read_only",
        ),
        (
            REPLICA,
            server("db2", "db3", declared_sources=("db1",)),
            "replicates from db3; the inventory says db1",
        ),
        (
            REPLICA,
            server("db2", declared_sources=("db1",), super_read_only=True),
            "replicates from nobody; the inventory says db1",
        ),
        (
            SOURCE,
            server("db1", "db2", declared_sources=(), read_only=False),
            "replicates from db2; the inventory says nobody",
        ),
        (REPLICA, server("db2", "db1", errant=2), "has 2 errant: executed here, unknown to db1"),
    ],
)
def test_what_differs_from_the_inventory(node: Node, seen: NodeStatus, expected: str | None) -> None:
    assert [remark.text for remark in remarks(node, seen, lag_bound_s=5)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (ChannelStatus("", "db1", "OFF", "ON"), Remark("from db1: receiver OFF", broken=True)),
        (
            ChannelStatus("", "db1", "CONNECTING", "OFF", error="error 2003: no"),
            Remark("from db1: receiver CONNECTING, applier OFF: error 2003: no", broken=True),
        ),
        (ChannelStatus("", "db1", "ON", "ON", lag_us=5_000_001), Remark("is more than 5 s behind db1")),
        (
            ChannelStatus("", "db1", "ON", "ON", deviations=("delay_s 30, not 0",)),
            Remark("from db1: delay_s 30, not 0"),
        ),
    ],
)
def test_what_is_wrong_with_a_channel(channel: ChannelStatus, expected: Remark) -> None:
    assert list(remarks(REPLICA, server("db2", "db1", channels=(channel,)), lag_bound_s=5)) == [expected]


def test_no_server_is_asked_whose_container_does_not_run(
    make_topology: Callable[..., Topology], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "engine_answers", lambda: True)
    engine.run("wavetank-sea-db2", status="paused")
    seen = collect(make_topology(instance="sea"))
    assert [node.unanswered for node in seen.nodes] == [
        "container absent",
        "container paused",
        "container absent",
    ]
    assert [node.name for node in seen.roots] == ["db1"]
    assert not seen.as_declared


@pytest.mark.parametrize(
    ("gtid_set", "expected"),
    [
        ("", 0),
        (f"{UUID}:7", 1),
        (f"{UUID}:1-5:8-9,\n{OTHER}:3", 8),
        (f"{UUID}:1-5:tag:1-2:9:other_tag:1", 9),
    ],
)
def test_transactions_are_counted(gtid_set: str, expected: int) -> None:
    assert count_transactions(gtid_set) == expected


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "0 µs"),
        (850, "850 µs"),
        (1_234, "1.2 ms"),
        (3_400_000, "3.4 s"),
        (125_000_000, "2 min 5 s"),
        (11_040_000_000, "3 h 4 min"),
    ],
)
def test_times_are_for_people(microseconds: int, expected: str) -> None:
    assert duration(microseconds) == expected


def test_the_picture_says_what_each_shard_is() -> None:
    shard_map = ShardMapStatus(3, "ring", ((1, "in the map"), (2, "spare")))

    assert shard_map.line == "shard map 3, by ring: 1 in the map; 2 spare"
    assert [shard_map.title(shard) for shard in (1, 2)] == ["shard 1", "shard 2, spare"]
    assert ShardMapStatus(unread="s1 does not answer").line == "shard map: s1 does not answer"
