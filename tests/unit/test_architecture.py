"""The rules of the architecture that no linter holds: who may touch what, and what is written nowhere.

Which package may import which is a contract of import-linter in pyproject.toml.
"""

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from first_page import commands_of_the_first_page
from wavetank.checks import asking
from wavetank.topology.instance import HOME, INVENTORIES, topology_names

PACKAGE = HOME / "scripts" / "wavetank"
MODULES = sorted(PACKAGE.rglob("*.py"))
PLAYBOOKS = HOME / "playbooks"
TASK_FILES = sorted([*PLAYBOOKS.glob("roles/*/tasks/*.yml"), *PLAYBOOKS.glob("roles/*/handlers/*.yml")])
YAML_FILES = sorted({*PLAYBOOKS.rglob("*.yml"), *TASK_FILES})
TEMPLATES = sorted([*(HOME / "configs").rglob("*.j2"), *(HOME / "compose").rglob("*.j2")])
LONGEST_TASK_FILE = 80

# The one place that may name a topology: what is brought up when nobody names one.
MAY_NAME_A_TOPOLOGY = "DEFAULT_TOPOLOGY"


def relative(path: Path) -> str:
    return str(path.relative_to(HOME))


def tracked(*suffixes: str) -> list[Path]:
    """Return the files that are, or would be, in git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=HOME, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    files = [HOME / name for name in listed if name]
    return [file for file in files if file.is_file() and (not suffixes or file.suffix in suffixes)]


@functools.cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


@functools.cache
def imported(module: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


# Client libraries are what is measured there.
MEASURED = PACKAGE / "client_faults" / "subjects"


def importers(library: str) -> list[str]:
    return [
        relative(module)
        for module in MODULES
        if MEASURED not in module.parents
        and any(name == library or name.startswith(library + ".") for name in imported(module))
    ]


# --- who may touch what


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("docker", ["machine/containers.py"]),
        ("hdrh", ["drills/traffic/latency.py"]),
        ("msgspec", ["drills/judging/history.py"]),
        # The core, and what an application uses: the two know different errors from it.
        ("mysql.connector", ["client/splitting/driver.py", "servers/node.py"]),
        ("pygal", ["drills/reporting/plots.py"]),
        ("sqlalchemy", ["client/splitting/pools.py"]),
        (
            "sqlglot",
            [
                "servers/statement_kinds.py",
                *(
                    f"sharding/query/{module}.py"
                    for module in (
                        "averages",
                        "compiling",
                        "groups",
                        "map_snapshot",
                        "names",
                        "plan",
                        "pruning",
                        "reading",
                        "rows",
                        "scope",
                    )
                ),
            ],
        ),
        ("tenacity", ["waiting.py"]),
        (
            "typer",
            [
                "cli/asking_commands.py",
                "cli/client_commands.py",
                "cli/commands.py",
                "cli/drill_commands.py",
                "cli/life_commands.py",
                "cli/options.py",
                "cli/role_commands.py",
                "cli/row_commands.py",
                "cli/server_commands.py",
                "cli/shard_commands.py",
            ],
        ),
        ("uhashring", ["sharding/maps/hashed.py"]),
    ],
)
def test_a_library_has_its_importers_and_no_others(library: str, modules: list[str]) -> None:
    assert importers(library) == [f"scripts/wavetank/{module}" for module in modules]


def test_nothing_comes_to_mysql_another_way() -> None:
    assert importers("pymysql") == []
    assert importers("MySQLdb") == []


def sleeps(tree: ast.AST) -> list[int]:
    """Return the lines that call or import a sleep."""
    found = []
    for node in ast.walk(tree):
        named = isinstance(node, ast.Attribute) and node.attr == "sleep"
        taken = isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names)
        if named or taken:
            found.append(node.lineno)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("module", MODULES, ids=relative)
def test_nobody_sleeps(module: Path) -> None:
    assert sleeps(parsed(module)) == []


def test_a_check_asks_and_never_prints() -> None:
    for module in (PACKAGE / "checks").rglob("*.py"):
        calls = [node.func for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)]
        assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}, relative(module)


def test_only_the_command_line_exits() -> None:
    for module in MODULES:
        if module.parent.name != "cli":
            assert "sys.exit" not in module.read_text(), relative(module)


# --- checks


@pytest.mark.parametrize("name", sorted(asking.all_checks()))
def test_a_check_has_a_question_and_says_of_whom_and_how(name: str) -> None:
    check = asking.all_checks()[name]
    assert check.__doc__
    assert check.QUESTION.endswith("?")
    assert "\n" not in check.QUESTION
    for function in (check.concerns, check.examine):
        assert callable(function)
        assert function.__doc__


def test_no_two_checks_ask_the_same() -> None:
    questions = [check.QUESTION for check in asking.all_checks().values()]
    assert sorted(questions) == sorted(set(questions))


def test_every_file_in_checks_is_a_check() -> None:
    files = {module.stem for module in (PACKAGE / "checks" / "questions").glob("*.py")} - {"__init__"}
    assert files == asking.all_checks().keys()


# --- roles


def tasks(content: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield every task in a playbook or task file, those in blocks included."""
    for entry in content or []:
        yield entry
        for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks(entry.get(part))


