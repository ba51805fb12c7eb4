"""What nhisync tells a person to type or to use exists in this version."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nhisync.cli.catalogue import ENTRIES
from nhisync.config import IDLE_KEYS

ROOT = Path(__file__).parents[2]
FILES = sorted(path for top in ("src", "providers") for path in (ROOT / top).rglob("*.py"))
REFERENCE = (ROOT / "docs/cli.md").read_text(encoding="utf-8")

LATER = {
    *("plan", "apply", "rotate", "drill", "hold", "override", "release", "failback", "attest", "audit", "verify"),
    *("controllers", "keys", "edge", "worker", "history"),
}
"""Commands of the contract that this version may lack. "nhisync report" is prose, like any other word behind it."""

FEATURES = {"agent listener": "listener.agent_bind", "webhook": "publish.webhook"}
"""What a hint may name only when its key is no longer idle."""


def spoken(file: Path) -> Iterator[str]:
    """The texts of a module that a person may come to read: its strings, docstrings of commands included."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else "X" for p in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def options_of(command: str) -> frozenset[str]:
    """Long options of a command and of those below it, as the reference lists them."""
    sections = re.split(r"^## nhisync ", REFERENCE, flags=re.MULTILINE)
    mine = [part for part in sections if part.partition("\n")[0].split()[0] == command]
    return frozenset(word for part in mine for word in re.findall(r"--[a-z][a-z-]+", part))


def test_the_scan_sees_what_it_looks_for() -> None:
    """It finds texts with commands at all, and knows the options of one."""
    texts = [text for file in FILES for text in spoken(file)]
    assert sum("nhisync doctor" in text for text in texts) > 5
    assert {"--until", "--approved-by", "--config"} <= options_of("waive")


def test_hints_name_only_what_exists() -> None:
    """No text sends a person to a command, an option or a feature that this version does not have."""
    assert [
        (str(file.relative_to(ROOT)), text) for file in FILES for text in spoken(file) if misleads(file, text)
    ] == []


def misleads(file: Path, text: str) -> bool:
    """Whether `text` names what is not there; the format's own description says of each idle key that it is idle."""
    commands = {entry.name for entry in ENTRIES}
    for command, rest in re.findall(r"\bnhisync ([a-z]+)((?: [^\s;,.()`]+)*)", text):
        if command in LATER - commands:
            return True
        if command in commands and not set(re.findall(r"(?<= )--[a-z][a-z-]+", rest)) <= options_of(command):
            return True
    described = "nhisync/config/" in file.as_posix()
    return not described and any(key in IDLE_KEYS and feature in text for feature, key in FEATURES.items())
