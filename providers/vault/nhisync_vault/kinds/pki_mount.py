"""What the PKI kind reads of one mount, each thing once per run: issuers, stored certificates, revocations.

Certificates are listed with colons and paged by their stored form with hyphens (OpenBao
``internal/builtin/logical/pki/path_fetch.go``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync.spi.x509 import MalformedError, decode_pem
from nhisync_vault.facts import instant, text, texts
from nhisync_vault.kinds.base import Run
from nhisync_vault.mounts import Mount

_HYPHENS = {":": "-"}
"""OpenBao compares ``after`` with serials in their stored form, which has hyphens."""

_MOST = 5_000
"""Most certificates that are read one by one to learn their names (servers without detailed lists)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of a mount.

    Attributes:
        id: issuer id.
        name: issuer name, "".
        certificate: its certificate.
        default: it is the mount's default.
    """

    id: str
    name: str
    certificate: x509.Certificate
    default: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """One certificate as a listing shows it.

    Attributes:
        serial: hex without separators.
        common_name: of the subject, "".
        not_before: start of validity.
        not_after: end of validity.
    """

    serial: str
    common_name: str
    not_before: datetime
    not_after: datetime


def issuers(run: Run, mount: Mount) -> tuple[Issuer, ...]:
    """All issuers of a mount, read once per run.

    Raises:
        ProviderError: they cannot be listed or read.
    """
    return run.once(("issuers", mount.api), lambda: _read_issuers(run, mount))


def stored(run: Run, mount: Mount) -> tuple[Stored, ...]:
    """All stored certificates of a mount, read once per run.

    Raises:
        ProviderError: they cannot be listed; THROTTLED when there are too many to read one by one.
    """
    return run.once(("stored", mount.api), lambda: tuple(_read_stored(run, mount)))


def revoked(run: Run, mount: Mount) -> frozenset[str]:
    """Serials of revoked certificates, read once per run; empty when the list is denied.

    Raises:
        ProviderError: the list cannot be read for another reason.
    """
    return run.once(("revoked", mount.api), lambda: _read_revoked(run, mount))


def colons(serial: str) -> str:
    """``1a2b3c`` as ``1a:2b:3c``, which is how the API spells serials."""
    even = serial.zfill(len(serial) + len(serial) % 2)
    return ":".join(even[i : i + 2] for i in range(0, len(even), 2))


def _read_issuers(run: Run, mount: Mount) -> tuple[Issuer, ...]:
    found = []
    for page in run.api.pages(f"{mount.api}/issuers/"):
        for issuer_id in page.keys:
            info, data = page.info.get(issuer_id, {}), _there(run, f"{mount.api}/issuer/{issuer_id}/json")
            if data is None:
                continue
            certificate = decoded(data, f"{mount.api}/issuer/{issuer_id}")
            name = text(info.get("issuer_name")) or text(data.get("issuer_name"))
            found.append(Issuer(issuer_id, name, certificate, info.get("is_default") is True))
    return tuple(found)


def _read_stored(run: Run, mount: Mount) -> Iterator[Stored]:
    if run.api.topology.health.openbao:
        try:
            yield from _detailed(run, mount)
        except ProviderError as error:
            if error.kind not in (ErrorKind.UNSUPPORTED, ErrorKind.DENIED):
                raise
            run.miss("pki", "detailed list", mount, error)
        else:
            return
    pages = run.api.pages(f"{mount.api}/certs/", cursor=_HYPHENS)
    serials = [_plain(key) for page in pages for key in page.keys]
    if len(serials) > _MOST:
        raise ProviderError(
            ErrorKind.THROTTLED,
            f"{len(serials)} certificates would have to be read one by one",
            resource=mount.path,
            fix="Name certificates by serial, or read this mount through OpenBao's detailed list.",
        )
    yield from spread(serials, lambda serial: _read_one(run, mount, serial), run.settings.workers)


def _detailed(run: Run, mount: Mount) -> Iterator[Stored]:
    for page in run.api.pages(f"{mount.api}/certs/detailed/", cursor=_HYPHENS):
        for key in page.keys:
            info = page.info.get(key, {})
            start, end = instant(info.get("not_before")), instant(info.get("not_after"))
            if start is None or end is None:
                yield from _read_one(run, mount, _plain(key))
            else:
                yield Stored(_plain(key), text(info.get("common_name")), start, end)


def _read_one(run: Run, mount: Mount, serial: str) -> tuple[Stored, ...]:
    """One certificate that the list only names; nothing when it has gone since."""
    path = f"{mount.api}/cert/{colons(serial)}"

    def read() -> tuple[Stored, ...]:
        data = _there(run, path)
        if data is None:
            return ()
        certificate = decoded(data, path)
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return (Stored(serial, common_name_of(certificate), start, end),)

    return one_item(read, "a stored certificate")


def _there(run: Run, path: str) -> dict[str, Any] | None:
    """The public read of something listed, None when it was removed since: its "not found" is nobody else's."""
    try:
        return run.api.public("GET", path)
    except ProviderError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        return None


