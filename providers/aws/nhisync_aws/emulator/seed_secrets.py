"""Seeds of kinds ``secret`` and ``parameter``."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.secretsmanager.models import FakeSecret, ReplicaSecret
from moto.ssm.models import Parameter, ssm_backends

from nhisync.testing.world import Seed
from nhisync_aws.emulator.cloud import naive
from nhisync_aws.emulator.secrets_overlay import store
from nhisync_aws.emulator.seeding import Plot, kms_key, tags_of, version_id

_DEFAULT_DAYS = 30


def seed_secret(plot: Plot, item: Seed) -> str:
    """Plant a secret; see README.md for the options."""
    options = item.options
    if "replica_of" in options:
        secret = _plant_replica(plot, item)
        arn = secret.arn.replace(secret.region, plot.region)
    else:
        secret = _plant(plot, item)
        arn = secret.arn
        _add_replicas(plot, secret, options.get("replicas", {}))
    if options.get("denied"):
        plot.cloud.denied.setdefault(plot.key, set()).add(arn)
    return f"secret/{item.name}"


def _plant(plot: Plot, item: Seed) -> FakeSecret:
    options = item.options
    created = plot.ago(item.created)
    changed = created if item.rotated is None else plot.ago(item.rotated)
    key = kms_key(plot, options.get("kms"))
    secret = FakeSecret(
        account_id=plot.account_id,
        region_name=plot.region,
        secret_id=item.name,
        secret_version={},
        version_id="",
        description=options.get("description"),
        tags=tags_of(item),
        kms_key_id=key,
        created_date=int(created.timestamp()),
        last_changed_date=int(changed.timestamp()),
    )
    _add_versions(plot, secret, item, created, changed)
    store(plot.account_id, plot.region)[item.name] = secret
    _add_rotation(plot, secret, item, changed)
    _add_rest(plot, secret, options)
    return secret


def _add_versions(plot: Plot, secret: FakeSecret, item: Seed, created: datetime, changed: datetime) -> None:
    value = _value(item)
    for _ in range(int(item.options.get("deprecated_versions", 0))):
        _add_version(plot, secret, created, [], value)
    if item.rotated is not None:
        _add_version(plot, secret, created, ["AWSPREVIOUS"], _value(item, suffix="-previous"))
    current = _add_version(plot, secret, changed, ["AWSCURRENT"], value)
    secret.set_default_version_id(current)
    pending = item.options.get("pending")
    if pending is not None:
        empty = bool(item.options.get("pending_empty", False))
        _add_version(plot, secret, plot.ago(pending), ["AWSPENDING"], None if empty else _value(item, suffix="-next"))
        secret.last_changed_date = max(secret.last_changed_date or 0, int(plot.ago(pending).timestamp()))


def _add_version(plot: Plot, secret: FakeSecret, at: datetime, stages: list[str], value: str | bytes | None) -> str:
    new = version_id(plot)
    version: dict[str, Any] = {"createdate": int(at.timestamp()), "version_id": new, "version_stages": stages}
    if isinstance(value, bytes):
        version["secret_binary"] = value
    elif value is not None:
        version["secret_string"] = value
    secret.versions[new] = version
    if secret.kms_key_id:
        plot.account.secret(secret.arn).version_kms[new] = [secret.kms_key_id]
    return new


def _value(item: Seed, *, suffix: str = "") -> str | bytes:
    fields = {name: f"{value}{suffix}" for name, value in item.fields.items()}
    if item.options.get("plain"):
        return next(iter(fields.values()), f"seeded-{item.name}{suffix}")
    text = json.dumps(fields or {"value": f"seeded-{item.name}{suffix}"})
    return text.encode() if item.options.get("binary") else text


def _add_rotation(plot: Plot, secret: FakeSecret, item: Seed, changed: datetime) -> None:
    """A seed that was rotated was rotated by Secrets Manager, unless the option ``rotation`` is None."""
    options: Mapping[str, Any] | None = item.options.get("rotation", {} if item.rotated is not None else None)
    if options is None:
        return
    extra = plot.account.secret(secret.arn)
    secret.rotation_requested = True
    secret.rotation_enabled = bool(options.get("enabled", True))
    if "schedule" in options:
        extra.schedule = str(options["schedule"])
    else:
        secret.auto_rotate_after_days = int(options.get("every_days", _DEFAULT_DAYS))
    extra.duration = str(options.get("duration", ""))
    extra.owning_service = str(options.get("managed", ""))
    if not extra.owning_service:
        name = str(options.get("function", f"rotate-{plot.region}"))
        secret.rotation_lambda_arn = plot.function_arn(name, options.get("function_region"))
        if not options.get("function_gone"):
            plot.account.functions.setdefault(secret.rotation_lambda_arn, plot.template_function())
    if item.rotated is not None:
        secret.last_rotation_date = int(changed.timestamp())
    every = timedelta(days=secret.auto_rotate_after_days or _DEFAULT_DAYS)
    extra.next_rotation = plot.now + options["next"] if "next" in options else changed + every


def _add_rest(plot: Plot, secret: FakeSecret, options: Mapping[str, Any]) -> None:
    extra = plot.account.secret(secret.arn)
    if "accessed" in options:
        extra.accessed[plot.region] = _day(plot, options["accessed"])
    if "deletion_in" in options:
        secret.deleted_date = (plot.now + options["deletion_in"]).timestamp()
    if "changed" in options:
        secret.last_changed_date = int(plot.ago(options["changed"]).timestamp())


def _day(plot: Plot, age: timedelta) -> datetime:
    """The day of a last access: Secrets Manager keeps no time of day."""
    return plot.ago(age).replace(hour=0, minute=0, second=0, microsecond=0)


def _plant_replica(plot: Plot, item: Seed) -> FakeSecret:
    """The secret lives in another region of the account; here stands its replica."""
    primary = Plot(plot.cloud, plot.key, plot.account_id, str(item.options["replica_of"]))
    found = store(primary.account_id, primary.region).get(item.name)
    source = found if isinstance(found, FakeSecret) else _plant(primary, item)
    facts = {k: item.options[k] for k in ("status", "message", "replica_kms") if k in item.options}
    _add_replicas(primary, source, {plot.region: {**facts, "kms": facts.get("replica_kms")}})
    if "accessed" in item.options:
        plot.account.secret(source.arn).accessed[plot.region] = _day(plot, item.options["accessed"])
    return source


def _add_replicas(plot: Plot, secret: FakeSecret, replicas: Mapping[str, Mapping[str, Any]]) -> None:
    extra = plot.account.secret(secret.arn)
    for region, facts in replicas.items():
        status = str(facts.get("status", "InSync"))
        message = str(facts.get("message", ""))
        replica = ReplicaSecret(secret, region, status, message or None)
        secret.replicas.append(replica)
        key = kms_key(Plot(plot.cloud, plot.key, plot.account_id, region), facts.get("kms"))
        if key is not None:
            extra.replica_keys[region] = key
        if status != "Failed":
            store(plot.account_id, region)[replica.arn] = replica


class _PlainParameter(Parameter):
    """Moto leaves CloudFormation's methods abstract in its own parameter; nothing here is made by CloudFormation."""

    has_cfn_attr = is_created = None  # type: ignore[assignment]


