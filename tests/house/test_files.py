"""Adapters read files through `nhisync.spi.files`: an ordinary open waits for ever at a named pipe."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_READERS = frozenset({"open", "read_text", "read_bytes"})
_OWN = {"file/nhisync_file/folder.py"}
"""The file provider's own walk below its root, which opens every part without waiting and never follows it out."""

ADAPTERS = sorted(
    file.relative_to(ROOT / "providers").as_posix()
    for file in (ROOT / "providers").rglob("*.py")
    if "emulator" not in file.parts
)


def readers(tree: ast.AST) -> list[int]:
    """Lines that open a file: `open(…)`, `path.open(…)`, `os.open(…)`, `read_text`, `read_bytes`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _READERS:
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_open_no_file_by_themselves(name: str) -> None:
    """One way to read what settings name: at once, regular files only, bounded."""
    found = readers(ast.parse((ROOT / "providers" / name).read_text(encoding="utf-8")))
    assert (found == []) is (name not in _OWN), f"{name}: lines {found}; use nhisync.spi.files"


def test_a_reader_is_seen() -> None:
    """The test above can fail."""
    assert readers(ast.parse("x = file.open('rb')\ny = open('z')\nfile.read_text()")) == [1, 2, 3]
