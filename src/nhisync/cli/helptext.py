"""Help pages: what the command does, then examples, then the rest; the root's page imports no command."""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from typer.core import TyperGroup

from nhisync.cli import catalogue
from nhisync.cli.global_options import PANEL

WIDEST = 100
"""Prose is not set wider than this, however wide the terminal."""

ROOT_EXAMPLES = (
    "nhisync demo                          see it work, nothing needed",
    "nhisync init                          write a first nhisync.yaml",
    "nhisync diff primary backup           the question: may the backup take over?",
)

EXIT_CODES = (
    ("0", "parity, ready, done"),
    ("1", "drift, not ready: a real answer"),
    ("2", "usage or configuration; nothing was contacted"),
    ("3", "unknown: no failure found, but evidence is incomplete or stale"),
    ("4", "provider unreachable or denied, no pair could be judged"),
    ("5", "refused by a guard"),
    ("6", "apply partly done, resumable"),
    ("70, 130, 141", "internal bug, Ctrl-C, closed pipe"),
)

_TYPES = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "path": "PATH", "file": "FILE"}
_WIDEST_NAME = 36
"""A longer name of an option has a line of its own."""

_SECTION = re.compile(r"^(Args|Raises|Returns|Yields|Attributes|Note):\s*$")
_EXAMPLES = re.compile(r"^Examples?:\s*$")


def render_help(ctx: Any, width: int = WIDEST) -> str:
    """The page of the command that `ctx` stands for, ending in a newline."""
    command, wide = ctx.command, min(width, WIDEST)
    summary, examples, body = split_help(command.help or "")
    is_root = ctx.parent is None
    parts = [f"Usage: {ctx.command_path} {_usage(command)}", *_wrapped(summary, wide)]
    parts += _titled("Examples", [f"  {line}" for line in (ROOT_EXAMPLES if is_root else examples)])
    for paragraph in body:
        parts += ["", *_wrapped(paragraph, wide)]
    if is_root:
        parts += _all_commands(wide)
    elif isinstance(command, TyperGroup):
        rows = [(name, split_help(child.help or "")[0]) for name, child in command.commands.items()]
        parts += _titled("Commands", _columns(rows, wide))
    parts += _parameters(ctx, wide)
    if is_root:
        parts += _titled("Exit codes", _columns(EXIT_CODES, wide))
    return "\n".join([parts[0], "", *parts[1:]]) + "\n"


def _usage(command: Any) -> str:
    """``[OPTIONS] PATH [APP]``: what is optional stands in brackets."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    pieces = [_name(param) if param.required else f"[{_name(param)}]" for param in arguments]
    return " ".join(["[OPTIONS]", *pieces, *(["COMMAND ..."] if isinstance(command, TyperGroup) else [])])


def _name(argument: Any) -> str:
    bare = str(argument.metavar or argument.name.upper()).removesuffix("...").strip("[]")
    return bare + ("..." if argument.nargs == -1 else "")


def split_help(text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """A docstring as (first line, lines of its Examples section, further paragraphs without code sections)."""
    lines = inspect.cleandoc(text).partition("\f")[0].splitlines()
    summary = lines[0].strip() if lines else ""
    examples: list[str] = []
    rest: list[str] = []
    target: list[str] | None = rest
    for line in lines[1:]:
        if _EXAMPLES.match(line):
            target = examples
        elif _SECTION.match(line):
            target = None
        elif line and not line.startswith(" ") and target is not rest:
            target = rest
            rest.append(line)
        elif target is not None:
            target.append(line)
    shown = textwrap.dedent("\n".join(examples)).strip("\n").splitlines()
    paragraphs = [p for p in "\n".join(rest).strip("\n").split("\n\n") if p.strip()]
    return summary, tuple(shown), tuple(paragraphs)


def _wrapped(paragraph: str, width: int) -> list[str]:
    """A paragraph set to `width`; an indented one is left as it stands."""
    if paragraph.startswith(" "):
        return paragraph.splitlines()
    return textwrap.wrap(" ".join(paragraph.split()), width, break_long_words=False, break_on_hyphens=False)


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", f"{title}:", *found] if found else []


def _columns(rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Two columns; the second is wrapped under itself."""
    found = list(rows)
    left = max((len(name) for name, _ in found if len(name) <= _WIDEST_NAME), default=0)
    for name, text in found:
        first, *more = textwrap.wrap(text, max(20, width - left - 4), break_long_words=False) or [""]
        if len(name) > left:
            yield f"  {name}"
            name = ""  # noqa: PLW2901 - its text stands on the next line
        yield f"  {name:<{left}}  {first}".rstrip()
        yield from (f"  {'':<{left}}  {line}" for line in more)


def _all_commands(width: int) -> list[str]:
    entries = catalogue.available().values()
    lines: list[str] = []
    for panel in catalogue.PANELS:
        lines += _titled(panel, _columns([(e.name, e.line) for e in entries if e.panel == panel], width))
    return lines


def _parameters(ctx: Any, width: int) -> list[str]:
    """Arguments, options by panel, global options last."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for param in ctx.command.get_params(ctx):
        if getattr(param, "hidden", False):
            continue
        is_argument = param.param_type_name == "argument"
        title = getattr(param, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
        panels.setdefault(title, []).append(_described(param, ctx, is_argument=is_argument))
    globals_ = panels.pop(PANEL, [])
    lines: list[str] = []
    for title, rows in sorted(panels.items(), key=lambda panel: panel[0] != "Arguments"):
        lines += _titled(title, _columns(rows, width))
    return lines + _titled(PANEL, _columns(globals_, width))


def _described(param: Any, ctx: Any, *, is_argument: bool) -> tuple[str, str]:
    text = " ".join((param.help or "").split())
    if is_argument:
        return _name(param), text
    names = ", ".join(sorted(param.opts, key=len))
    if param.secondary_opts:
        names += " / " + ", ".join(param.secondary_opts)
    if not param.is_flag and not param.count:
        shown = param.display_type(ctx).strip("<>")
        names += " " + (param.metavar or _TYPES.get(shown, shown))
    if param.show_default is True and param.default not in {None, False, (), ""} and not param.count:
        text += f" [default: {param.default}]"
    return names, f"{text} [required]" if param.required else text