def content_of(file: Path) -> Any:  # noqa: ANN401
    """Return what a YAML file says; a complaint then names the file, not only the line."""
    with file.open() as stream:
        return yaml.safe_load(stream)


@pytest.mark.parametrize("file", sorted({*YAML_FILES, *INVENTORIES.rglob("*.yml")}), ids=relative)
def test_a_yaml_file_is_one(file: Path) -> None:
    assert content_of(file)


def all_tasks() -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in YAML_FILES:
        content = content_of(file)
        if isinstance(content, list):
            for task in tasks(content):
                yield file, task


def test_there_are_roles_to_hold_to_the_rules() -> None:
    assert len(TASK_FILES) > 5
    assert len(list(all_tasks())) > len(TASK_FILES)


@pytest.mark.parametrize("file", TASK_FILES, ids=relative)
def test_a_task_file_fits_on_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) < LONGEST_TASK_FILE


@pytest.mark.parametrize("file", sorted(PLAYBOOKS.glob("*.yml")), ids=relative)
def test_a_playbook_fits_on_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) < LONGEST_TASK_FILE


def modules_without_a_ca() -> Iterator[str]:
    """Yield who administers a ProxySQL without the file that makes its driver verify whom it talks to."""
    prefix = "community.proxysql."
    defaults = {name: given for _, task in all_tasks() for name, given in task.get("module_defaults", {}).items()}
    for file, task in all_tasks():
        for name, arguments in task.items():
            if name.startswith(prefix) and "config_file" not in {**defaults.get(name, {}), **arguments}:
                yield f"{relative(file)}: {task['name']}"


def test_a_proxysql_is_administered_by_who_knows_that_it_is_the_one() -> None:
    assert list(modules_without_a_ca()) == []


COMMANDS = ("command", "shell", "raw", "script", "docker_container_exec", "expect")
CLIENT = re.compile(r"(^|[\s/|;&(\"'])(mysql|mysqladmin|mariadb)(\s|$)")


def client_commands() -> Iterator[str]:
    for file, task in all_tasks():
        for module, arguments in task.items():
            if module.rpartition(".")[2] not in COMMANDS:
                continue
            said = arguments.values() if isinstance(arguments, dict) else [arguments]
            words = [" ".join(map(str, word)) if isinstance(word, list) else str(word) for word in said]
            if any(CLIENT.search(word) for word in words):
                yield f"{relative(file)}: {task.get('name')}"


def test_roles_talk_to_mysql_through_modules_and_not_through_its_client() -> None:
    assert list(client_commands()) == []
    for file in YAML_FILES:
        assert not re.search(r"\bmysql\b.* (-e|--execute)\b", file.read_text()), relative(file)


# --- one topology is not another's special case


@functools.cache
def groups() -> set[str]:
    """Return the groups of servers that any inventory has."""
    return {group for file in INVENTORIES.glob("*.yml") for group in content_of(file)}


def names_of(text: str) -> set[str]:
    """Return the topologies that a condition asks for by name.

    Some topologies are called as the group of servers that they add; a condition on the group is fine.
    """
    named = {name for name in topology_names() if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}
    return {name for name in named if name not in groups() or "topology" in text}


def role_conditions() -> Iterator[tuple[str, str]]:
    for file, task in all_tasks():
        for key in ("when", "changed_when", "failed_when", "until"):
            if key in task:
                yield relative(file), str(task[key])
    for file in YAML_FILES + TEMPLATES:
        for found in re.finditer(r"{%-?\s*(?:el)?if\b(.*?)%}|{{.*?\bif\b(.*?)}}", file.read_text(), re.DOTALL):
            yield relative(file), found[0]


def package_conditions() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        tree = parsed(module)
        excused = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and MAY_NAME_A_TOPOLOGY in ast.unparse(node).split("=")[0]
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node not in excused and isinstance(node, ast.Compare | ast.MatchValue | ast.If | ast.IfExp):
                condition = node.test if isinstance(node, ast.If | ast.IfExp) else node
                yield f"{relative(module)}:{getattr(node, 'lineno', 0)}", ast.unparse(condition)


