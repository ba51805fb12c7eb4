"""Adding pairs to ``nhisync.yaml`` as a person would: new lines at the right place, nothing else touched."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from nhisync.app.discover import Suggestion
from nhisync.config import load
from nhisync.errors import ConfigurationError, UsageError, fix_of_write
from nhisync.parity.rules import codes

_UNNAMED = re.compile(r"[^a-z0-9._-]+")
_ADVICE = "Add the lines that `nhisync discover` prints by hand."


def line_of(suggestion: Suggestion, name: str = "") -> str:
    """The pair as one line of YAML, without its indentation."""
    quoted = [json.dumps(str(side), ensure_ascii=False) for side in (suggestion.primary, suggestion.backup)]
    title = name or pair_name(suggestion.name, ())
    return f"- {{name: {title}, kind: {suggestion.kind}, primary: {quoted[0]}, backup: {quoted[1]}}}"


def pair_name(wanted: str, taken: Collection[str]) -> str:
    """`wanted` as a valid pair name that is not `taken`."""
    name = _UNNAMED.sub("-", wanted.lower()).strip("-.") or "pair"
    number, found = 2, name
    while found in taken:
        number, found = number + 1, f"{name}-{number}"
    return found


def add_pairs(file: Path, suggestions: Sequence[Suggestion], *, policies: Path | None = None) -> int:
    """Write `suggestions` with an app into `file`; returns how many were added.

    The new text is loaded before it replaces the file, so that a file that works never becomes one that does not.

    Raises:
        UsageError: the file's layout leaves no safe place for new lines, or it cannot be written.
    """
    placed = [suggestion for suggestion in suggestions if suggestion.app]
    if not placed:
        return 0
    try:
        text = file.read_text(encoding="utf-8")
        _replace(file, with_pairs(text, placed), policies)
    except OSError as failure:
        fix = fix_of_write(failure, _ADVICE)
        raise UsageError(f"{file} cannot be written: {failure.strerror}", fix=fix) from None
    return len(placed)


def with_pairs(text: str, suggestions: Sequence[Suggestion]) -> str:
    """`text` with new pairs at the end of each app's list; every other character stays.

    Raises:
        UsageError: an app is not there, or is written in one line.
    """
    root = YAML(typ="safe", pure=True).compose(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    by_app: dict[str, list[Suggestion]] = {}
    for suggestion in suggestions:
        by_app.setdefault(suggestion.app, []).append(suggestion)
    inserts = [_insert(_app(root, app), app, wanted, lines) for app, wanted in by_app.items()]
    for at, added in sorted(inserts, reverse=True):
        lines[at:at] = added
    return "".join(lines)


def _insert(app: MappingNode, name: str, wanted: Sequence[Suggestion], lines: list[str]) -> tuple[int, list[str]]:
    """Where the new lines go, and what they are."""
    keys = _children(app)
    pairs = keys.get("pairs")
    if pairs is None:
        indent = app.value[0][0].start_mark.column
        listed = _rendered(wanted, (), indent + 2)
        return _end(app, lines), [f"{' ' * indent}pairs:\n", *listed]
    if not isinstance(pairs, SequenceNode) or pairs.flow_style or not pairs.value:
        raise UsageError(f"apps.{name}.pairs is written in one line, so there is no line to add to", fix=_ADVICE)
    taken = {_children(entry)["name"].value for entry in pairs.value if "name" in _children(entry)}
    return _end(pairs, lines), _rendered(wanted, taken, pairs.start_mark.column)


def _rendered(wanted: Sequence[Suggestion], taken: Collection[str], indent: int) -> list[str]:
    names, rendered = set(taken), []
    for suggestion in wanted:
        name = pair_name(suggestion.name, names)
        names.add(name)
        rendered.append(f"{' ' * indent}{line_of(suggestion, name)}\n")
    return rendered


def _app(root: Node | None, name: str) -> MappingNode:
    apps = _children(root).get("apps")
    app = _children(apps).get(name)
    if not isinstance(app, MappingNode) or app.flow_style or not app.value:
        raise UsageError(f"apps.{name} is not written as a block of lines", fix=_ADVICE)
    return app


def _children(node: Node | None) -> Mapping[str, Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, MappingNode) else {}


def _end(node: Node, lines: list[str]) -> int:
    """Index behind the last line that belongs to `node`.

    The parser's end mark stands where the next thing begins, behind blanks and comments; at the end of a file that
    does not end its last line, it stands on that line.
    """
    unfinished = node.end_mark.line == len(lines) - 1 and node.end_mark.column >= len(lines[-1].rstrip("\n"))
    end: int = len(lines) if unfinished else min(node.end_mark.line, len(lines))
    while end > node.start_mark.line + 1 and lines[end - 1].lstrip()[:1] in {"", "#"}:
        end -= 1
    return end


def _replace(file: Path, text: str, policies: Path | None) -> None:
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        load(draft, policies=policies, codes=codes())
        draft.chmod(file.stat().st_mode & 0o777)
        draft.replace(file)
    except ConfigurationError as failure:
        first = failure.problems[0].message if failure.problems else "it could not be read back"
        raise UsageError(f"the pairs do not fit into {file}: {first}", fix=_ADVICE) from None
    finally:
        draft.unlink(missing_ok=True)
