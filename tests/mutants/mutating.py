"""The mutants of a module: what mutmut makes of it, and which of them count.

mutmut passes over decorated functions, and a property decides as much as a method does. So a decorator is first written
as the call that it is. What does not count is stated by rule in _Sense, never by hand.
"""

import ast
import functools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import (
    get_mutant_name,
    mangled_name_from_mutant_name,
    orig_function_and_class_names_from_key,
)


@dataclass(frozen=True)
class Mutant:
    """One change of one function.

    Attributes:
        name: mutmut's, with the module in front.
        function: what was changed, Class.method for a method.
        before, after: the lines that differ, without their indentation.
    """

    name: str
    function: str
    before: str
    after: str


def plainly(source: str) -> str:
    """Return a module's source with the decorators of its functions written as calls after them."""
    return libcst.parse_module(source).visit(_Undecorate()).code


class _Undecorate(libcst.CSTTransformer):
    """Write `@d` above `def f` as `f = d(f)` below it."""

    def leave_FunctionDef(  # noqa: N802
        self, original_node: libcst.FunctionDef, updated_node: libcst.FunctionDef
    ) -> libcst.FunctionDef | libcst.FlattenSentinel[libcst.BaseStatement]:
        decorators = [each.decorator for each in original_node.decorators]
        known = {"staticmethod", "classmethod"}  # mutmut's own, where they are alone
        if not decorators or (len(decorators) == 1 and getattr(decorators[0], "value", "") in known):
            return updated_node
        name = original_node.name
        # `@f.setter` needs the earlier f, which the plain function would hide.
        if any(isinstance(each, libcst.Attribute) and each.value.deep_equals(name) for each in decorators):
            return updated_node
        value: libcst.BaseExpression = name
        for each in reversed(decorators):
            value = libcst.Call(each, [libcst.Arg(value)])
        call = libcst.SimpleStatementLine([libcst.Assign([libcst.AssignTarget(name)], value)])
        return libcst.FlattenSentinel([updated_node.with_changes(decorators=[]), call])


def mutants_of(path: Path, source: str) -> Iterator[Mutant]:
    """Yield those mutants of a module that count, in mutmut's order.

    Args:
        path: where mutmut finds it, relative to where mutmut works: src/wavetank/servers/gtid.py.
        source: its text, as plainly() writes it.
    """
    mutated = mutate_file_contents(str(path), source)
    lines = mutated.code.splitlines()

    def body(function: str, plain: str) -> str:
        span = mutated.line_span_by_function_name[function]
        return textwrap.dedent("\n".join(lines[span.start - 1 : span.end])).replace(function, plain)

    for generated in mutated.mutant_names:
        name = get_mutant_name(path, generated)
        function, owner = orig_function_and_class_names_from_key(name)
        before = body(f"{mangled_name_from_mutant_name(generated)}__mutmut_orig", function)
        after = body(generated, function)
        if _sense(before) != _sense(after):
            yield Mutant(name, f"{owner}.{function}" if owner else function, *_differing(before, after))


def _differing(before: str, after: str) -> tuple[str, str]:
    """Return the lines of each text between those that both begin and end with: a mutant changes one place."""
    mine, theirs = ([line.strip() for line in text.splitlines()] for text in (before, after))
    while mine and theirs and mine[0] == theirs[0]:
        del mine[0], theirs[0]
    while mine and theirs and mine[-1] == theirs[-1]:
        del mine[-1], theirs[-1]
    return "\n".join(mine), "\n".join(theirs)


@functools.lru_cache(maxsize=64)
def _sense(function: str) -> str:
    """Return what a function says, two that can differ in wording alone being equal."""
    return ast.dump(_Sense().visit(ast.parse(function)))


class _Sense(ast.NodeTransformer):
    """The rules by which a change does not count."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Let all texts with a blank be one: people read them or, as SQL, real servers, whom the live tests ask.

        An encoding's name is the same in capitals.
        """
        text = node.value if isinstance(node.value, str) else ""
        return ast.Constant("text") if " " in text or text.lower() in ("utf-8", "ascii") else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave out what a type checker alone reads, and what zip(strict=True) states and never decides."""
        called = getattr(node.func, "id", "")
        if called == "zip":
            node.keywords = [each for each in node.keywords if each.arg != "strict"]
        if called == "cast":
            node.args = node.args[-1:]
        return self.generic_visit(node)
