"""Collecting everything that is wrong with a file, and showing it: place, what, nearest valid word, caret."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nhisync.config.secrecy import CUT, credentials_at, shown
from nhisync.errors import ConfigurationError, Problem

Loc = tuple[str | int, ...]
"""Keys and indexes that lead from the root of a document to a value."""

_WIDEST = 160


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file, both numbers counted from 1; line 0 = the file itself."""

    line: int
    column: int


NOWHERE = Mark(0, 0)
"""The file itself."""


def dotted(loc: Loc) -> str:
    """``apps.payments.pairs[0].kind``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in loc)
    return text.removeprefix(".")


def nearest(word: object, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or ""."""
    found = difflib.get_close_matches(str(word), [str(k) for k in known], n=1)
    return found[0] if found else ""


class Report:
    """The problems of one file.

    Args:
        name: the file as the user named it.
        lines: its lines, for excerpts.
        cuts: line → 0-based column from which on the line is not shown.
        ends: line → 0-based column where the last value or key on it ends (what follows may be a comment).
    """

    def __init__(
        self,
        name: str,
        lines: tuple[str, ...] = (),
        *,
        cuts: Mapping[int, int] | None = None,
        ends: Mapping[int, int] | None = None,
    ) -> None:
        self.name = name
        self._lines = lines
        self._cuts = dict(cuts or {})
        self._ends = ends or {}
        self._found: dict[tuple[Mark, str], tuple[Mark, str, str, str, bool]] = {}

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self._found)

    def add(self, mark: Mark, where: str, message: str, *, suggestion: str = "", show: bool = True) -> None:
        """Note a problem; `show` = False keeps the source line out of it."""
        self._found.setdefault((mark, message), (mark, where, message, suggestion, show))

    def cut(self, mark: Mark) -> None:
        """Show nothing of the line at or after `mark`."""
        column = mark.column - 1
        self._cuts[mark.line] = min(column, self._cuts.get(mark.line, column))

    def problems(self) -> tuple[Problem, ...]:
        """All problems in the order of the file; excerpts are made last, when every cut is known."""
        return tuple(
            Problem(
                file=self.name,
                line=mark.line,
                column=mark.column,
                where=where,
                message=message,
                suggestion=suggestion,
                excerpt=self._excerpt(mark) if show else "",
            )
            for mark, where, message, suggestion, show in sorted(self._found.values(), key=lambda found: found[0])
        )

    def raise_any(self, *, fix: str = "") -> None:
        """Raise when there is any problem.

        Raises:
            ConfigurationError: with all of them.
        """
        if self:
            raise ConfigurationError(self.problems(), fix=fix)

    def _excerpt(self, mark: Mark) -> str:
        if not 1 <= mark.line <= len(self._lines) or mark.column > _WIDEST - 10:
            return ""
        line = self._lines[mark.line - 1]
        cuts = (self._cuts.get(mark.line), credentials_at(line))
        cut = min((column for column in cuts if column is not None), default=len(line))
        shortened = self._without_comment(line, self._ends.get(mark.line, 0))
        line = line[:cut] + CUT if cut < len(line) else shortened
        line = line.replace("\t", " ").rstrip()
        return shown(line, _WIDEST) if line.strip() else ""

    @staticmethod
    def _without_comment(line: str, end: int) -> str:
        """Comments are never shown: old values stand in them."""
        hash_ = line.find("#", end)
        return line if hash_ < 0 else line[:hash_]


def render_problems(error: ConfigurationError) -> str:
    """All problems for a terminal: one block each, then what to do and the promise that nothing was contacted."""
    count = len(error.problems)
    tail = [error.fix] if error.fix else []
    tail.append(f"{count} problem{'' if count == 1 else 's'}. Nothing was contacted. Exit 2.")
    return "\n".join([*(_block(problem) for problem in error.problems), *tail])


def _block(problem: Problem) -> str:
    place = problem.place
    stop = "" if problem.message.endswith((".", "!", "?")) else "."
    hint = f" Did you mean `{problem.suggestion}`?" if problem.suggestion else ""
    head = f"{place}  {problem.message}{stop}{hint}"
    if not problem.excerpt:
        return head
    caret = min(problem.column, len(problem.excerpt) + 1)
    return f"{head}\n{problem.line:>4} | {problem.excerpt}\n     | {' ' * (caret - 1)}^"
