"""RSA keys, made once a process: every key of a world differs, but the next world may draw the same ones again."""

import threading
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_LOCK = threading.Lock()
_CACHE: list[rsa.RSAPrivateKey] = []


class KeyRing:
    """Draws keys for one world; none is drawn twice."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self) -> rsa.RSAPrivateKey:
        """The next RSA-2048 key; made only when no earlier world of this process needed as many."""
        with _LOCK:
            if self._drawn == len(_CACHE):
                _CACHE.append(rsa.generate_private_key(public_exponent=65537, key_size=2048))
            self._drawn += 1
            return _CACHE[self._drawn - 1]


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS #8, as in a key file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key: rsa.RSAPublicKey) -> bytes:
    """SubjectPublicKeyInfo (IAM: ``TYPE_RAW_PUBLIC_KEY``)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def self_signed_pem(key: rsa.RSAPrivateKey, common_name: str, start: datetime, end: datetime, *, serial: int) -> bytes:
    """The certificate IAM shows for a key (``TYPE_X509_PEM_FILE``)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(start)
        .not_valid_after(max(end, start + timedelta(seconds=1)))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
