"""What the path verifier does not look at: our own checks of leaf and path (CA/Browser Forum BR §6.1.5, RFC 5280).

Each gives a stable word. Whether a word matters is policy; here it is only true or not.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from nhisync.spi.x509.facts import extension, extensions_readable, key_facts, signature_word
from nhisync.spi.x509.paths import Purpose

_MINIMUM_RSA_BITS = 2048
_CURVE_BITS = frozenset({256, 384, 521})
_SERIAL_LIMIT = 1 << 159
"""Twenty octets with a clear sign bit (RFC 5280 §4.1.2.2)."""

_LIFETIMES = tuple(
    (datetime(year, month, day, tzinfo=UTC), timedelta(days=days))
    for year, month, day, days in (
        (2018, 3, 1, 825),
        (2020, 9, 1, 398),
        (2026, 3, 15, 200),
        (2027, 3, 15, 100),
        (2029, 3, 15, 47),
    )
)
"""First day of issue → the longest validity of a public server certificate since (BR §6.3.2)."""

_BROKEN_DIGESTS = ("md5", "sha1")


def weaknesses(leaf: x509.Certificate, path: Sequence[x509.Certificate], purpose: Purpose) -> tuple[str, ...]:
    """Words for all that is weak about `leaf` and about the authorities of `path` (the anchor included), sorted.

    ``<type>-<bits>-leaf`` or ``-ca`` (too small, or no curve of the web PKI), ``dsa-leaf``, ``unknown-key-leaf``,
    ``no-eku``, ``any-eku``, ``no-server-auth``, ``ca-leaf``, ``sha1-signature``, ``md5-signature``, ``no-names``,
    ``bad-serial``, ``unreadable-extensions``. Clients need neither names nor extended key usages: for them only
    ``no-client-auth`` is judged.
    """
    use = _server_use if purpose is Purpose.SERVER else _client_use
    found = {*_key(leaf, "leaf"), *use(leaf), *_encoding(leaf)}
    for authority in path:
        found.update(_key(authority, "ca"))
        # A root is trusted by being configured, whatever it says about itself; real ones have serial number zero.
        if authority.subject != authority.issuer:
            found.update(_encoding(authority))
    return tuple(sorted(found))


LONG_LIVED = "long-lived-leaf"
"""The word for a public leaf that is valid for longer than public authorities may make it."""


def long_lived(leaf: x509.Certificate) -> bool:
    """Whether a leaf of a *public* authority is valid for more days than BR §6.3.2 allows for its first day.

    Both ends count, and a day is 86,400 seconds. Private authorities are not bound by it.
    """
    lasts = leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1)
    return any(lasts > most for since, most in _LIFETIMES if leaf.not_valid_before_utc >= since)


def _key(certificate: x509.Certificate, role: str) -> Iterator[str]:
    """Keys that BR §6.1.5 forbids: DSA, RSA below 2048 bits or not in whole bytes, other curves than P-256/384/521."""
    kind, bits = key_facts(certificate)
    if kind == "dsa":
        yield f"dsa-{role}"
    elif kind == "unknown":
        yield f"unknown-key-{role}"
    elif (kind == "rsa" and (bits < _MINIMUM_RSA_BITS or bits % 8)) or (kind == "ec" and bits not in _CURVE_BITS):
        yield f"{kind}-{bits}-{role}"


def _server_use(leaf: x509.Certificate) -> Iterator[str]:
    """Names (RFC 9525 §6: the common name does not count), usage (BR §7.1.2.7.10), and no authority on a listener."""
    usages = extension(leaf, x509.ExtendedKeyUsage)
    if usages is None:
        yield "no-eku"
    elif ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages:
        yield "any-eku"
    elif ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        yield "no-server-auth"
    if extension(leaf, x509.SubjectAlternativeName) is None:
        yield "no-names"
    yield from _no_authority(leaf)


def _client_use(leaf: x509.Certificate) -> Iterator[str]:
    """Usage, when the extension is there (RFC 5280 §4.2.1.12)."""
    usages = extension(leaf, x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CLIENT_AUTH}
    if usages is not None and not allowed & set(usages):
        yield "no-client-auth"
    yield from _no_authority(leaf)


def _no_authority(leaf: x509.Certificate) -> Iterator[str]:
    constraints = extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        yield "ca-leaf"


def _encoding(certificate: x509.Certificate) -> Iterator[str]:
    """Digests that can be forged, serial numbers RFC 5280 §4.1.2.2 forbids, extensions nobody can read."""
    signature = signature_word(certificate)
    yield from (f"{digest}-signature" for digest in _BROKEN_DIGESTS if digest in signature)
    if not 0 < certificate.serial_number < _SERIAL_LIMIT:
        yield "bad-serial"
    if not extensions_readable(certificate):
        yield "unreadable-extensions"
