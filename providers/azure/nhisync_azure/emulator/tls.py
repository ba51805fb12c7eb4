"""A certificate authority per world, so that TLS is verified exactly as in production."""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nhisync_azure.emulator.ids import Ids

_LIFETIME = timedelta(days=3650)
PUBLIC_NAMES = ("login.microsoftonline.com", "graph.microsoft.com", "management.azure.com", "*.vault.azure.net")
"""Names a client may dial through its own resolver and verify as in production."""


class ListenerAuthority:
    """Issues the listeners' certificate; its own certificate is the ``ca_file`` of the sources.

    Dates come from the machine's clock (`now` at construction), because the TLS library compares with that one.
    """

    def __init__(self, ids: Ids, directory: Path, now: datetime) -> None:
        self._ids = ids
        self._directory = directory
        self._start, self._end = now - timedelta(days=1), now + _LIFETIME
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("nhisync emulated Azure CA")
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(self._root().public_bytes(serialization.Encoding.PEM))

    def server_context(self) -> ssl.SSLContext:
        """A context with a fresh certificate for loopback and for the public names of the services."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name) for name in ("localhost", *PUBLIC_NAMES)]
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        builder = (
            self._builder(_name("localhost"), key.public_key())
            .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(ca=False), critical=True)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        pem_file = self._directory / f"listener-{certificate.serial_number:x}.pem"
        pem_file.touch(mode=0o600)
        pem_file.write_bytes(_bundle(certificate, key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pem_file)
        return context

    def _root(self) -> x509.Certificate:
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return builder.add_extension(_usage(ca=True), critical=True).sign(self._key, hashes.SHA256())

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(self._ids.serial())
            .not_valid_before(self._start)
            .not_valid_after(self._end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _bundle(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
