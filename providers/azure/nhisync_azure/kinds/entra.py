"""From Microsoft Graph's answers to facts: pure, and the place where a secret's ``hint`` ends.

Graph shows the first three characters of every client secret to whoever may read the application. They are dropped
here, with ``secretText``, before anything keeps, compares or prints what was read.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nhisync_azure.errors import Called, malformed
from nhisync_azure.facts import instant

_MOST_TEXT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One client secret or certificate of an application, without anything of its value.

    Attributes:
        id: Graph's ``keyId``.
        name: display name, "" = none.
        begins: start of validity.
        ends: end of validity.
        der: public certificate, b"" = not read or none.
    """

    id: str
    name: str
    begins: datetime | None
    ends: datetime | None
    der: bytes = b""

    def in_force(self, now: datetime) -> bool:
        """Whether it proves anything at `now`."""
        return (self.begins is None or self.begins <= now) and not self.over(now)

    def over(self, now: datetime) -> bool:
        """Whether it has ended."""
        return self.ends is not None and self.ends <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Trust in the tokens of another issuer.

    Attributes:
        id: Graph's id.
        name: unique in its application.
        issuer: URL of the issuer.
        subject: whom the tokens must speak of.
        audiences: what they must be meant for, sorted.
    """

    id: str
    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An application or service principal.

    Attributes:
        id: object id.
        app_id: application (client) id.
        name: display name; not unique.
        created: when it was registered.
        enabled: whether it may log in; None = not said.
        tags: its tags, which are plain words.
        owners: display names of its owners; None = not read.
        secrets: its client secrets; None = not read, or not to be understood, which is not "none".
        certificates: its certificates; None likewise.
        federations: whose tokens it trusts; None likewise.
    """

    id: str
    app_id: str
    name: str
    created: datetime | None = None
    enabled: bool | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] | None = None
    secrets: tuple[Credential, ...] | None = None
    certificates: tuple[Credential, ...] | None = None
    federations: tuple[Federation, ...] | None = None

    def tag(self, name: str) -> str | None:
        """Value of a tag ``name:value`` or ``name=value``, compared without letter case; None = there is none."""
        for tag in self.tags:
            for mark in (":", "="):
                if tag.lower().startswith(f"{name.lower()}{mark}"):
                    return tag[len(name) + 1 :].strip()
        return None


def holder_of(raw: Any) -> Holder:
    """An application or service principal of a Graph answer; odd parts of it count as not read.

    Raises:
        ProviderError: MALFORMED when it does not say who it is.
    """
    found: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    object_id, app_id = _text(found.get("id")), _text(found.get("appId"))
    if not object_id or not app_id:
        raise malformed(Called(name="graph.list"), "a row of the list does not say which application it is")
    enabled, owners = found.get("accountEnabled"), found.get("owners")
    trusts = found.get("federatedIdentityCredentials")
    return Holder(
        id=object_id,
        app_id=app_id.lower(),
        name=_text(found.get("displayName")),
        created=instant(found.get("createdDateTime")),
        enabled=enabled if isinstance(enabled, bool) else None,
        tags=tuple(sorted(_text(tag) for tag in _list(found.get("tags")))),
        owners=_owners(owners) if isinstance(owners, list) else None,
        secrets=_credentials(found.get("passwordCredentials")),
        certificates=_credentials(found.get("keyCredentials")),
        federations=federations_of(trusts) if isinstance(trusts, list) else None,
    )


def federations_of(raw: Any) -> tuple[Federation, ...] | None:
    """Federated credentials of a Graph answer, by name; None when there is no list of them."""
    rows = _rows(raw)
    if rows is None:
        return None
    found = [
        Federation(
            id=_text(one.get("id")),
            name=_text(one.get("name")),
            issuer=_text(one.get("issuer"), 2_000),
            subject=_text(one.get("subject"), 2_000),
            audiences=tuple(sorted(_text(a) for a in _list(one.get("audiences")))),
        )
        for one in rows
    ]
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))


def _rows(raw: Any) -> list[Mapping[str, Any]] | None:
    """A list of objects; None for anything else, because what is left out of it would look absent."""
    if not isinstance(raw, list) or not all(isinstance(one, Mapping) for one in raw):
        return None
    return raw


def _credentials(raw: Any) -> tuple[Credential, ...] | None:
    """Only what is named here is taken over: of a password's ``hint`` and ``secretText`` nothing is.

    Graph gives every credential an id and an end: one without them cannot be judged, and none of them is.
    """
    rows = _rows(raw)
    if rows is None:
        return None
    found = [
        Credential(
            id=_text(one.get("keyId")).lower(),
            name=_text(one.get("displayName")),
            begins=instant(one.get("startDateTime")),
            ends=instant(one.get("endDateTime")),
            der=_public(one),
        )
        for one in rows
    ]
    dated = (row.get("startDateTime") is None or one.begins for row, one in zip(rows, found, strict=True))
    if not all(dated) or not all(one.id and one.ends for one in found):
        return None
    return tuple(sorted(found, key=lambda one: one.id))


def _public(raw: Mapping[str, Any]) -> bytes:
    """The public certificate, which only a single read shows; symmetric keys are not looked at."""
    key = raw.get("key")
    if not isinstance(key, str) or raw.get("type") not in ("AsymmetricX509Cert", "X509CertAndPassword"):
        return b""
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        return b""


def _owners(rows: list[Any]) -> tuple[str, ...]:
    named = [_text(one.get("displayName") or one.get("id")) for one in rows if isinstance(one, Mapping)]
    return tuple(sorted(name for name in named if name))


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _text(raw: Any, most: int = _MOST_TEXT) -> str:
    return raw[:most] if isinstance(raw, str) else ""
