"""What an account remembers of its private authorities beside what moto keeps."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CaPermission:
    """What the owner of a private authority lets a service do with it (moto has none)."""

    ca: str
    principal: str
    source_account: str
    actions: tuple[str, ...]
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """One audit report of a private authority, and where it was written."""

    ca: str
    bucket: str
    key: str
    created: datetime
