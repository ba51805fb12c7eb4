"""Encryption and data keys of KMS: refused by keys that are off, and readable in every Region that has the key.

Source: KMS API reference, Encrypt, Decrypt, ReEncrypt, GenerateDataKey.
"""

import base64
from collections.abc import Mapping
from typing import Any

from moto.kms.models import Key, kms_backends

from nhisync_aws.emulator.ciphertext import key_id_of, seal, unseal
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.keys import check_usable, key_of, usage_of
from nhisync_aws.emulator.wire import ApiError

_LONGEST = 4096
_DATA_KEYS = {"AES_256": 32, "AES_128": 16}
_ALGORITHM = "SYMMETRIC_DEFAULT"
_NONCE = 12


def encrypt(ctx: Context) -> dict[str, Any]:
    """Encrypt: up to 4096 bytes."""
    key, plaintext = _key(ctx), _blob(ctx, "Plaintext")
    if not 1 <= len(plaintext) <= _LONGEST:
        text = "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length"
        bound = f"less than or equal to {_LONGEST}" if plaintext else "greater than or equal to 1"
        raise ApiError("ValidationException", f"{text} {bound}")
    blob = _sealed(ctx, key, plaintext, _context(ctx, "EncryptionContext"))
    return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": _ALGORITHM}


def decrypt(ctx: Context) -> dict[str, Any]:
    """Decrypt: the key that made the ciphertext, in this Region."""
    key, plaintext = _opened(ctx, "KeyId", "EncryptionContext")
    return {"Plaintext": plaintext, "KeyId": key.arn, "EncryptionAlgorithm": _ALGORITHM}


def re_encrypt(ctx: Context) -> dict[str, Any]:
    """ReEncrypt: decrypt and encrypt again, the plaintext never leaving."""
    source, plaintext = _opened(ctx, "SourceKeyId", "SourceEncryptionContext")
    key = _key(ctx, "DestinationKeyId")
    return {
        "CiphertextBlob": _sealed(ctx, key, plaintext, _context(ctx, "DestinationEncryptionContext")),
        "SourceKeyId": source.arn,
        "KeyId": key.arn,
        "SourceEncryptionAlgorithm": _ALGORITHM,
        "DestinationEncryptionAlgorithm": _ALGORITHM,
    }


def generate_data_key(ctx: Context) -> dict[str, Any]:
    """GenerateDataKey: plain and encrypted."""
    key, spec, length = _key(ctx), ctx.param("KeySpec"), ctx.param("NumberOfBytes")
    if (spec is None) is (length is None):
        raise ApiError("ValidationException", "Please specify either number of bytes or key spec.")
    plaintext = _random(ctx, int(length) if spec is None else _DATA_KEYS[str(spec)])
    blob = _sealed(ctx, key, plaintext, _context(ctx, "EncryptionContext"))
    return {"Plaintext": plaintext, "CiphertextBlob": blob, "KeyId": key.arn}


def generate_data_key_without_plaintext(ctx: Context) -> dict[str, Any]:
    """GenerateDataKeyWithoutPlaintext: encrypted only."""
    return {name: value for name, value in generate_data_key(ctx).items() if name != "Plaintext"}


def _key(ctx: Context, parameter: str = "KeyId") -> Key:
    """A key that encrypts now."""
    key = check_usable(key_of(ctx, parameter))
    if usage_of(key) != "ENCRYPT_DECRYPT":
        text = f"{key.arn} key usage is {usage_of(key)} which is not valid for {ctx.call.operation}."
        raise ApiError("InvalidKeyUsageException", text)
    return key


def _opened(ctx: Context, parameter: str, context: str) -> tuple[Key, bytes]:
    """The key that made the call's ciphertext, and what it says."""
    blob = _blob(ctx, "CiphertextBlob")
    key_id = key_id_of(blob)
    if not key_id:
        raise ApiError("InvalidCiphertextException", "")
    if ctx.param(parameter) is not None and key_of(ctx, parameter).id != key_id:
        text = "The key ID in the request does not identify a CMK that can perform this operation."
        raise ApiError("IncorrectKeyException", text)
    key = kms_backends[ctx.account.id][ctx.call.region].keys.get(key_id)
    if key is None:
        text = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        raise ApiError("AccessDeniedException", f"{text}or you are not allowed to access.")
    plaintext = unseal(blob, check_usable(key).key_material, _context(ctx, context))
    if plaintext is None:
        raise ApiError("InvalidCiphertextException", "")
    return key, plaintext


def _sealed(ctx: Context, key: Key, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    return seal(key.id, key.key_material, plaintext, context, _random(ctx, _NONCE))


def _blob(ctx: Context, parameter: str) -> bytes:
    return base64.b64decode(str(ctx.param(parameter, "")))


def _context(ctx: Context, parameter: str) -> dict[str, str]:
    return {str(name): str(value) for name, value in ctx.param(parameter, {}).items()}


def _random(ctx: Context, length: int) -> bytes:
    return bytes.fromhex(ctx.cloud.randomness.hex(length))


HANDLERS: Mapping[str, Handler] = {
    "kms:Encrypt": encrypt,
    "kms:Decrypt": decrypt,
    "kms:ReEncrypt": re_encrypt,
    "kms:GenerateDataKey": generate_data_key,
    "kms:GenerateDataKeyWithoutPlaintext": generate_data_key_without_plaintext,
}
