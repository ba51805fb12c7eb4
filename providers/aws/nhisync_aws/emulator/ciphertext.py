"""What KMS gives out as ciphertext: which key made it, and that nobody changed it.

Pure. moto's own form keeps 36 characters of the key's id, fewer than the id of a multi-Region key has, so that nothing
that such a key encrypted is ever decrypted.
"""

import json
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


def seal(key_id: str, material: bytes, plaintext: bytes, context: Mapping[str, str], nonce: bytes) -> bytes:
    """Encrypt under `material`; `nonce` are 12 fresh random bytes."""
    name = key_id.encode()
    return bytes([len(name)]) + name + nonce + AESGCM(material).encrypt(nonce, plaintext, _bound(key_id, context))


def key_id_of(blob: bytes) -> str:
    """Id of the key that made `blob`, or "" when it is no ciphertext of KMS."""
    length = blob[0] if blob else 0
    try:
        return blob[1 : 1 + length].decode("ascii") if len(blob) > 1 + length + _NONCE else ""
    except UnicodeDecodeError:
        return ""


def unseal(blob: bytes, material: bytes, context: Mapping[str, str]) -> bytes | None:
    """The plaintext; None = changed on the way, or sealed with another encryption context."""
    key_id = key_id_of(blob)
    start = 1 + len(key_id)
    nonce, body = blob[start : start + _NONCE], blob[start + _NONCE :]
    try:
        return AESGCM(material).decrypt(nonce, body, _bound(key_id, context))
    except InvalidTag:
        return None


def _bound(key_id: str, context: Mapping[str, str]) -> bytes:
    """What is authenticated beside the text."""
    return json.dumps([key_id, sorted(context.items())]).encode()
