"""How an item is guarded where it is kept: whose key encrypts it, and whether its reads are recorded (R33)."""

from dataclasses import dataclass
from enum import StrEnum


class KeyHolder(StrEnum):
    """Who decides about the key that encrypts an item; from the weakest to the strongest."""

    NONE = "none"  # nothing but the disk's own encryption, if any
    PROVIDER = "provider"
    CUSTOMER = "customer"


class Audited(StrEnum):
    """Whether reads of an item are recorded; from the weakest to the strongest."""

    NO = "no"
    PARTLY = "partly"
    YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What a provider tells of how one item is guarded; None = not known, and the clause beside it says why.

    Attributes:
        kept: whether a value is kept at all; False = there is nothing to encrypt and nobody can read it.
        holder: who holds the key.
        hardware: whether the key never leaves a hardware module.
        rotates: whether the key is replaced by itself.
        enabled: whether the key may be used.
        key: which key, or why something of it is not known; one clause for a person, never secret.
        audited: whether reads of the item are recorded.
        audit: by what, or why that is not known; one clause for a person, never secret.
    """

    kept: bool = True
    holder: KeyHolder | None = None
    hardware: bool | None = None
    rotates: bool | None = None
    enabled: bool | None = None
    key: str = ""
    audited: Audited | None = None
    audit: str = ""


NOTHING_KEPT = Protection(kept=False)
"""Of kinds without a value."""
