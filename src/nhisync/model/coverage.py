"""What a run saw and what it did not: the difference between "absent" and "not looked at"."""

from dataclasses import dataclass
from datetime import datetime

from nhisync.model.item import ErrorFact
from nhisync.model.words import CoverageStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One kind in one scope of one source.

    Attributes:
        source: name of the source inside its path.
        kind: the provider's own kind word.
        scope: region, mount or folder; "" = the whole source.
        status: how far it was seen.
        items: how many items the listing held (0 with any status but COMPLETE says nothing).
        authoritative: a listing without an item proves absence (False for eventually consistent listings).
        as_of: when the listing was taken, or the age of the provider's own source.
        error: why it is not complete, or None.
    """

    source: str
    kind: str
    scope: str
    status: CoverageStatus
    as_of: datetime
    items: int = 0
    authoritative: bool = False
    error: ErrorFact | None = None
