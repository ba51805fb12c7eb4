"""Rotation: RotateSecret, CancelRotateSecret and the four steps that follow (Secrets Manager API and user guide).

RotateSecret checks, writes the configuration, labels an empty version AWSPENDING and answers. The steps run afterwards:
before the next call to the cloud once the function's time on the world's clock is over. The first step that fails ends
the rotation: labels stay as they are, LastRotatedDate and NextRotationDate too. The service's own retries and rotations
by schedule are not emulated.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from moto.secretsmanager.models import FakeSecret

from nhisync_aws.emulator import labels
from nhisync_aws.emulator.auth import PARTITION, Principal
from nhisync_aws.emulator.cloud import Cloud, Context, Deferred, Handler
from nhisync_aws.emulator.faults import SourceKey
from nhisync_aws.emulator.rotation_function import STEPS, Deployed, RotationEvent, TemplateFunction
from nhisync_aws.emulator.secret_writes_overlay import token_of, touch
from nhisync_aws.emulator.secrets_overlay import extra_of, writable
from nhisync_aws.emulator.wire import ApiError, Call, RawRequest

_RATE = re.compile(r"rate\((\d+) (hour|day)s?\)")
_SCHEDULE = re.compile(r"(rate|cron)\([^)]+\)")
_WINDOW = re.compile(r"[0-9]{1,2}h")
_MOST_DAYS = 1000
_TEST_ONLY = ("testSecret",)
_NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."
_UNREACHABLE = (
    "Secrets Manager cannot invoke the specified Lambda function. "
    "Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com."
)
_EVERYTHING: Mapping[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def rotate_secret(ctx: Context) -> dict[str, Any]:
    """RotateSecret: nothing is written before every refusal has had its turn; a repeated token changes nothing."""
    secret, token = writable(ctx), token_of(ctx, "InvalidParameterException")
    rules = _rules(ctx)
    arn, deployed = _function(ctx, secret)
    answer = {"ARN": secret.arn, "Name": secret.name, "VersionId": token}
    if token in secret.versions:
        return answer
    if labels.in_progress(secret):
        text = "A previous rotation isn't complete. That rotation will be reattempted."
        raise ApiError("InvalidRequestException", text)
    _configure(ctx, secret, arn, rules)
    now = bool(ctx.param("RotateImmediately", default=True))
    version = labels.new_version(secret, token, ctx.now.timestamp())
    if not now:
        current = secret.versions.get(labels.holder(secret, labels.CURRENT) or "", {})
        version.update({name: one for name, one in current.items() if name.startswith("secret_")})
    labels.attach(secret, labels.PENDING, token)
    run = Rotation(ctx.cloud, ctx.source, secret, token, deployed, STEPS if now else _TEST_ONLY)
    ctx.cloud.later(Deferred(_key(secret), ctx.now + timedelta(seconds=deployed.seconds), run))
    return answer


def cancel_rotate_secret(ctx: Context) -> dict[str, Any]:
    """CancelRotateSecret: turns the schedule off; a rotation under way stops with its labels where they are."""
    secret = writable(ctx)
    if not secret.rotation_lambda_arn:
        raise ApiError("InvalidRequestException", _NO_FUNCTION)
    secret.rotation_enabled = False
    touch(ctx, secret)
    pending = labels.holder(secret, labels.PENDING) if ctx.cloud.drop(_key(secret)) else None
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": pending}


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation under way; calling it runs its steps."""

    cloud: Cloud
    source: SourceKey | None
    secret: FakeSecret
    token: str
    deployed: Deployed
    steps: tuple[str, ...]

    def __call__(self) -> None:
        """Run the steps until one fails; only a whole rotation is dated."""
        if not all(self._step(one) for one in self.steps):
            return
        if self.steps == _TEST_ONLY:
            del self.secret.versions[self.token]
        elif labels.holder(self.secret, labels.CURRENT) == self.token:
            now = self.cloud.clock.now()
            self.secret.last_rotation_date = int(now.timestamp())
            extra = extra_of(self.cloud, self.secret)
            every = interval(self.secret.auto_rotate_after_days, extra.schedule)
            extra.next_rotation = None if every is None else now + every

    def _step(self, step: str) -> bool:
        fault = self.cloud.faults.hit(self.source, "failing_rotation", step)
        if fault is not None and not fault.options.get("after"):
            return False
        try:
            self.deployed.run(RotationEvent(step, self.secret.arn, self.token), self._service)
        except Exception:  # noqa: BLE001 - a function may fail in any way; to the service all are one
            return False
        return fault is None

    def _service(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Secrets Manager's own API, called as the function's role."""
        account, region = str(self.secret.account_id), str(self.secret.region)
        target = {"x-amz-target": f"secretsmanager.{operation}", "content-type": "application/x-amz-json-1.1"}
        raw = RawRequest("POST", "/", target, json.dumps(parameters).encode())
        call = Call("secretsmanager", operation, region, "", parameters, raw)
        arn = f"arn:{PARTITION}:sts::{account}:assumed-role/rotation/rotation"
        role = Principal(arn, account, "rotation", (_EVERYTHING,))
        reply = self.cloud.dispatch(Context(self.cloud, call, role, None), "rotation")
        body = json.loads(reply.body)
        if reply.status != 200:
            raise ApiError(str(body.get("__type")), str(body.get("message")), status=reply.status)
        found: dict[str, Any] = body
        return found


def interval(days: int, schedule: str) -> timedelta | None:
    """How long after a rotation the next one comes; None for ``cron(…)``, which this emulator does not reckon."""
    if days:
        return timedelta(days=days)
    rate = _RATE.fullmatch(schedule)
    if rate is None:
        return None
    number = int(rate[1])
    return timedelta(hours=number) if rate[2] == "hour" else timedelta(days=number)


def _key(secret: FakeSecret) -> str:
    return f"rotation:{secret.arn}"


def _function(ctx: Context, secret: FakeSecret) -> tuple[str, Deployed]:
    """The function that is named or stored, or the owning service of a managed secret, which has none."""
    arn = str(ctx.param("RotationLambdaARN") or secret.rotation_lambda_arn or "")
    extra = extra_of(ctx.cloud, secret)
    if not arn and (extra.owning_service or secret.owning_service):
        return "", Deployed(TemplateFunction(ctx.cloud.randomness))
    if not arn:
        raise ApiError("InvalidRequestException", _NO_FUNCTION)
    deployed = ctx.cloud.account(str(secret.account_id)).functions.get(arn)
    if deployed is None:
        raise ApiError("AccessDeniedException", _UNREACHABLE)
    return arn, deployed


def _rules(ctx: Context) -> Mapping[str, Any]:
    """RotationRules of the call, checked.

    Raises:
        ApiError: InvalidParameterException.
    """
    rules: Mapping[str, Any] = ctx.param("RotationRules", {})
    days, schedule = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    wrong = ""
    if days is not None and schedule is not None:
        wrong = "RotationRules holds AutomaticallyAfterDays or ScheduleExpression, not both."
    elif days is not None and not 1 <= int(days) <= _MOST_DAYS:
        wrong = "RotationRules.AutomaticallyAfterDays must be within 1-1000."
    elif schedule is not None and not _SCHEDULE.fullmatch(str(schedule)):
        wrong = "RotationRules.ScheduleExpression must be a rate() or cron() expression."
    elif "Duration" in rules and not _WINDOW.fullmatch(str(rules["Duration"])):
        wrong = "RotationRules.Duration must be a number of hours such as 3h."
    if wrong:
        raise ApiError("InvalidParameterException", wrong)
    return rules


def _configure(ctx: Context, secret: FakeSecret, arn: str, rules: Mapping[str, Any]) -> None:
    """Keep what the call names; what it does not name stays as it was stored."""
    secret.rotation_requested = secret.rotation_enabled = True
    secret.rotation_lambda_arn = arn
    touch(ctx, secret)
    if not rules:
        return
    extra = extra_of(ctx.cloud, secret)
    secret.auto_rotate_after_days = int(rules.get("AutomaticallyAfterDays") or 0)
    extra.schedule = str(rules.get("ScheduleExpression") or "")
    extra.duration = str(rules.get("Duration") or "")
    every = interval(secret.auto_rotate_after_days, extra.schedule)
    extra.next_rotation = None if every is None else ctx.now + every


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:RotateSecret": rotate_secret,
    "secretsmanager:CancelRotateSecret": cancel_rotate_secret,
}
