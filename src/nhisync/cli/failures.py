"""Every exception becomes one exit code and one text: what happened, where, the exact fix."""

import traceback
from collections.abc import Callable
from typing import Any

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation
from nhisync.errors import (
    ConfigurationError,
    GuardError,
    NhisyncError,
    RegistryError,
    StoreError,
    UsageError,
)


def answer(failure: BaseException, invocation: Invocation) -> ExitCode:
    """Say on stderr what went wrong and return the code for it.

    A closed pipe and Ctrl-C are the caller's affair, as they need no text.
    """
    if isinstance(failure, typer.TyperException):
        return _usage(failure, invocation)
    if isinstance(failure, NhisyncError):
        return _expected(failure, invocation)
    return _bug(failure, invocation)


def _usage(failure: Any, invocation: Invocation) -> ExitCode:
    """What the parser refused: one line, one hint."""
    ctx = getattr(failure, "ctx", None)
    path = ctx.command_path if ctx is not None else "nhisync"
    message = " ".join(failure.format_message().split()).rstrip(".").replace("Value error, ", "")
    lacking = getattr(failure, "param", None)
    if lacking is not None and lacking.param_type_name == "argument":  # help shows it in capitals, with or without name
        message = message.replace(f"'{lacking.name}'", f"'{lacking.name.upper()}'")
    invocation.warn(f"{path}: {message[:1].lower()}{message[1:]}")
    invocation.warn(f"  Try: {path} --help\nExit {int(ExitCode.USAGE)}.")
    return ExitCode.USAGE


def _expected(failure: NhisyncError, invocation: Invocation) -> ExitCode:
    code = _code(failure)
    if isinstance(failure, ConfigurationError):
        from nhisync.config import render_problems  # noqa: PLC0415 - pydantic, only when needed

        invocation.warn(render_problems(failure))
        return code
    for line in _told(failure):
        invocation.warn(line)
    invocation.warn(f"Exit {int(code)}.")
    return code


def _told(failure: NhisyncError) -> list[str]:
    fact = getattr(failure, "fact", None)
    if fact is not None:
        from nhisync.cli.output.trouble import describe_error  # noqa: PLC0415 - only when needed

        lines = list(describe_error(fact, "nhisync"))
    elif isinstance(failure, GuardError):
        lines = [f"refused ({failure.guard}): {failure.message}"]
    else:
        lines = [f"nhisync: {failure.message}"]
    return [*lines, f"  {failure.fix}"] if failure.fix else lines


_CODES: tuple[tuple[type[NhisyncError], ExitCode], ...] = (
    (GuardError, ExitCode.REFUSED),
    (ConfigurationError, ExitCode.USAGE),
    (UsageError, ExitCode.USAGE),
    (StoreError, ExitCode.USAGE),
    (RegistryError, ExitCode.USAGE),
)


def _code(failure: NhisyncError) -> ExitCode:
    for kind, code in _CODES:
        if isinstance(failure, kind):
            return code
    return ExitCode.UNREACHABLE if hasattr(failure, "fact") else ExitCode.USAGE


def _bug(failure: BaseException, invocation: Invocation) -> ExitCode:
    """An internal bug: an id to quote, the place; never a message, an argument or a local (they can hold values)."""
    crash = invocation.randomness.hex(4)
    frames = traceback.extract_tb(failure.__traceback__)
    place = f"{_module(frames[-1].filename)}:{frames[-1].lineno}" if frames else "unknown place"
    invocation.warn(f"nhisync: internal bug {crash}: {type(failure).__name__} in {place}. Exit {int(ExitCode.BUG)}.")
    if invocation.options.verbose > 1:
        _each_cause(failure, invocation.warn)
    else:
        invocation.warn("  Nothing can be concluded about any path. Run it again with -vv and report what it prints.")
    return ExitCode.BUG


def _module(filename: str) -> str:
    """The file below its import root, so that no folder of this machine is printed."""
    parts = filename.replace("\\", "/").split("/")
    for index, part in enumerate(parts):
        if (
            part.startswith("nhisync")
            and part != "nhisync.egg-info"
            and index
            and parts[index - 1] in {"src", "site-packages"}
        ):
            return "/".join(parts[index:])
    return "/".join(parts[-2:])


def _each_cause(failure: BaseException | None, say: Callable[[str], None]) -> None:
    """Types and places from the outermost to the first cause."""
    while failure is not None:
        say(f"{type(failure).__module__}.{type(failure).__qualname__}")
        for frame in traceback.extract_tb(failure.__traceback__):
            say(f"  {_module(frame.filename)}:{frame.lineno} in {frame.name}")
        failure = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
        if failure is not None:
            say("caused by")
