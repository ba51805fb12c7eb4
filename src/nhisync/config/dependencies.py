"""What a side of a pair needs and no provider tells: the document, and the values it stands for."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from nhisync.config.fields import NonEmpty, Somewhere, Strict
from nhisync.model import Needed, Side

_EVERYWHERE: Final = "everywhere"


class NeedDocument(Strict):
    """One thing that a side needs."""

    kind: Literal["master-secret", "queue", "rotation-function", "issuer", "identity-provider"] = Field(
        description="What it is: the credential that a rotation logs in with, a queue or topic that starts it, the "
        "function that makes it, an issuer, or who checks logins."
    )
    name: NonEmpty = Field(
        description="What it is called; equal names are one thing.", examples=["rds/orders-admin in eu-north-1"]
    )
    fault_domain: Somewhere = Field(
        description="Where it fails, as in `paths.<path>.fault_domains`; `everywhere` for what exists in all of them.",
        examples=["aws/eu-north-1"],
    )


class NeedsDocument(Strict):
    """What the identities of a pair need, by side."""

    primary: list[NeedDocument] = Field(default=[], description="What the primary's identity needs.")
    backup: list[NeedDocument] = Field(default=[], description="What the backup's identity needs.")


def needs_of(document: NeedsDocument | None) -> tuple[Needed, ...]:
    """What a pair says that its sides need."""
    return () if document is None else tuple(_needs(document))


def _needs(document: NeedsDocument) -> Iterator[Needed]:
    for side, found in ((Side.PRIMARY, document.primary), (Side.BACKUP, document.backup)):
        for one in found:
            domain = "" if one.fault_domain == _EVERYWHERE else one.fault_domain
            yield Needed(side=side, kind=one.kind, name=one.name, domain=domain)
