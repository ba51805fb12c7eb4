"""Roots and known intermediates from files, or the operating system's roots."""

import contextlib
import errno
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from nhisync.spi.errors import ErrorKind, ProviderError
from nhisync.spi.files import LARGEST_BUNDLE, read_file
from nhisync.spi.x509.facts import MalformedError, decode, decode_pem, quiet
from nhisync.spi.x509.paths import Profile, Trust

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian, Fedora and BSD keep the system's roots, for Pythons whose OpenSSL looks elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Trust together with what a person should know about it.

    Attributes:
        trust: roots, intermediates, profile.
        origin: ``file`` or ``system``.
        ignored: certificates of the trust file that are no self-signed authorities, hence no roots.
    """

    trust: Trust
    origin: str
    ignored: int


def load_trust(trust_file: Path | None, intermediates_file: Path | None, profile: Profile) -> Loaded:
    """Read the configured trust.

    Only self-signed authorities become roots: an intermediate among them would let a chain pass that the endpoint
    does not serve completely. Others in the trust file are known intermediates.

    Raises:
        ProviderError: MISCONFIGURED, when a file cannot be read or parsed or holds no root.
    """
    found = _system() if trust_file is None else _read(trust_file, "trust_file")
    roots = tuple(item for item in found if is_root(item))
    others = tuple(item for item in found if not is_root(item))
    if trust_file is not None and not roots:
        raise _unusable("trust_file", "holds no self-signed certificate authority")
    known = () if intermediates_file is None else tuple(_read(intermediates_file, "intermediates_file"))
    return Loaded(
        trust=Trust(roots=roots, intermediates=(*others, *known), profile=profile, public=trust_file is None),
        origin="system" if trust_file is None else "file",
        ignored=len(others) if trust_file is not None else 0,
    )


@lru_cache(maxsize=1024)
def is_root(certificate: x509.Certificate) -> bool:
    """Whether `certificate` is signed by itself."""
    if certificate.subject != certificate.issuer:
        return False
    try:
        with quiet():
            certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def configured(file: Path, key: str) -> bytes:
    """The content of a configured file.

    Raises:
        ProviderError: MISCONFIGURED, when it cannot be read or is larger than any list ought to be.
    """
    try:
        return read_file(file, LARGEST_BUNDLE)
    except OSError as error:
        what = "is too large for a list of certificates" if error.errno == errno.EFBIG else "cannot be read"
        raise _unusable(key, what) from None


def _read(file: Path, key: str) -> list[x509.Certificate]:
    content = configured(file, key)
    try:
        found = decode_pem(content)
    except MalformedError:
        raise _unusable(key, "holds a block that is no certificate") from None
    if not found:
        raise _unusable(key, "holds no PEM certificate")
    return found


def _system() -> tuple[x509.Certificate, ...]:
    """The system's roots; reading them takes a tenth of a second, which the sources of a run share."""
    places = ssl.get_default_verify_paths()
    stamps = []
    for place in (places.cafile, places.capath, *_BUNDLES):
        with contextlib.suppress(OSError):
            stamps.append((str(place), Path(place or "").stat().st_mtime_ns))
    return _system_at(tuple(stamps))


@lru_cache(maxsize=1)
def _system_at(_: tuple[tuple[str, int], ...]) -> tuple[x509.Certificate, ...]:
    """The system's roots while their places are unchanged; one that cannot be parsed is left out, as OpenSSL does."""
    blobs = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not blobs:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for bundle in _BUNDLES:
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                break
        blobs = context.get_ca_certs(binary_form=True)
    return tuple(certificate for blob in blobs if (certificate := _or_none(blob)) is not None)


def _or_none(blob: bytes) -> x509.Certificate | None:
    try:
        return decode(blob)
    except MalformedError:
        return None


def _unusable(key: str, what: str) -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        f"{key} {what}",
        reason="trust-unusable",
        fix=f"{key} needs PEM certificates: the roots that clients trust, or the authorities they may know.",
    )
