"""The built pages: a dead link fails, nothing is fetched from elsewhere, and every page can be found."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from wavetank.topology.instance import HOME

SCRIPT = HOME / "scripts" / "docs.py"
GENERATED = {"index.md", "reference/command.md", "reference/api.md"}


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """The script that builds the pages."""
    spec = importlib.util.spec_from_file_location("docs_script", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def complaints(docs: ModuleType, site: Path, body: str, style: str = "") -> list[str]:
    (site / "a.html").write_text(f"<html><body>{body}</body></html>")
    (site / "b.html").write_text('<h2 id="part">Part</h2>')
    (site / "pages.css").write_text(style)
    return sorted(docs.complaints(site))


@pytest.mark.parametrize(
    "body",
    [
        '<a href="b.html">page</a> <a href="b.html#part">part</a> <a href="#top" id="top">here</a>',
        '<a href="https://example.org/">a link that a reader follows</a>',
        '<link rel="stylesheet" href="pages.css"><img src="data:image/png;base64,AAAA">',
    ],
)
def test_what_leads_somewhere_is_good(body: str, docs: ModuleType, tmp_path: Path) -> None:
    assert complaints(docs, tmp_path, body, "p { background: url(b.html) }") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="none.html">x</a>', "a.html: dead link none.html"),
        ('<a href="none/">x</a>', "a.html: dead link none/"),
        ('<a href="/b.html">x</a>', "a.html: dead link /b.html"),
        ('<img src="none.svg">', "a.html: dead link none.svg"),
        ('<a href="b.html#nowhere">x</a>', "a.html: dead link b.html#nowhere: no such place in that page"),
        ('<a href="#nowhere">x</a>', "a.html: dead link #nowhere: no such place in that page"),
        ('<script src="https://example.org/x.js"></script>', "a.html: would fetch https://example.org/x.js"),
        ('<link href="//example.org/x.css">', "a.html: would fetch //example.org/x.css"),
    ],
)
def test_what_leads_nowhere_or_elsewhere_is_said(body: str, said: str, docs: ModuleType, tmp_path: Path) -> None:
    assert complaints(docs, tmp_path, body) == [said]


@pytest.mark.parametrize(
    "style", ["@import 'https://example.org/x.css';", "p { background: url(//example.org/x.png) }"]
)
def test_a_style_fetches_nothing_either(style: str, docs: ModuleType, tmp_path: Path) -> None:
    (said,) = complaints(docs, tmp_path, "", style)
    assert said.startswith("pages.css: would fetch ")


# --- what is built of


def named(nav: Any) -> Iterator[str]:  # noqa: ANN401 - a tree
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for part in entry.values():
                yield from named([part] if isinstance(part, str) else part)


def test_every_page_is_in_the_navigation_once(docs: ModuleType) -> None:
    config = tomllib.loads((HOME / "docs" / "zensical.toml").read_text())
    pages = [str(page.relative_to(HOME / "docs")) for page in (HOME / "docs").rglob("*.md")]
    assert sorted(named(config["project"]["nav"])) == sorted({*pages, *GENERATED, *docs.BESIDE.values()})


def test_pages_link_to_pages_and_name_other_files_of_the_repository(docs: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "docs" / "zensical.toml").touch()
    (root / "README.md").write_text("[deep](docs/deep/a.md), [how](CONTRIBUTING.md), [none](none.md)")
    (root / "CONTRIBUTING.md").write_text("[first](README.md)")
    (root / "Makefile").touch()
    (root / "docs" / "deep" / "a.md").write_text(
        "[how](../../CONTRIBUTING.md#x), [make](../../Makefile), [gone](../../gone)"
    )
    docs.stage(root, tmp_path / "work")
    read = {name: (tmp_path / "work" / "pages" / name).read_text() for name in ("index.md", "deep/a.md")}
    assert read["index.md"] == "[deep](deep/a.md), [how](CONTRIBUTING.md), [none](none.md)"
    assert read["deep/a.md"] == "[how](../CONTRIBUTING.md#x), make, [gone](../../gone)"
    assert (tmp_path / "work" / "pages" / "CONTRIBUTING.md").read_text() == "[first](index.md)"


def test_the_reference_has_all_that_applications_import_and_every_command(docs: ModuleType) -> None:
    for package in docs.FOR_APPLICATIONS:
        assert importlib.util.find_spec(package)
        assert f"::: {package}\n" in docs.api_reference(docs.FOR_APPLICATIONS)


# --- the generator itself


@pytest.mark.parametrize(
    ("planted", "said"),
    [("[x](none.md)", "page does not exist"), ("![x](none.svg)", "docs: shop.html: dead link none.svg")],
    ids=["page", "picture"],
)
def test_a_planted_dead_link_makes_the_build_fail(planted: str, said: str, tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("zensical").exists():
        pytest.skip("the generator is not installed: make docs does it, as CI does before its tests")
    shutil.copytree(HOME / "docs", tmp_path / "docs")
    (tmp_path / "scripts").symlink_to(HOME / "scripts")
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(HOME / page, tmp_path)
    with (tmp_path / "docs" / "shop.md").open("a") as page:
        page.write(f"\n{planted}\n")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, tmp_path / "built"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
