"""Build the pages of docs/, README.md among them, into a site that fetches nothing; a dead link makes it fail.

    .venv/bin/python scripts/docs.py [<root of the clone> [<where to build>]]

The pages are copied first, so that what is generated lies beside them and in no commit.
"""

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOME = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# What an application imports. Everything that such a package names in __all__ is in the reference.
FOR_APPLICATIONS = ("wavetank.client.splitting", "wavetank.client.shards")
# Pages that lie beside docs/, and what they are called in the site.
BESIDE = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
# Asked for by a browser as soon as it sees the page, as against a link that a reader follows.
FETCHED = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("source", "src"),
    ("iframe", "src"),
    ("object", "data"),
}
# The generator would fetch this for a search that works from disk; ours lies in docs/.
FROM_ELSEWHERE, OURS = "https://unpkg.com/iframe-worker/shim", "from-disk.js"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def main(arguments: list[str]) -> int:
    """Copy, generate, build, look at every link; return the exit code."""
    root = Path(arguments[0]).resolve() if arguments else HOME
    work = Path(arguments[1]).resolve() if len(arguments) > 1 else root / ".wavetank" / "docs"
    shutil.rmtree(work, ignore_errors=True)
    stage(root, work)
    built = subprocess.run(
        [BIN / "zensical", "build", "--clean", "--strict", "--config-file", work / "zensical.toml"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if built.returncode:
        print(built.stdout, file=sys.stderr)
        return 1
    for page in (work / "site").rglob("*.html"):
        up = "../" * len(page.relative_to(work / "site").parents[:-1])
        page.write_text(page.read_text().replace(f'"{FROM_ELSEWHERE}"', f'"{up}{OURS}"'))
    wrong = sorted(set(complaints(work / "site")))
    for complaint in wrong:
        print(f"docs: {complaint}", file=sys.stderr)
    if not wrong:
        print(f"docs: {len(list((work / 'site').rglob('*.html')))} pages, {work / 'site' / 'index.html'}")
    return 1 if wrong else 0


def stage(root: Path, work: Path) -> None:
    """Put all pages side by side in work/pages, and beside them how they are built."""
    pages = work / "pages"
    shutil.copytree(root / "docs", pages)
    shutil.move(pages / "zensical.toml", work / "zensical.toml")
    for file, name in BESIDE.items():
        if (root / file).exists():
            (pages / name).write_text((root / file).read_text().replace("](docs/", "]("))
    for page in pages.rglob("*.md"):
        up = "../" * len(page.relative_to(pages).parents[:-1])
        text = page.read_text()
        for file, name in BESIDE.items():
            text = text.replace(f"](../{up}{file}", f"]({up}{name}").replace(f"]({file})", f"]({name})")
        page.write_text(_LINK.sub(functools.partial(_without_repository, page, pages, root), text))
    reference = pages / "reference"
    reference.mkdir(exist_ok=True)
    (reference / "command.md").write_text(_command_reference())
    (reference / "api.md").write_text(api_reference(FOR_APPLICATIONS))


def _without_repository(page: Path, pages: Path, root: Path, link: re.Match[str]) -> str:
    """Leave of a link to a file of the repository that is no page only its words; it opens in a clone."""
    words, target = link.groups()
    if urlsplit(target).scheme or target.startswith("#"):
        return link[0]
    path = target.partition("#")[0]
    there = (root / "docs" / page.relative_to(pages)).parent / path
    beside = root / path  # of a page that lies in the root
    is_page = (page.parent / path).exists()
    return words if not is_page and (there.exists() or beside.exists()) else link[0]


def _command_reference() -> str:
    """Return every command and option as Typer tells it."""
    told = subprocess.run(
        [
            BIN / "typer", "wavetank.cli.commands", "utils", "docs",
            "--name", "wavetank", "--title", "The command wavetank",
        ],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    summaries = dict(re.findall(r"^#+ `wavetank (.+?)`\n\n(.+)$", told, re.MULTILINE))
    return "".join(f"{line}\n" for line in _with_whole_summaries(told.splitlines(), summaries))


def _with_whole_summaries(lines: list[str], summaries: dict[str, str]) -> Iterator[str]:
    """Give each list of commands links and whole sentences: Typer cuts them at 45 characters."""
    group, listing = "", False
    for line in lines:
        if heading := re.match(r"#+ `wavetank (.+?)`", line):
            group, listing = heading[1] + " ", False
        listing = listing or line == "**Commands**:"
        command = re.match(r"\* `([\w-]+)`", line)
        if listing and command and (name := group + command[1]) in summaries:
            yield f"* [`{command[1]}`](#wavetank-{name.replace(' ', '-')}): {summaries[name]}"
        else:
            yield line


def api_reference(packages: tuple[str, ...]) -> str:
    """Return the page of which the generator makes the reference of these packages."""
    return "# API for applications\n\n" + "\n\n".join(f"::: {package}" for package in packages) + "\n"


class _Page(HTMLParser):
    """The links of a page, and the places in it that a link may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str, str]] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag links to, and what it is called."""
        for name, value in attrs:
            if name in ("href", "src", "data") and value is not None:
                self.links.append((tag, name, value))
            elif (name == "id" or (tag == "a" and name == "name")) and value:
                self.places.add(value)


def complaints(site: Path) -> Iterator[str]:
    """Yield each link of a built site that leads nowhere, and each file that a browser would fetch from elsewhere."""
    pages = {file: _Page(file.read_text()) for file in site.rglob("*.html")}
    for file, page in pages.items():
        for tag, attribute, target in page.links:
            if reason := _wrong(tag, attribute, target, file, pages):
                yield f"{file.relative_to(site)}: {reason}"
    for file in site.rglob("*.css"):
        for target in re.findall(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", file.read_text()):
            yield f"{file.relative_to(site)}: would fetch {target}"


def _wrong(tag: str, attribute: str, target: str, file: Path, pages: Mapping[Path, _Page]) -> str:
    """Return what is wrong with a link of a page, '' for nothing."""
    parts = urlsplit(target)
    if parts.scheme in ("data", "mailto", "javascript"):
        return ""
    if parts.scheme or parts.netloc:
        return f"would fetch {target}" if (tag, attribute) in FETCHED else ""
    there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if parts.path.startswith("/") or not there.is_file():
        # The page for what is not found is shown at any address, so its links begin at the root.
        return "" if file.name == "404.html" else f"dead link {target}"
    if parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].places:
        return f"dead link {target}: no such place in that page"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
