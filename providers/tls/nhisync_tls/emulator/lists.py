"""Revocation lists (RFC 5280 §5), with the faults a test may want."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nhisync_tls.emulator.pki import Issued, digest_for


def revocation_list(
    issuer: Issued,
    serials: Iterable[int],
    *,
    begins: datetime,
    ends: datetime,
    number: int | None = 1,
    more: Iterable[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A signed list as PEM.

    Args:
        issuer: who signs.
        serials: serial numbers of what is revoked, all since a second after `begins`.
        begins: thisUpdate, aware UTC.
        ends: nextUpdate.
        number: CRLNumber; None = no such extension.
        more: further extensions with their criticality.
    """
    key = issuer.key
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    since = begins + timedelta(seconds=1)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, digest_for(key)).public_bytes(Encoding.PEM)
