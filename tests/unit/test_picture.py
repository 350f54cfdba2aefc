"""The picture of a drill: who was the source before and after, the steps, the plot, and nothing that is fetched."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from histories import STORM_S, honest
from wavetank.drills.reporting.picture import drill_picture, read_drill, server_names
from wavetank.errors import UsageError
from wavetank.topology.inventory import drawn_topology
from wavetank.topology.model import Topology

SVG = "{http://www.w3.org/2000/svg}"
STEPS = ["   0.376 s  db1 is gone, say db2, db3 <&>", "   0.399 s  db2 opened", "said without a time"]


def kept_in(directory: Path, name: str = "source-killed") -> Path:
    """Keep an honest drill as a report's directory: db1 was killed, db2 took its place."""
    for file, lines in honest(name).files().items():
        (directory / file).write_text("".join(lines))
    report = {"started": "2026-11-27T10:00:00+00:00", "facts": {"steps": STEPS}}
    (directory / "report.json").write_text(json.dumps(report))
    for server in ("db1", "db2", "db3"):
        (directory / f"{server}.log").touch()
    return directory


def drawn(directory: Path, topology: Topology) -> ET.Element:
    return ET.fromstring(drill_picture(read_drill(directory), topology))  # noqa: S314 - our own


def texts(picture: ET.Element, kind: str) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text") if kind in (each.get("class") or "").split()]


def words_of(picture: ET.Element) -> dict[str, str]:
    """Return what is written under each name."""
    return dict(zip(texts(picture, "name"), texts(picture, "words"), strict=True))


def test_it_says_who_was_the_source_before_and_after(tmp_path: Path, make_topology: Callable[..., Topology]) -> None:
    assert words_of(drawn(kept_in(tmp_path), make_topology())) == {
        "clients": "direct",
        "db1": "source until the storm",
        "db2": "the source after it",
        "db3": "replica",
    }


def test_a_source_that_is_another_one_than_the_inventorys_is_in_its_place(
    tmp_path: Path, make_topology: Callable[..., Topology]
) -> None:
    declared = make_topology({
        "db2": {"server_id": 2},
        "db1": {"server_id": 1, "replicates_from": "db2"},
        "db3": {"server_id": 3, "replicates_from": "db2"},
    })  # fmt: skip
    picture = drawn(kept_in(tmp_path), declared)
    assert words_of(picture)["db1"] == "source until the storm"
    places = {
        name: float(box.get("x", ""))
        for name, box in zip(
            texts(picture, "name"),
            [each for each in picture.iter(f"{SVG}rect") if (each.get("class") or "").startswith("box")],
            strict=True,
        )
    }
    assert places["clients"] < places["db1"] < places["db2"] == places["db3"]


def test_the_figures_and_steps_are_those_of_the_report(tmp_path: Path, make_topology: Callable[..., Topology]) -> None:
    picture = drawn(kept_in(tmp_path), make_topology())
    assert texts(picture, "step") == ["db1 is gone, say db2, db3 <&>", "db2 opened"]
    (head,) = texts(picture, "head")
    assert re.fullmatch(r"source-killed: 0\.5\d\d s without an acknowledged write, 0 of [\d,]+ .* lost", head)
    assert read_drill(tmp_path).recorded.storm_s == STORM_S


def test_nothing_is_fetched_and_both_modes_have_colours(tmp_path: Path, make_topology: Callable[..., Topology]) -> None:
    text = drill_picture(read_drill(kept_in(tmp_path)), make_topology())
    assert "prefers-color-scheme: dark" in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|@import|url\((?!#)", text)


def test_a_chain_has_a_column_for_each_hop(tmp_path: Path, make_topology: Callable[..., Topology]) -> None:
    chain = make_topology({
        "db1": {"server_id": 1},
        "db2": {"server_id": 2, "replicates_from": "db1"},
        "db3": {"server_id": 3, "replicates_from": "db2"},
    })  # fmt: skip
    boxes = [each for each in drawn(kept_in(tmp_path), chain).iter(f"{SVG}rect") if "box" in (each.get("class") or "")]
    assert len({each.get("x") for each in boxes}) == len(boxes) == 4


@pytest.mark.parametrize("name", ["reshard", "conflict"])
def test_a_drill_without_such_clients_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no plot of it"):
        read_drill(kept_in(tmp_path, name))


def test_a_directory_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a drill's report"):
        read_drill(tmp_path)
    (kept_in(tmp_path) / "report.json").unlink()
    with pytest.raises(UsageError, match=r"no report\.json"):
        read_drill(tmp_path)


@pytest.mark.parametrize(("members", "expected"), [((), 3), (("db1", "db2", "db3"), 3), (("a", "b", "c", "d"), 4)])
def test_the_topology_has_as_many_servers_as_the_instance_had(members: Any, expected: int) -> None:  # noqa: ANN401
    assert len(drawn_topology("master-slave", members).nodes) == expected


def test_the_servers_are_those_whose_logs_lie_there(tmp_path: Path) -> None:
    assert server_names(kept_in(tmp_path)) == {"db1", "db2", "db3"}
