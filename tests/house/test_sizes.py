"""The sizes of docs/architecture.md are kept: small modules, small functions, one place for every word."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE, FUNCTION = 400, 50
"""Most lines of a module and of a function (docs/architecture.md); complexity is ruff's to count."""

FILES = sorted(
    file.relative_to(ROOT)
    for folder in ("src", "providers", "tests", "benchmarks", "docs")
    for file in (ROOT / folder).rglob("*.py")
)


def long_functions(tree: ast.AST) -> list[tuple[str, int]]:
    """Name and lines of every function that is too long."""
    sizes = [
        (node.name, (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [(name, lines) for name, lines in sizes if lines > FUNCTION]


def test_the_walk_finds_the_code() -> None:
    """A moved folder must not make the limits vacuous."""
    assert {"src", "providers", "tests", "benchmarks"} <= {file.parts[0] for file in FILES}
    assert long_functions(ast.parse("def f():\n" + "    pass\n" * FUNCTION)) == [("f", FUNCTION + 1)]


@pytest.mark.parametrize("folder", ["src", "providers", "tests", "benchmarks", "docs"])
def test_sizes(folder: str) -> None:
    """No module and no function is longer than the house allows."""
    wrong: list[str] = []
    for file in (file for file in FILES if file.parts[0] == folder):
        text = (ROOT / file).read_text(encoding="utf-8")
        lines = len(text.splitlines())
        wrong += [f"{file}: {lines} lines"] if lines > MODULE else []
        wrong += [f"{file}: {name} has {size} lines" for name, size in long_functions(ast.parse(text))]
    assert wrong == []
