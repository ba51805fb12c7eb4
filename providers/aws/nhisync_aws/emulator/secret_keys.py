"""The KMS key of a secret: values are read and written only under a key that is there, enabled and the caller's to use.

Source: Secrets Manager API, DecryptionFailure and EncryptionFailure; KMS guide, "Key states". The key that AWS itself
manages (``aws/secretsmanager``) is always usable, and by the secret's own account only.
"""

from moto.kms.models import kms_backends

from nhisync_aws.emulator.cloud import Context
from nhisync_aws.emulator.forwarded import use_key
from nhisync_aws.emulator.resources import key_arn
from nhisync_aws.emulator.wire import ApiError

DEFAULT_KEY = "alias/aws/secretsmanager"
CANNOT_ENCRYPT = (
    "Secrets Manager can't encrypt the protected secret text using the provided KMS key. "
    "Check that the KMS key is available, enabled, and not in an invalid state."
)
_CANNOT_DECRYPT = "Secrets Manager can't decrypt the protected secret text using the provided KMS key."
_OTHER_ACCOUNT = (
    "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key."
)


def managed(key_id: str | None) -> bool:
    """Whether the key is Secrets Manager's own."""
    return not key_id or key_id.rpartition(":")[2] == DEFAULT_KEY


def usable(account: str, region: str, key_id: str | None) -> bool:
    """Whether values in `region` can be kept under the key: there, enabled, and of that region."""
    if managed(key_id):
        return True
    parts = key_arn(account, region, str(key_id)).split(":")
    key = kms_backends[parts[4]][parts[3]].keys.get(parts[5].removeprefix("key/"))
    return key is not None and key.key_state == "Enabled" and parts[3] == region


def decrypt(ctx: Context, account: str, key_id: str | None) -> None:
    """Use the key to read a value.

    Raises:
        ApiError: DecryptionFailure, AccessDeniedException, or InvalidRequestException across accounts.
    """
    if managed(key_id):
        if account != ctx.principal.account:
            raise ApiError("InvalidRequestException", _OTHER_ACCOUNT)
        return
    if not usable(account, ctx.call.region, key_id):
        raise ApiError("DecryptionFailure", _CANNOT_DECRYPT)
    use_key(ctx, "secretsmanager", key_arn(account, ctx.call.region, str(key_id)), "Decrypt")


def encrypt(ctx: Context, account: str, key_id: str | None) -> None:
    """Use the key to write a value; a write needs Decrypt too (API, PutSecretValue, "Required permissions").

    Raises:
        ApiError: EncryptionFailure or AccessDeniedException.
    """
    if managed(key_id):
        return
    if not usable(account, ctx.call.region, key_id):
        raise ApiError("EncryptionFailure", CANNOT_ENCRYPT)
    use_key(ctx, "secretsmanager", key_arn(account, ctx.call.region, str(key_id)), "GenerateDataKey", "Decrypt")