def seed_parameter(plot: Plot, item: Seed) -> str:
    """Plant a SecureString parameter; options: ``kms``, ``tier``, ``versions``, ``denied``."""
    options = item.options
    backend = ssm_backends[plot.account_id][plot.region]
    created = plot.ago(item.created)
    modified = created if item.rotated is None else plot.ago(item.rotated)
    count = int(options.get("versions", 1 if item.rotated is None else 2))
    policies = None
    if item.expires is not None:
        stamp = (plot.now + item.expires).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        policies = json.dumps([{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": stamp}}])
    value = _value(item)
    for version in range(1, count + 1):
        backend._parameters[item.name].append(  # noqa: SLF001 - moto has no other way to write a past date
            _PlainParameter(
                account_id=plot.account_id,
                name=item.name,
                value=value if isinstance(value, str) else value.decode(),
                parameter_type="SecureString",
                description=options.get("description"),
                allowed_pattern=None,
                keyid=kms_key(plot, options.get("kms")) if version == count else None,
                last_modified_date=naive(modified if version == count else created),
                version=version,
                data_type="text",
                tier=str(options.get("tier", "Advanced" if policies else "Standard")),
                policies=policies,
            )
        )
    tags = {tag["Key"]: tag["Value"] for tag in tags_of(item)}
    backend.add_tags_to_resource("Parameter", item.name, tags)
    return f"parameter/{item.name}"
