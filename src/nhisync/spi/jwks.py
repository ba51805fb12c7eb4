"""From hostile bytes to the public facts of a JSON Web Key Set (RFC 7517): which keys verify what, and what is wrong.

Private and symmetric members are counted and dropped before anything is built of a key: they reach no object, no
error and no digest (the thumbprint of a symmetric key would be a digest of its value). One odd key costs itself, as
RFC 7517 §5 has it. For adapters; `nhisync.spi` itself does not import it.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nhisync.model.keyset import KeySet, SignatureKey
from nhisync.spi.errors import ErrorKind, ProviderError

LARGEST: Final = 64 * 1024
"""Bytes of a set; a hundred RSA keys of 4,096 bits fit."""

MOST_KEYS: Final = 100

_SECRET: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Private and symmetric members (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2; ``priv`` of the AKP key type)."""

_LONGEST_KID: Final = 200
_WORD = re.compile(r"[A-Za-z0-9_-]+\Z")

_ENCRYPTS = re.compile(r"(RSA1_5|RSA-OAEP|ECDH-|A\d+|PBES2-|dir\Z)")
"""Algorithms that encrypt (RFC 7518 §4.1): keys that name one take no part."""

_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, int]]] = MappingProxyType(
    {
        "P-256": (ec.SECP256R1(), 32),
        "P-384": (ec.SECP384R1(), 48),
        "P-521": (ec.SECP521R1(), 66),
        "secp256k1": (ec.SECP256K1(), 32),
    }
)
"""Curve → its implementation, and the bytes of a coordinate (RFC 7518 §6.2.1.2)."""

_OCTETS: Final[Mapping[str, int]] = MappingProxyType({"Ed25519": 32, "Ed448": 57})
"""Curve of an octet key pair → the bytes of its public key (RFC 8032 §5.1.5, §5.2.5)."""

_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "RSA": ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512"),
        "P-256": ("ES256",),
        "P-384": ("ES384",),
        "P-521": ("ES512",),
        "secp256k1": ("ES256K",),
        "Ed25519": ("Ed25519", "EdDSA"),
        "Ed448": ("Ed448", "EdDSA"),
    }
)
"""RSA or curve → what such a key can verify (RFC 7518 §3.1, RFC 8812 §3.2, RFC 8037 §3.1, RFC 9864 §2.2)."""


class _OddError(Exception):
    """A key that cannot be judged; its text is ours alone."""


def read_key_set(content: bytes) -> KeySet:
    """The facts of a set.

    Raises:
        ProviderError: MALFORMED: it is too large, or no set at all. Nothing of the content is repeated.
    """
    if len(content) > LARGEST:
        raise _malformed("too-large", f"it is larger than {LARGEST} bytes, which no key set is")
    document = _loaded(content)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _malformed("not-jwks", "it is no JSON Web Key Set: a JSON object with a list of keys, no name twice")
    if len(entries) > MOST_KEYS:
        raise _malformed("too-many-keys", f"it holds more than {MOST_KEYS} keys")
    keys, odd = set[SignatureKey](), list[str]()
    for entry in entries:
        try:
            found = _key(entry)
        except _OddError as why:
            odd.append(str(why))
        else:
            keys |= {found} if found else set()
    private = sum(isinstance(entry, dict) and not _SECRET.isdisjoint(entry) for entry in entries)
    return KeySet(keys=tuple(sorted(keys)), odd=tuple(sorted(odd)), private=private)


def key_set_version(found: KeySet) -> str:
    """The generation of a set: a digest of its public facts, in any order of its keys."""
    text = json.dumps([[key.kid, key.thumbprint, key.algorithms] for key in found.keys])
    return hashlib.sha256(text.encode()).hexdigest()


def _malformed(reason: str, message: str) -> ProviderError:
    fix = "Publish a JSON Web Key Set there (RFC 7517 §5), or correct the locator."
    return ProviderError(ErrorKind.MALFORMED, message, reason=reason, fix=fix)


