"""What a `GrantReader` says of one identity."""

from dataclasses import dataclass
from datetime import datetime

from nhisync.model import ErrorFact, Limit, Locator, Right, Syntax


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
