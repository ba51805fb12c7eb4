"""PKCS#12 stores (RFC 7292): certificates with a configured password, the outside without one."""

from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.x509 import MalformedError, decode, quiet
from nhisync.spi.x509.der import Element, elements
from nhisync_file.parsed import Parsed, malformed

_INTEGER, _OCTETS, _CONSTRUCTED = 0x02, 0x04, 0x20
_DEEPEST = 24
_MOST_ITERATIONS = 5_000_000
"""Key derivation work of a whole store; a few seconds. Usual stores ask for some thousands."""


def parse_pkcs12(content: bytes, password: bytes | None) -> Parsed:
    """The certificates of a store; its keys are dropped unread.

    Args:
        content: the store.
        password: from the configured file; None = the store stays closed.

    Raises:
        ProviderError: MALFORMED, when it is no store or asks for absurd work; CRYPTO_UNAVAILABLE, when the password
            does not open it; UNSUPPORTED, when its encryption is not available here.
    """
    _check_shape(content)
    if password is None:
        return Parsed(fields=None, secret=True, attributes={"content": "closed (no password_file)"})
    store = _opened(content, password)
    found = [store.cert, *store.additional_certs]
    names = [name for name, there in (("certificate", any(found)), ("private_key", store.key is not None)) if there]
    try:
        certificates = [decode(one.certificate.public_bytes(Encoding.DER)) for one in found if one is not None]
    except MalformedError:
        raise malformed("certificate-unreadable", "one of its certificates cannot be parsed") from None
    return Parsed(fields=tuple(names), secret=store.key is not None, certificates=tuple(certificates))


def _opened(content: bytes, password: bytes) -> library.PKCS12KeyAndCertificates:
    try:
        with quiet():
            return library.load_pkcs12(content, password or None)
    except UnsupportedAlgorithm:
        message = "it is encrypted with an algorithm that is not available here"
        raise ProviderError(ErrorKind.UNSUPPORTED, message, reason="legacy-encryption") from None
    except (ValueError, TypeError):
        raise ProviderError(
            ErrorKind.CRYPTO_UNAVAILABLE,
            "the configured password does not open it",
            reason="password",
            fix="Set password_file to the file with this store's password.",
        ) from None


def _check_shape(content: bytes) -> None:
    """A PFX of version 3 in DER, whose key derivation ends in this century."""
    try:
        (pfx,) = elements(content)
        version = next(elements(pfx.content))
        work = sum(_iterations(pfx, 0))
    except (ValueError, StopIteration):
        raise malformed("not-pkcs12", "it is no PKCS#12 store in DER") from None
    if (version.tag, version.content) != (_INTEGER, b"\x03"):
        raise malformed("not-pkcs12", "it is no PKCS#12 store of version 3")
    if work > _MOST_ITERATIONS:
        raise malformed("too-costly", f"opening it would take more than {_MOST_ITERATIONS:,} rounds")


def _iterations(element: Element, depth: int) -> Iterator[int]:
    """Every iteration count: in all parameter structures it is the INTEGER that follows the salt."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    before = 0
    for child in _children(element):
        if child.tag == _INTEGER and before == _OCTETS:
            yield int.from_bytes(child.content[:16], "big")
        yield from _iterations(child, depth + 1)
        before = child.tag


def _children(element: Element) -> list[Element]:
    """What stands inside; octet strings are looked into when they hold DER, as PKCS#12 nests its parts in them."""
    if element.tag & _CONSTRUCTED:
        return list(elements(element.content))
    if element.tag != _OCTETS or not element.content.startswith(b"\x30"):
        return []
    try:
        return list(elements(element.content))
    except ValueError:
        return []
