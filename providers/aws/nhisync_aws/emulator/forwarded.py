"""What a service does on the caller's behalf, and needs the caller's own right for: KMS keys and rotation functions.

Source: Secrets Manager and SSM API references, "Required permissions" of each operation; KMS key policies' condition
key ``kms:ViaService``. Keys that AWS itself manages are open to all principals of the account.
"""

from collections.abc import Callable, Mapping

from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

from nhisync_aws.emulator.auth import authorize
from nhisync_aws.emulator.cloud import Context
from nhisync_aws.emulator.resources import account_in, context_of, key_arn
from nhisync_aws.emulator.wire import ApiError, Call


def use_key(ctx: Context, service: str, arn: str, *operations: str) -> None:
    """Authorize the use of a key through `service`.

    Raises:
        ApiError: AccessDeniedException; Secrets Manager names neither action nor key in it.
    """
    for operation in operations:
        call = _inner(ctx, "kms", operation, {"KeyId": arn})
        context = context_of(call, ctx.principal.account, arn)
        via = {"kms:viaservice": f"{service}.{ctx.call.region}.amazonaws.com"}
        try:
            authorize(call, ctx.principal, arn, {**context, **via})
        except ApiError:
            if service != "secretsmanager":
                raise
            raise ApiError("AccessDeniedException", "Access to KMS is not allowed") from None


def _rotate_secret(ctx: Context) -> None:
    secret_id = str(ctx.param("SecretId"))
    owner = account_in(secret_id, ctx.principal.account)
    secret = secretsmanager_backends[owner][ctx.call.region].secrets.get(secret_id)
    function = str(ctx.param("RotationLambdaARN") or getattr(secret, "rotation_lambda_arn", "") or "")
    if function:
        call = _inner(ctx, "lambda", "InvokeFunction", {})
        authorize(call, ctx.principal, function, context_of(call, ctx.principal.account, function))


def _get_parameter(ctx: Context) -> None:
    if ctx.param("WithDecryption", default=False):
        _parameter_key(ctx, "Decrypt")


def _put_parameter(ctx: Context) -> None:
    _parameter_key(ctx, "GenerateDataKey" if ctx.param("Tier") == "Advanced" else "Encrypt")


def _parameter_key(ctx: Context, operation: str) -> None:
    """The parameter's key, as the call names it or as it is stored."""
    stored = ssm_backends[ctx.principal.account][ctx.call.region]._parameters.get(str(ctx.param("Name")))  # noqa: SLF001
    key_id = str(ctx.param("KeyId") or (stored[-1].keyid if stored else "") or "")
    if key_id and not key_id.startswith("alias/aws/"):
        use_key(ctx, "ssm", key_arn(ctx.principal.account, ctx.call.region, key_id), operation)


def _inner(ctx: Context, service: str, operation: str, parameters: Mapping[str, object]) -> Call:
    return Call(service, operation, ctx.call.region, ctx.call.access_key, dict(parameters), ctx.call.raw)


CHECKS: Mapping[str, Callable[[Context], None]] = {
    "secretsmanager:RotateSecret": _rotate_secret,
    "ssm:GetParameter": _get_parameter,
    "ssm:PutParameter": _put_parameter,
}
"""Call → what it needs beside its own action."""