def _read_revoked(run: Run, mount: Mount) -> frozenset[str]:
    try:
        pages = run.api.pages(f"{mount.api}/certs/revoked/", cursor=_HYPHENS)
        return frozenset(_plain(key) for page in pages for key in page.keys)
    except ProviderError as error:
        if error.kind not in (ErrorKind.UNSUPPORTED, ErrorKind.DENIED):
            raise
        run.miss("pki", "revocations", mount, error)
        return frozenset()


def leaves(run: Run, mount: Mount) -> list[Stored]:
    """Stored certificates that are not the mount's own issuers."""
    own = {f"{one.certificate.serial_number:x}" for one in issuers(run, mount)}
    return [one for one in stored(run, mount) if one.serial.lstrip("0") not in own]


def newest(run: Run, mount: Mount, common_name: str) -> Stored | None:
    """The newest certificate under a name; one in force before one that is not, whatever their age."""
    gone, now = revoked(run, mount), run.now()
    named = [one for one in leaves(run, mount) if one.common_name == common_name]
    return max(
        named,
        key=lambda one: (one.serial not in gone and one.not_after > now, one.not_before, one.serial),
        default=None,
    )


def by_serial(run: Run, mount: Mount, serial: str) -> Stored | None:
    """One stored certificate, or None.

    Raises:
        ProviderError: the certificates cannot be listed.
    """
    return next((one for one in stored(run, mount) if one.serial == serial), None)


def issuer_named(run: Run, mount: Mount, name: str) -> Issuer | None:
    """One issuer by name, id, or ``default``; None when there is none.

    Raises:
        ProviderError: the issuers cannot be listed.
    """
    found = issuers(run, mount)
    if name == "default":
        return next((one for one in found if one.default), None)
    return next((one for one in found if name in (one.id, one.name)), None)


def issuer_revocation(run: Run, mount: Mount, issuer: Issuer) -> datetime | None:
    """When the issuer was revoked; None when it was not, or when that may not be read."""
    try:
        data = run.api.get(f"{mount.api}/issuer/{issuer.id}")
    except ProviderError as error:
        if error.kind is ErrorKind.THROTTLED:
            raise
        run.miss("pki", "revocations of issuers", mount, error)
        return None
    if data.get("revoked") is not True:
        return None
    return instant(data.get("revocation_time")) or run.now()  # what is revoked is so whatever its time looks like


def certificate_revocation(run: Run, data: Mapping[str, Any]) -> datetime | None:
    """When a certificate was revoked, by the answer of its mount; None when it was not (``revocation_time`` is 0)."""
    told = data.get("revocation_time")
    if told is None or told == "" or (told == 0 and not isinstance(told, bool)):
        return None
    return instant(told) or run.now()


def above(certificate: x509.Certificate, known: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificates above one, nearest first, as far as the mount knows them."""
    path: list[x509.Certificate] = []
    current = certificate
    while not _signed_by(current, current):
        current_issuer = next((one for one in known if one not in path and _signed_by(current, one)), None)
        if current_issuer is None:
            break
        path.append(current_issuer)
        current = current_issuer
    return path


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def decoded(data: Mapping[str, Any], path: str) -> x509.Certificate:
    """The certificate of an answer.

    Raises:
        ProviderError: MALFORMED when there is none that can be read.
    """
    try:
        found = decode_pem(text(data.get("certificate")).encode())
    except MalformedError:
        found = []
    if not found:
        raise ProviderError(ErrorKind.MALFORMED, f"GET {path}: the answer holds no readable certificate", resource=path)
    return found[0]


def common_name_of(certificate: x509.Certificate) -> str:
    """Common name of the subject, "" without one."""
    names = texts([str(one.value) for one in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)])
    return names[0] if names else ""


def _plain(serial: str) -> str:
    return serial.replace(":", "").replace("-", "").lower()
