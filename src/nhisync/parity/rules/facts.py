"""The rarer facts of a row (`Row.detail`), decoded only when a rule needs them and typed before it sees them.

Several rules read the same detail one after the other, so the last few decodings are kept. What cannot be decoded is
never silence: an unreadable chain is a chain that nobody verified, an unreadable dependency has no known region.
"""

import json
from functools import lru_cache
from typing import Any, NamedTuple

from nhisync.model import Audited, KeyHolder
from nhisync.parity.row import Row

CHAIN_MARK, EXPOSURE_MARK, ENDLESS_MARK, ACCEPTS_MARK = '"chain"', '"exposure"', '"endless"', '"accepts":'
KEY_SET_MARK = '"key_set":'
PROTECTION_MARK = '"protection":{'
_BOUND_MARK = '"rotated_at_latest":true'  # nothing else can: quotes inside of texts are escaped, their values are texts
"""What a detail with these facts contains; a rule that does not find it decodes nothing."""

_KEPT = 8
"""Two sides of one pair, with room for a caller that looks ahead."""

UNREADABLE = "the stored facts cannot be read"


class UnreadableError(ValueError):
    """The stored detail of a row is not what `nhisync.parity.row.row_of` writes; its text is never repeated."""

    def __init__(self) -> None:
        super().__init__(UNREADABLE)


class CertificateRow(NamedTuple):
    """`nhisync.model.CertificateFacts` with instants in epoch seconds."""

    subject: str
    issuer: str
    serial: str
    not_before: int
    not_after: int
    key_type: str
    key_bits: int
    names: tuple[str, ...]
    extended_key_usage: tuple[str, ...]


class OutlookRow(NamedTuple):
    """`nhisync.model.Outlook` with instants in epoch seconds."""

    store: str
    fails_at: int | None = None
    culprit: str = ""
    role: str = ""
    anchor: str = ""
    accepts: tuple[str, ...] = ()
    problem: str = ""


class RevocationRow(NamedTuple):
    """`nhisync.model.Revocation` with instants in epoch seconds."""

    revoked: str = ""
    unknown: str = ""
    until: int | None = None
    issuer: str = ""


class ChainRow(NamedTuple):
    """`nhisync.model.Chain` with instants in epoch seconds."""

    certificates: tuple[CertificateRow, ...] = ()
    builds: bool | None = None
    builds_with_known: bool | None = None
    ordered: bool = True
    surplus: int = 0
    anchor: str = ""
    anchor_not_after: int | None = None
    problem: str = ""
    name: str = ""
    covers_name: bool | None = None
    asks_client_certificate: bool | None = None
    wishes_client_certificate: bool = False
    weak: tuple[str, ...] = ()
    outlooks: tuple[OutlookRow, ...] = ()
    revocation: RevocationRow | None = None

    @property
    def leaf(self) -> CertificateRow | None:
        """The first certificate, or None for an empty chain."""
        return self.certificates[0] if self.certificates else None


class KeyRow(NamedTuple):
    """`nhisync.model.SignatureKey`."""

    kid: str
    thumbprint: str
    algorithms: tuple[str, ...]


class KeySetRow(NamedTuple):
    """`nhisync.model.KeySet`."""

    keys: tuple[KeyRow, ...] = ()
    odd: tuple[str, ...] = ()
    private: int = 0


class DependencyRow(NamedTuple):
    """`nhisync.model.Dependency`."""

    kind: str
    id: str
    region: str | None
    usable: bool | None
    multi_region: bool | None
    detail: str


class ProtectionRow(NamedTuple):
    """`nhisync.model.Protection`."""

    kept: bool = True
    holder: KeyHolder | None = None
    hardware: bool | None = None
    rotates: bool | None = None
    enabled: bool | None = None
    key: str = ""
    audited: Audited | None = None
    audit: str = ""


class ErrorRow(NamedTuple):
    """What `nhisync.model.ErrorFact` says to a person."""

    message: str = ""
    action: str = ""
    resource: str = ""
    principal: str = ""
    reason: str = ""


