"""What one identity may do: the documents say it (`GrantReader`), and its own service (`SecondOpinion`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from nhisync.model import ErrorFact, Limit, Locator, Question, Right, Said, Syntax
from nhisync.spi.limits import Budget
from nhisync.spi.permissions import PermissionDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """Effective rights of one identity.

    Attributes:
        locator: whose rights.
        observed_at: when.
        scheme: whose words these are (``aws``, ``vault``); rights of two schemes cannot be compared.
        syntax: how resources are written.
        rights: all statements, sorted.
        limits: limits of the whole identity, sorted.
        gaps: what of its rights could not be read or has no `Right`, sorted; with any, nothing is concluded.
        error: why nothing is known, or None; `unsupported` = this kind of item holds no rights at this provider.
    """

    locator: Locator
    observed_at: datetime
    scheme: str = ""
    syntax: Syntax = Syntax.EXACT
    rights: tuple[Right, ...] = ()
    limits: tuple[Limit, ...] = ()
    gaps: tuple[str, ...] = ()
    error: ErrorFact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionFacts:
    """What a service itself says that one identity may do.

    Attributes:
        locator: whose rights.
        observed_at: when.
        answers: what was asked and what was said, in the order of the questions; what was not answered is left out.
        error: why nothing is known, or None; `unsupported` = the service has no opinion about this identity.
    """

    locator: Locator
    observed_at: datetime
    answers: tuple[tuple[Question, Said], ...] = ()
    error: ErrorFact | None = None


@runtime_checkable
class GrantReader(Protocol):
    """Reads what an identity may do: the documents, never by trying."""

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the rights of each wanted identity.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        ...

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """What reading the rights of these items and swept kinds needs beside the READ document; no IO."""
        ...


@runtime_checkable
class SecondOpinion(Protocol):
    """Asks the service that judges requests what it would say, without making one."""

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Yield what the service says of each identity's own questions; nothing is tried.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        ...

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """What asking about these items and swept kinds needs beside what reading their rights does; no IO."""
        ...
