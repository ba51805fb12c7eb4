"""From a file to plain values with places: YAML 1.2 through ruamel.yaml, every trap a typed problem.

Only the core schema of YAML 1.2.2 (§10.3) is built: text, whole numbers, numbers, true/false, null, lists, mappings;
a date stays text. Anchors, aliases and ``<<`` work within a limit; directives, other tags and two documents do not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from nhisync.config.problems import NOWHERE, Loc, Mark, Report
from nhisync.config.secrecy import CUT
from nhisync.config.tree import MAX_DEPTH, Builder, Node

MAX_BYTES = 8 * 1024 * 1024
"""Largest file that is read."""

_DIRECTIVE = re.compile(r"^%[A-Za-z]", re.MULTILINE)
_SYNTAX = (
    (r"'\t' that cannot start", "a tab stands where YAML wants spaces"),
    ("that cannot start any token", "a value cannot start with this character; put the value in quotes"),
    ("mapping values are not allowed", "a second colon on this line; put the value in quotes or start a new line"),
    ("could not find expected ':'", "a key without its colon"),
    ("undefined alias", "an alias without its anchor; put a value that starts with * in quotes"),
    ("maximum depth", f"nested more than {MAX_DEPTH} levels deep"),
    ("while scanning a quoted scalar", "a quote is never closed"),
    ("unknown escape", "an unknown escape in double quotes; single quotes take every character as it is"),
    ("while parsing a flow", "a bracket is never closed, or a comma is missing"),
    ("<block end>", "the indentation does not fit the lines above"),
    ("another document", "a second document; only one is read"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlFile:
    """A file that could be read as YAML with a mapping at its root.

    Attributes:
        name: as the user named it.
        root: the document.
        lines: for excerpts.
        cuts: see `Report`.
        ends: see `Report`.
    """

    name: str
    root: Node = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    cuts: Mapping[int, int] = field(repr=False)
    ends: Mapping[int, int] = field(repr=False)

    def mark(self, loc: Loc) -> Mark:
        """Where the value at `loc` begins; the file itself where there is none."""
        node = self.root.get(*loc)
        return node.mark if node else NOWHERE

    def origin(self, loc: Loc) -> str:
        """``file:line`` of the value at `loc`, or of the file where there is none."""
        node = self.root.get(*loc)
        return f"{self.name}:{node.mark.line}" if node else self.name

    def report(self) -> Report:
        """An empty report about this file."""
        return Report(self.name, self.lines, cuts=self.cuts, ends=self.ends)


def read_yaml(path: Path, *, name: str = "") -> YamlFile:
    """Read the YAML file `path`; `name` is how messages call it.

    Raises:
        ConfigurationError: with every problem of the file as such.
    """
    name = name or str(path)
    return parse_yaml(_text(path, Report(name)), name=name)


def parse_yaml(text: str, *, name: str) -> YamlFile:
    """Read YAML `text`; `name` is how messages call it.

    Raises:
        ConfigurationError: with every problem of the text as such.
    """
    root = _compose(text, name)
    builder = Builder(Report(name, _masked(text)))
    builder.measure(root)
    node = builder.build(root, ())
    report = Report(name, _lines(text), cuts=builder.cuts, ends=builder.ends)
    for mark, where, message, show in builder.found:
        report.add(mark, where, message, show=show)
    if not isinstance(node.value, dict) and not report:
        report.add(node.mark, "", "the document must be a mapping of keys to values")
    report.raise_any()
    return YamlFile(name=name, root=node, lines=_lines(text), cuts=builder.cuts, ends=builder.ends)


def _text(path: Path, report: Report) -> str:
    message = ""
    fix = ""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            message = f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB"
        else:
            return raw.decode("utf-8-sig")
    except FileNotFoundError:
        message, fix = "there is no such file", "Write one with `nhisync init`, or name it with --config FILE."
    except IsADirectoryError:
        message = "this is a folder, not a file"
    except PermissionError:
        message = "this user may not read the file"
    except UnicodeDecodeError as error:
        _undecodable(report, error)
    except (OSError, ValueError):
        message = "the file cannot be read"
    if message:
        report.add(NOWHERE, "", message)
    report.raise_any(fix=fix)
    return ""


def _undecodable(report: Report, error: UnicodeDecodeError) -> None:
    before = error.object[: error.start]
    line = before.count(b"\n") + 1
    column = error.start - (before.rfind(b"\n") + 1) + 1
    report.add(Mark(line, column), "", "this is not UTF-8 text; save the file as UTF-8")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.replace("\r\n", "\n").split("\n"))


def _masked(text: str) -> tuple[str, ...]:
    """Lines of a text that could not be parsed: only what is a key at the start of its line is shown."""
    pattern = re.compile(r"(\s*(?:- +)*)([a-z_]{2,24}:)?")
    masked = []
    for line in _lines(text):
        match = pattern.match(line)
        head = match.group(0) if match else ""
        masked.append(head + (CUT if line[len(head) :].strip() else ""))
    return tuple(masked)


def _compose(text: str, name: str) -> YamlNode:
    report = Report(name, _masked(text))
    directive = _DIRECTIVE.search(text)
    if directive:
        line = text.count("\n", 0, directive.start()) + 1
        report.add(Mark(line, 1), "", "directives (%…) are not read; the language is YAML 1.2")
        report.raise_any()
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
    except RecursionError:
        report.add(NOWHERE, "", f"nested more than {MAX_DEPTH} levels deep")
    except ReaderError as error:
        _unacceptable(report, text, error)
    except MarkedYAMLError as error:
        _syntax(report, error)
    except (YAMLError, ValueError, IndexError, AttributeError, AssertionError, NotImplementedError):
        report.add(NOWHERE, "", "this is not valid YAML")  # the parser itself gave up
    else:
        if root is None:
            report.add(NOWHERE, "", "the file is empty")
        report.raise_any()
        return cast("YamlNode", root)
    report.raise_any()
    raise AssertionError("unreachable: every branch above adds a problem")


def _unacceptable(report: Report, text: str, error: ReaderError) -> None:
    position = error.position if isinstance(error.position, int) else 0
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    report.add(Mark(line, column), "", "a control character; YAML text has none", show=False)


def _syntax(report: Report, error: MarkedYAMLError) -> None:
    """Translate a syntax error. The parser's own text is dropped: it quotes the document."""
    said = f"{error.problem} {error.context}"
    message = next((ours for theirs, ours in _SYNTAX if theirs in said), "this is not valid YAML")
    opened = "never closed" in message and error.context_mark is not None
    mark = error.context_mark if opened else error.problem_mark
    report.add(NOWHERE if mark is None else Mark(mark.line + 1, mark.column + 1), "", message)
