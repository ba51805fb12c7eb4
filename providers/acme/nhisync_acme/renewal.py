"""Renewal information of RFC 9773: which certificate, and when its authority wants it renewed."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Window:
    """When the authority suggests to renew.

    Attributes:
        start: first instant, aware UTC.
        end: last instant, after `start`; later is overdue.
        explained: the authority gives a reason, which it does when it is about to revoke.
    """

    start: datetime
    end: datetime
    explained: bool = False

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Window":
        """Read ``suggestedWindow`` (RFC 9773 §4.2).

        Raises:
            ValueError: there is no window, or it ends before it starts.
        """
        found = document.get("suggestedWindow")
        words = found if isinstance(found, Mapping) else {}
        start, end = _instant(words.get("start")), _instant(words.get("end"))
        if end <= start:
            raise ValueError("the window ends before it starts")
        url = document.get("explanationURL")
        return cls(start, end, explained=isinstance(url, str) and bool(urlsplit(url).scheme))


def identifier(certificate: x509.Certificate) -> str:
    """The certificate's unique identifier: authority key identifier and serial, base64url (RFC 9773 §4.1).

    Raises:
        ValueError: the certificate carries no authority key identifier.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        raise ValueError("no authority key identifier") from None
    if extension.value.key_identifier is None:
        raise ValueError("no authority key identifier")
    serial = certificate.serial_number
    # DER INTEGER contents: big endian with room for the sign bit
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return f"{_base64url(extension.value.key_identifier)}.{_base64url(octets)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _instant(text: object) -> datetime:
    found = datetime.fromisoformat(text) if isinstance(text, str) else None
    if found is None or found.tzinfo is None:
        raise ValueError("no instant with a zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant outside the calendar") from None
