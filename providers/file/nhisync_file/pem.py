"""PEM texts (RFC 7468): certificates are read, keys are only named."""

from collections.abc import Iterator
from types import MappingProxyType

from nhisync.spi.x509 import MalformedError, decode_pem
from nhisync.spi.x509.pem import blocks
from nhisync_file.parsed import Parsed, malformed

_FIELDS = MappingProxyType(
    {
        b"CERTIFICATE": "certificate",
        b"TRUSTED CERTIFICATE": "certificate",
        b"CERTIFICATE REQUEST": "certificate_request",
        b"X509 CRL": "crl",
        b"PUBLIC KEY": "public_key",
        b"DH PARAMETERS": "dh_parameters",
        b"EC PARAMETERS": "ec_parameters",
    }
)
_KEY = b"PRIVATE KEY"
PRIVATE_KEY = "private_key"
"""Field name of a private key, whatever its format."""


def parse_pem(content: bytes) -> Parsed:
    """Names of the blocks and the certificates among them.

    Raises:
        ProviderError: MALFORMED, when there is no PEM block or a certificate cannot be read.
    """
    found = list(blocks(content))
    if not found:
        raise malformed("not-pem", "there is no PEM block in it")
    try:
        certificates = decode_pem(content)
    except MalformedError:
        raise malformed("certificate-unreadable", "one of its certificates cannot be parsed") from None
    keys = [block for block in found if block.label.endswith(_KEY)]
    names = {_FIELDS.get(label, PRIVATE_KEY if label.endswith(_KEY) else "other") for label, _, _ in found}
    encrypted = sum(is_encrypted(block.label, block.body) for block in keys)
    words = {"private-key": ("encrypted" if encrypted == len(keys) else "plain")} if keys else {}
    return Parsed(fields=tuple(sorted(names)), secret=bool(keys), certificates=tuple(certificates), attributes=words)


def private_keys(content: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each private key block as text with LF line ends, and whether it is encrypted; for the comparing process only."""
    for block in blocks(content):
        if block.label.endswith(_KEY):
            yield block.whole.replace(b"\r\n", b"\n"), is_encrypted(block.label, block.body)


def is_encrypted(label: bytes, body: bytes) -> bool:
    """PKCS#8 says so in its label, the older formats in a header (RFC 1421); OpenSSH keys hide it, and count as so."""
    return label.startswith((b"ENCRYPTED", b"OPENSSH")) or b"Proc-Type: 4,ENCRYPTED" in body