@pytest.mark.parametrize("conditions", [role_conditions, package_conditions], ids=["roles and templates", "package"])
def test_no_condition_asks_for_a_topology_by_name(conditions: Any) -> None:  # noqa: ANN401
    found = list(conditions())
    assert found
    assert [(where, condition) for where, condition in found if names_of(condition)] == []


def test_one_constant_names_the_default_topology() -> None:
    naming = [
        f"{relative(module)}: {ast.unparse(node)}"
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Constant) and node.value in topology_names() and "-" in str(node.value)
    ]
    assert naming == ["scripts/wavetank/cli/options.py: 'master-slave'"]


# --- what is written nowhere


def test_no_image_is_the_latest() -> None:
    here = Path(__file__)
    for file in tracked():
        if file in (here, HOME / "requirements.lock") or file.suffix in {".png", ".svg", ".md"}:
            continue
        text = file.read_text(errors="replace")
        assert not re.search(r"[\w}/]:latest\b|\btag: *[\"']?latest\b", text), relative(file)


def test_every_image_that_is_named_has_a_tag() -> None:
    from wavetank.provision import images  # noqa: PLC0415 - read as late as possible: it is the one module that names images

    for image in (images.OFFICIAL, images.FROM_DEBIAN):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", image)


def test_no_secret_is_in_git() -> None:
    for file in tracked():
        if not relative(file).startswith("tests/"):
            text = file.read_text(errors="replace")
            assert not re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", text), relative(file)
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", ".wavetank/instances/sea/secrets/admin"],
        cwd=HOME, check=False,
    )  # fmt: skip
    assert ignored.returncode == 0


# --- what the pages say

LONGEST_FIRST_PAGE = 150


def test_the_first_page_is_short() -> None:
    assert len((HOME / "README.md").read_text().splitlines()) <= LONGEST_FIRST_PAGE


def test_the_first_page_begins_with_the_two_commands_for_a_fresh_machine() -> None:
    lines = commands_of_the_first_page()
    assert lines[:2] == ["make topology-up", "make drill DRILL=source-killed"]
    assert lines[-1] == "make topology-down"
    # Where they run, one variable alone says which instance is meant.
    assert [line for line in lines if "INSTANCE=" in line] == []


@pytest.fixture(scope="module")
def targets() -> list[str]:
    """Return the make targets with a help comment."""
    found = re.findall(r"^([\w-]+):[^#\n]*## ", (HOME / "Makefile").read_text(), re.MULTILINE)
    assert "topology-up" in found
    return found


def test_every_make_target_with_a_help_text_is_in_the_page_of_commands(targets: list[str]) -> None:
    text = (HOME / "docs" / "commands.md").read_text()
    assert [target for target in targets if not re.search(rf"\bmake {re.escape(target)}(?![\w-])", text)] == []


def test_every_command_that_the_pages_name_is_one() -> None:
    rules = set(re.findall(r"^([\w-]+):", (HOME / "Makefile").read_text(), re.MULTILINE))
    for page in [HOME / "README.md", *(HOME / "docs").rglob("*.md")]:
        named = set(re.findall(r"`make ([a-z][\w-]*)", page.read_text()))
        assert named <= rules, relative(page)


def test_every_check_is_in_the_page_of_checks_with_its_question() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (HOME / "docs" / "checks.md").read_text(), re.MULTILINE))
    assert {name: question.replace("`", "") for name, question in rows.items()} == {
        name: check.QUESTION.replace("`", "") for name, check in asking.all_checks().items()
    }


def test_every_make_target_with_a_help_text_is_phony(targets: list[str]) -> None:
    phony = re.findall(r"^\.PHONY:(.*)$", (HOME / "Makefile").read_text(), re.MULTILINE)
    assert set(targets) <= set(" ".join(phony).split())


ON_A_COMMAND_LINE = re.compile(r"""--(mysql-)?password=|(?<![\w-])-p["']?[$]""")


def test_no_command_that_is_run_or_suggested_holds_a_password() -> None:
    files = [file for file in tracked(".sh", ".py", ".yml", ".j2", ".md") if "tests" not in file.parts]
    assert [relative(file) for file in files if ON_A_COMMAND_LINE.search(file.read_text())] == []


# --- what apt protects us from, anywhere in the repository

UNGUARDED = re.compile("Sandbox::User|Acquire::Check-|allow-(unauthenticated|insecure)|trusted=yes", re.IGNORECASE)


def test_apt_keeps_its_guards_but_for_the_one_suite_that_expires() -> None:
    files = [file for file in tracked(".sh", ".py", ".yml", ".j2", ".cfg") if file != Path(__file__).resolve()]
    assert [relative(file) for file in files if UNGUARDED.search(file.read_text())] == []
    lenient = [relative(file) for file in files if "check-valid-until" in file.read_text().lower()]
    assert lenient == ["compose/images/mysql-from-debian.sh"]