def _loaded(content: bytes) -> Any:
    """The document, or None; exceptions of the parser quote it, so they end here."""
    try:
        return json.loads(content, object_pairs_hook=_unique, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names stand once, as RFC 7517 §4 demands: which of two wins differs between parsers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _number(_: str) -> None:
    """No member of a key that counts here is a number."""


def _key(entry: Any) -> SignatureKey | None:
    """The signature key of one entry; None when it is for another use."""
    if not isinstance(entry, dict):
        raise _OddError("an entry that is no key")
    algorithm = entry.get("alg")
    if _for_another_use(entry, algorithm):
        return None
    kid = entry.get("kid", "")
    if not isinstance(kid, str) or not kid.isprintable() or len(kid) > _LONGEST_KID:
        raise _OddError("a kid that is no short, printable text")
    family, required = _public(entry)
    fitting = _ALGORITHMS[family]
    if algorithm is not None and algorithm not in fitting:
        raise _OddError("an algorithm that does not fit the key")
    return SignatureKey(kid, _thumbprint(required), fitting if algorithm is None else (algorithm,))


def _for_another_use(entry: Mapping[str, Any], algorithm: Any) -> bool:
    """Whether a verifier of signatures passes it over (RFC 7517 §4.2 to §4.4).

    Raises:
        _OddError: it is said in no word of the RFC, so that the key may sign what not every verifier takes.
    """
    use, operations = entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    if use not in ("sig", "enc"):
        raise _OddError("a use that is not known here")
    if not isinstance(operations, list) or not all(isinstance(one, str) for one in operations):
        raise _OddError("operations that are no list of words")
    if "verify" not in operations:
        if "sign" in operations:
            raise _OddError("operations that sign and do not verify")
        return True
    encrypts = isinstance(algorithm, str) and _ENCRYPTS.match(algorithm) is not None
    return encrypts or use == "enc" or entry.get("crv") in ("X25519", "X448")


def _public(entry: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """RSA or the curve, and the members that make the thumbprint (RFC 7638 §3.2), in their canonical form."""
    kind = entry.get("kty")
    if kind == "RSA":
        return "RSA", _rsa(entry)
    if kind == "EC":
        return str(entry.get("crv")), _elliptic(entry)
    if kind == "OKP":
        return str(entry.get("crv")), _octets(entry)
    raise _OddError("a symmetric key" if kind == "oct" else "a type of key that is not known here")


def _rsa(entry: Mapping[str, Any]) -> dict[str, str]:
    modulus, exponent = (int.from_bytes(_bytes(entry, name)) for name in ("n", "e"))
    if modulus.bit_length() < 2048:
        raise _OddError("an RSA key shorter than 2048 bits, which no verifier may take (RFC 7518 §3.3)")
    try:
        rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise _OddError("a key that cannot be read") from None
    return {"e": _canonical(exponent), "kty": "RSA", "n": _canonical(modulus)}


def _elliptic(entry: Mapping[str, Any]) -> dict[str, str]:
    name = str(entry.get("crv"))
    if name not in _CURVES:
        raise _OddError("a curve that is not known here")
    curve, size = _CURVES[name]
    x, y = _bytes(entry, "x"), _bytes(entry, "y")
    if len(x) != size or len(y) != size:
        raise _OddError("a key that cannot be read")
    try:
        ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise _OddError("a key that is no point of its curve") from None
    return {"crv": name, "kty": "EC", "x": _text(x), "y": _text(y)}


def _octets(entry: Mapping[str, Any]) -> dict[str, str]:
    name, x = str(entry.get("crv")), _bytes(entry, "x")
    if name not in _OCTETS:
        raise _OddError("a curve that is not known here")
    if len(x) != _OCTETS[name]:
        raise _OddError("a key that cannot be read")
    return {"crv": name, "kty": "OKP", "x": _text(x)}


def _thumbprint(required: Mapping[str, str]) -> str:
    """RFC 7638 §3: SHA-256 over the required members, in order of their names, without spaces."""
    text = json.dumps(required, sort_keys=True, separators=(",", ":"))
    return _text(hashlib.sha256(text.encode()).digest())


def _bytes(entry: Mapping[str, Any], name: str) -> bytes:
    """A member in base64url without padding (RFC 7515 §2)."""
    value = entry.get(name)
    if not isinstance(value, str) or not _WORD.match(value):
        raise _OddError("a key that cannot be read")
    try:
        return urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (Base64Error, ValueError):
        raise _OddError("a key that cannot be read") from None


def _canonical(number: int) -> str:
    """Base64urlUInt: no leading zeros (RFC 7518 §2)."""
    return _text(number.to_bytes((number.bit_length() + 7) // 8))


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
