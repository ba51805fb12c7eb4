"""A certificate authority per emulator, so that TLS is verified exactly as in production."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.pki_x509 import Authority, Subject, make_leaf, new_key, public_of, self_signed

_LIFETIME = timedelta(days=3650)


class ListenerAuthority:
    """Issues the listeners' certificates; its own certificate is the ``ca_file`` of the sources.

    Dates come from the machine's clock (`now` at construction), because the TLS library compares with that one.
    """

    def __init__(self, ids: Ids, directory: Path, now: datetime) -> None:
        self._ids = ids
        self._directory = directory
        self._now = now
        key = new_key("ec")
        start = now - timedelta(days=1)
        subject = Subject(common_name="nhisync emulated Vault CA")
        certificate = self_signed(subject, key, serial=ids.serial(), start=start, end=now + _LIFETIME)
        self._authority = Authority(certificate=certificate, key=key)
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(self) -> ssl.SSLContext:
        """A context with a fresh certificate for both loopback addresses and localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = Subject(common_name="localhost", dns=("localhost",), addresses=("127.0.0.1", "::1"))
        certificate = make_leaf(
            subject,
            public_of(key),
            self._authority,
            serial=self._ids.serial(),
            start=self._now - timedelta(days=1),
            end=self._now + _LIFETIME,
        )
        pem_file = self._directory / f"listener-{certificate.serial_number:x}.pem"
        pem_file.touch(mode=0o600)
        pem_file.write_bytes(_bundle(certificate, key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pem_file)
        return context


def _bundle(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