def rotated_at_latest(row: Row) -> bool:
    """Whether `rotated` is no more than an upper bound: the generation may be as old as the item (ADR 28)."""
    return row.detail is not None and row.rotated is not None and _BOUND_MARK in row.detail


def chain_of(row: Row | None) -> ChainRow | None:
    """The chain of a row, or None when it has none."""
    if row is None or row.detail is None or CHAIN_MARK not in row.detail:
        return None
    return _chain(row.detail)


def dependencies_of(row: Row | None) -> tuple[DependencyRow, ...]:
    """The dependencies of a row."""
    if row is None or row.detail is None or '"dependencies"' not in row.detail:
        return ()
    return _dependencies(row.detail)


def error_of(row: Row | None) -> ErrorRow:
    """Why a row is no answer; empty when it does not say."""
    if row is None or row.detail is None or '"error"' not in row.detail:
        return ErrorRow()
    return _error(row.detail)


def fields_of(row: Row | None) -> frozenset[str] | None:
    """Names of the fields of the value; None = not known.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row is None or row.detail is None or '"fields"' not in row.detail:
        return None
    found = _decoded(row.detail).get("fields")
    return None if found is None else frozenset(_texts(found))


def exposure_of(row: Row | None) -> str:
    """Who besides the owner can read the item; "" when nobody is known to.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row is None or row.detail is None or EXPOSURE_MARK not in row.detail:
        return ""
    return _text(_decoded(row.detail).get("exposure", ""))


def accepts_of(row: Row | None) -> tuple[str, ...] | None:
    """The roots of a trust bundle; None = it is none.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row is None or row.detail is None or ACCEPTS_MARK not in row.detail:
        return None
    found = _decoded(row.detail).get("accepts")
    return None if found is None else _texts(found)


def key_set_of(row: Row | None) -> KeySetRow | None:
    """The published keys of a row; None = it is no key set.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row is None or row.detail is None or KEY_SET_MARK not in row.detail:
        return None
    return _key_set(row.detail)


