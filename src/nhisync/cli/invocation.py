"""One call of nhisync: its streams, its clocks, its global options. Everything a command needs from outside."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from nhisync.cli.safe import printable
from nhisync.clock import Clock, Randomness
from nhisync.errors import NhisyncError, UsageError, fix_of_write

if TYPE_CHECKING:
    from datetime import timedelta

    import typer

    from nhisync.registry import Registry

DEFAULT_CONFIG = "nhisync.yaml"
"""Read when neither ``--config`` nor ``NHISYNC_CONFIG`` names another file."""

WIDTH = 100
"""Columns of help and prose where nobody's terminal says otherwise."""


@dataclass(slots=True, kw_only=True)
class GlobalOptions:
    """Options that every command understands, before or after its name.

    Attributes:
        config: configuration file, or None for the default.
        policies: folder with policy files, or None for what the configuration says.
        format: output format, or None for the command's default.
        output: file for the result, ``-`` or None = stdout.
        quiet: no progress and no hints.
        verbose: 0, 1 (``-v``) or 2 (``-vv``).
        no_color: never colour.
        no_input: never ask.
        timeout: how long the command may take in all, or None.
    """

    config: str | None = None
    policies: str | None = None
    format: str | None = None
    output: str | None = None
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    no_input: bool = False
    timeout: "timedelta | None" = None


@dataclass(slots=True, kw_only=True)
class Invocation:
    """What a command may touch.

    Attributes:
        stdin: answers of a person.
        stdout: the result, nothing else.
        stderr: progress, hints, errors.
        environ: environment variables.
        clock: the only time.
        randomness: the only randomness.
        registry: providers to use, or None for the installed ones.
        options: what stood on the command line.
    """

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    clock: Clock
    randomness: Randomness
    registry: "Registry | None" = None
    options: GlobalOptions = field(default_factory=GlobalOptions)

    @property
    def config(self) -> Path:
        """The configuration file: ``--config``, then ``NHISYNC_CONFIG``, then ``nhisync.yaml``."""
        return Path(self.options.config or self.environ.get("NHISYNC_CONFIG") or DEFAULT_CONFIG)

    @property
    def to_terminal(self) -> bool:
        """Whether a person reads the result on a terminal right now."""
        return self.options.output in {None, "-"} and self.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns of the terminal, or `WIDTH` where there is none."""
        if not self.stdout.isatty():
            return WIDTH
        return max(40, shutil.get_terminal_size((WIDTH, 24)).columns)

    def colored(self, stream: TextIO) -> bool:
        """Whether `stream` may be coloured: a terminal, and no option, ``NO_COLOR`` or ``TERM=dumb`` against it."""
        if self.options.no_color or self.environ.get("NO_COLOR") or self.environ.get("NHISYNC_NO_COLOR"):
            return False
        return self.environ.get("TERM") != "dumb" and stream.isatty()

    @property
    def may_ask(self) -> bool:
        """Whether a person sits at both ends."""
        return not self.options.no_input and self.stdin.isatty() and self.stderr.isatty()

    def chosen_format(self, *allowed: str) -> str:
        """The output format; the first of `allowed` is the command's default.

        Raises:
            UsageError: ``--format`` names another one.
        """
        wanted = self.options.format or allowed[0]
        if wanted not in allowed:
            raise UsageError(
                f"this command has no format `{printable(wanted)}`", fix=f"Take one of: {', '.join(allowed)}."
            )
        return wanted

    def write(self, result: str | Iterable[str]) -> None:
        """Write the result to stdout or, whole or not at all, to the file of ``--output``."""
        parts = [result] if isinstance(result, str) else result
        if self.options.output in {None, "-"}:
            self._emit(parts)
            return
        write_file(Path(self.options.output or ""), parts)
        self.hint(f"written to {self.options.output}")

    def finish(self) -> None:
        """Flush stdout; the last thing a run does.

        Raises:
            UsageError: stdout takes no more.
        """
        self._emit(())

    def _emit(self, parts: Iterable[str]) -> None:
        """Write to stdout and flush, so that a full disk shows here and not when the interpreter ends.

        Raises:
            UsageError: stdout takes no more.
            BrokenPipeError: nobody reads any more.
        """
        try:
            for part in parts:
                self.stdout.write(part)
            self.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as failure:
            fix = fix_of_write(failure, "Look at what stdout was redirected to.")
            raise UsageError(f"cannot write the result to stdout: {failure.strerror}", fix=fix) from None

    def hint(self, text: str) -> None:
        """A remark for a person, unless ``--quiet``."""
        if not self.options.quiet:
            self.warn(text)

    def detail(self, text: str, level: int = 1) -> None:
        """A remark that only ``-v`` (level 1) or ``-vv`` (level 2) shows."""
        if self.options.verbose >= level:
            self.warn(text)

    def warn(self, text: str) -> None:
        """A remark that is shown even with ``--quiet``."""
        for line in text.splitlines():
            self.stderr.write(printable(line) + "\n")

    def ask(self, question: str, default: str = "") -> str:
        """One line from a person; `default` for an empty answer, or when nobody may be asked."""
        if not self.may_ask:
            return default
        shown = f" [{default}]" if default else ""
        self.stderr.write(f"{printable(question)}{shown}: ")
        self.stderr.flush()
        return self.stdin.readline().strip() or default


def current(ctx: "typer.Context") -> Invocation:
    """The invocation a command runs in."""
    found = ctx.find_object(Invocation)
    if found is None:
        raise NhisyncError("this command runs only through nhisync.cli.main")
    return found


def write_file(path: Path, parts: Iterable[str]) -> None:
    """Replace `path` with `parts`, UTF-8: atomically and readable by its owner only, unless it had other modes before.

    Findings tell where a failover would break, so a new file is private. What is not a regular file (``/dev/null``, a
    named pipe) is written, never replaced.

    Raises:
        UsageError: the file cannot be written; what stood there before still stands.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", errors="backslashreplace") as device:
                device.writelines(parts)
        else:
            _replace(target, parts)
    except (OSError, ValueError, RuntimeError) as failure:
        reason = getattr(failure, "strerror", None) or "not a file name"
        fix = "Name a file in a folder that exists and is yours."
        if isinstance(failure, OSError):
            fix = fix_of_write(failure, fix)
        raise UsageError(f"cannot write {printable(str(path))}: {reason}", fix=fix) from None


def _replace(target: Path, parts: Iterable[str]) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".nhisync-", text=True)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
            file.writelines(parts)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
