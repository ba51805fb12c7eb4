"""KMS keys: which one a call names, how the keys of several Regions belong together, and what their states forbid.

Source: KMS developer guide, "Key states of AWS KMS keys" and "Multi-Region keys".
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from moto.kms.models import Key, kms_backends

from nhisync_aws.emulator.auth import authorize
from nhisync_aws.emulator.cloud import Context
from nhisync_aws.emulator.resources import context_of, key_arn
from nhisync_aws.emulator.wire import ApiError

_STATES = {
    "PendingDeletion": "is pending deletion.",
    "PendingReplicaDeletion": "is pending replica deletion.",
    "PendingImport": "is pending import.",
    "Unavailable": "is unavailable.",
    "Creating": "is creating.",
}


def key_of(ctx: Context, parameter: str = "KeyId") -> Key:
    """The key that a parameter names by id, ARN, alias or alias ARN; never one of another region.

    Raises:
        ApiError: NotFoundException.
    """
    arn = key_arn(ctx.account.id, ctx.call.region, str(ctx.param(parameter)))
    parts = arn.split(":")
    if parts[3] != ctx.call.region:
        raise ApiError("NotFoundException", f"Invalid arn {parts[3]}")
    key = kms_backends[parts[4]][parts[3]].keys.get(parts[5].removeprefix("key/"))
    if key is None:
        raise ApiError("NotFoundException", f"Key '{arn}' does not exist")
    return key


def usage_of(key: Key) -> str:
    """What the key is for; moto keeps nothing where the default of CreateKey was meant."""
    return str(key.key_usage or "ENCRYPT_DECRYPT")


def primary_of(key: Key) -> Key:
    """The primary of a multi-Region key; any other key is its own."""
    if not key.multi_region:
        return key
    region = key.multi_region_configuration["PrimaryKey"]["Region"]
    return kms_backends[key.account_id][region].keys.get(key.id, key)


def check_usable(key: Key) -> Key:
    """Refuse a key that does no cryptography now.

    Raises:
        ApiError: DisabledException, KMSInvalidStateException.
    """
    if key.key_state == "Disabled":
        raise ApiError("DisabledException", f"{key.arn} is disabled.")
    return check_alive(key)


def check_alive(key: Key) -> Key:
    """Refuse a key that can neither be used nor switched on; a disabled one passes.

    Raises:
        ApiError: KMSInvalidStateException.
    """
    if key.key_state in _STATES:
        raise ApiError("KMSInvalidStateException", f"{key.arn} {_STATES[key.key_state]}")
    return key


def _usable(ctx: Context) -> None:
    check_usable(key_of(ctx))


def _alive(ctx: Context) -> None:
    check_alive(key_of(ctx))


def _re_encrypt(ctx: Context) -> None:
    """The call itself is authorized as ReEncryptFrom on its source."""
    call, arn = replace(ctx.call, operation="ReEncryptTo"), str(key_of(ctx, "DestinationKeyId").arn)
    authorize(call, ctx.principal, arn, context_of(call, ctx.account.id, arn))


def _dying(ctx: Context) -> None:
    key = key_of(ctx)
    if key.key_state != "PendingDeletion":
        raise ApiError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")


CHECKS: Mapping[str, Callable[[Context], None]] = {
    "kms:Sign": _usable,
    "kms:Verify": _usable,
    "kms:GenerateMac": _usable,
    "kms:VerifyMac": _usable,
    "kms:GetPublicKey": _usable,
    "kms:ReEncrypt": _re_encrypt,
    "kms:EnableKey": _alive,
    "kms:DisableKey": _alive,
    "kms:ScheduleKeyDeletion": _alive,
    "kms:CancelKeyDeletion": _dying,
}
"""Call → what must hold of the key, and of the caller's rights on a second one."""