def protection_of(row: Row) -> ProtectionRow | None:
    """How the item of a row is guarded; None = nobody told.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row.detail is None or PROTECTION_MARK not in row.detail:
        return None
    found = _decoded(row.detail).get("protection")
    return None if found is None else _protection(found)


def endless_of(row: Row | None) -> str:
    """Why the item can never end; "" when that is not known of it.

    Raises:
        UnreadableError: when the stored facts cannot be read.
    """
    if row is None or row.detail is None or ENDLESS_MARK not in row.detail:
        return ""
    return _text(_decoded(row.detail).get("endless", ""))


@lru_cache(maxsize=_KEPT)
def _decoded(detail: str) -> dict[str, Any]:
    try:
        found = json.loads(detail)
    except (ValueError, RecursionError):
        raise UnreadableError from None
    if not isinstance(found, dict):
        raise UnreadableError
    return found


@lru_cache(maxsize=_KEPT)
def _chain(detail: str) -> ChainRow | None:
    try:
        raw = _decoded(detail).get("chain")
        return None if raw is None else _chain_row(raw)
    except (KeyError, TypeError, UnreadableError):
        return ChainRow(problem=UNREADABLE)


@lru_cache(maxsize=_KEPT)
def _key_set(detail: str) -> KeySetRow | None:
    raw = _decoded(detail).get("key_set")
    try:
        return None if raw is None else _key_set_row(raw)
    except (KeyError, TypeError, ValueError):
        raise UnreadableError from None


def _key_set_row(raw: dict[str, Any]) -> KeySetRow:
    keys = tuple(KeyRow(_text(kid), _text(thumb), _texts(names)) for kid, thumb, names in raw["keys"])
    return KeySetRow(keys, _texts(raw["odd"]), _number(raw["private"]))


def _protection(raw: dict[str, Any]) -> ProtectionRow:
    try:
        holder, audited = raw["holder"], raw["audited"]
        return ProtectionRow(
            kept=_answer(raw["kept"]) is not False,
            holder=None if holder is None else KeyHolder(holder),
            hardware=_answer(raw["hardware"]),
            rotates=_answer(raw["rotates"]),
            enabled=_answer(raw["enabled"]),
            key=_text(raw["key"]),
            audited=None if audited is None else Audited(audited),
            audit=_text(raw["audit"]),
        )
    except (KeyError, TypeError, ValueError):
        raise UnreadableError from None


@lru_cache(maxsize=_KEPT)
def _dependencies(detail: str) -> tuple[DependencyRow, ...]:
    try:
        return tuple(_dependency(raw) for raw in _decoded(detail).get("dependencies", ()))
    except (KeyError, TypeError, UnreadableError):
        return (DependencyRow("dependency", "", None, None, None, UNREADABLE),)


def _error(detail: str) -> ErrorRow:
    try:
        raw = _decoded(detail).get("error") or {}
        return ErrorRow(*(_text(raw.get(name, "")) for name in ErrorRow._fields))
    except (AttributeError, UnreadableError):
        return ErrorRow(message=UNREADABLE)


def _chain_row(raw: dict[str, Any]) -> ChainRow:
    anchor_end = raw["anchor_not_after"]
    return ChainRow(
        certificates=tuple(_certificate(c) for c in raw["certificates"]),
        builds=_answer(raw["builds"]),
        builds_with_known=_answer(raw["builds_with_known"]),
        ordered=_answer(raw["ordered"]) is not False,
        surplus=_number(raw["surplus"]),
        anchor=_text(raw["anchor"]),
        anchor_not_after=None if anchor_end is None else _number(anchor_end),
        problem=_text(raw["problem"]),
        name=_text(raw["name"]),
        covers_name=_answer(raw["covers_name"]),
        asks_client_certificate=_answer(raw["asks_client_certificate"]),
        wishes_client_certificate=_answer(raw.get("wishes_client_certificate")) is True,  # older rows do not say
        weak=_texts(raw["weak"]),
        outlooks=tuple(_outlook(o) for o in raw.get("outlooks", ())),  # rows of older versions have none
        revocation=_revocation(raw.get("revocation")),
    )


def _revocation(raw: dict[str, Any] | None) -> RevocationRow | None:
    if raw is None:
        return None
    until = raw["until"]
    return RevocationRow(
        revoked=_text(raw["revoked"]),
        unknown=_text(raw["unknown"]),
        until=None if until is None else _number(until),
        issuer=_text(raw["issuer"]),
    )


def _outlook(raw: dict[str, Any]) -> OutlookRow:
    end = raw["fails_at"]
    return OutlookRow(
        store=_text(raw["store"]),
        fails_at=None if end is None else _number(end),
        culprit=_text(raw["culprit"]),
        role=_text(raw["role"]),
        anchor=_text(raw["anchor"]),
        accepts=_texts(raw["accepts"]),
        problem=_text(raw["problem"]),
    )


def _certificate(raw: dict[str, Any]) -> CertificateRow:
    return CertificateRow(
        subject=_text(raw["subject"]),
        issuer=_text(raw["issuer"]),
        serial=_text(raw["serial"]),
        not_before=_number(raw["not_before"]),
        not_after=_number(raw["not_after"]),
        key_type=_text(raw["key_type"]),
        key_bits=_number(raw["key_bits"]),
        names=_texts(raw["names"]),
        extended_key_usage=_texts(raw["extended_key_usage"]),
    )


def _dependency(raw: dict[str, Any]) -> DependencyRow:
    region = raw["region"]
    return DependencyRow(
        kind=_text(raw["kind"]),
        id=_text(raw["id"]),
        region=None if region is None else _text(region),
        usable=_answer(raw["usable"]),
        multi_region=_answer(raw["multi_region"]),
        detail=_text(raw["detail"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnreadableError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UnreadableError
    return tuple(_text(one) for one in value)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnreadableError
    return value


def _answer(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise UnreadableError
    return value
