"""Private keys of the vaults: making them, showing their public half as JWK, signing with them."""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from nhisync_azure.emulator.jwt import b64url

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
RSA_SIZES: Final = (2048, 3072, 4096)
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVE_OF: Final = {"256": "secp256r1", "384": "secp384r1", "512": "secp521r1"}
_RSA_CACHE: dict[int, list[rsa.RSAPrivateKey]] = {}
_RSA_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """What kind of key: ``EC`` or ``RSA`` (``-HSM`` for both), a curve or a size in bits."""

    kty: str = "EC"
    curve: str = "P-256"
    bits: int = 2048

    @property
    def is_rsa(self) -> bool:
        """Whether it is an RSA key."""
        return self.kty.startswith("RSA")


@dataclass(slots=True)
class Keyring:
    """Gives out keys; RSA keys come from a cache of the process, but each only once per cloud."""

    _taken: dict[int, int] = field(default_factory=dict)

    def new(self, shape: KeyShape) -> PrivateKey:
        """A key that nobody in this cloud has."""
        if not shape.is_rsa:
            return ec.generate_private_key(CURVES[shape.curve]())
        with _RSA_LOCK:
            cache = _RSA_CACHE.setdefault(shape.bits, [])
            number = self._taken.get(shape.bits, 0)
            self._taken[shape.bits] = number + 1
            if number == len(cache):
                cache.append(rsa.generate_private_key(public_exponent=65537, key_size=shape.bits))
            return cache[number]


def jwk(key: PrivateKey, kty: str) -> dict[str, str]:
    """The public half as a JSON web key (RFC 7517)."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        exponent = numbers.e.to_bytes(3, "big")
        return {"kty": kty, "n": b64url(numbers.n.to_bytes(key.key_size // 8, "big")), "e": b64url(exponent)}
    point = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    curve = next(name for name, kind in CURVES.items() if isinstance(key.curve, kind))
    return {
        "kty": kty,
        "crv": curve,
        "x": b64url(point.x.to_bytes(size, "big")),
        "y": b64url(point.y.to_bytes(size, "big")),
    }


def sign_digest(key: PrivateKey, algorithm: str, digest: bytes) -> bytes:
    """A JWS signature (RFC 7518 §3) over a digest.

    Raises:
        ValueError: algorithm, key and digest do not fit.
    """
    kind, chosen = _algorithm(key, algorithm, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(chosen))))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(digest, _padding(kind, chosen), Prehashed(chosen))


def verify_digest(key: PrivateKey, algorithm: str, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` is this key's over `digest`.

    Raises:
        ValueError: algorithm, key and digest do not fit.
    """
    kind, chosen = _algorithm(key, algorithm, digest)
    try:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.public_key().verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(chosen)))
        else:
            key.public_key().verify(signature, digest, _padding(kind, chosen), Prehashed(chosen))
    except InvalidSignature:
        return False
    return True


def pem(key: PrivateKey) -> str:
    """The private key as PKCS#8 PEM."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def spki(public: Any) -> bytes:
    """The public key as DER SubjectPublicKeyInfo."""
    return bytes(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _algorithm(key: PrivateKey, algorithm: str, digest: bytes) -> tuple[str, hashes.HashAlgorithm]:
    kind, length = algorithm[:2], algorithm[2:]
    chosen = _HASHES.get(length)
    wanted = ("ES",) if isinstance(key, ec.EllipticCurvePrivateKey) else ("RS", "PS")
    fits = chosen is not None and kind in wanted and len(digest) == chosen.digest_size
    if isinstance(key, ec.EllipticCurvePrivateKey):
        fits = fits and key.curve.name == _CURVE_OF[length]
    if chosen is None or not fits:
        msg = f"{algorithm} does not fit this key or digest"
        raise ValueError(msg)
    return kind, chosen


def _padding(kind: str, chosen: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if kind == "PS":
        return padding.PSS(padding.MGF1(chosen), chosen.digest_size)
    return padding.PKCS1v15()
