"""Seeds of kinds ``access-key``, ``role`` and ``service-credential``."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from moto.iam.models import AccessKeyLastUsed, User

from nhisync.testing.world import Seed
from nhisync_aws.emulator.auth import PARTITION, iam
from nhisync_aws.emulator.cloud import ServiceCredential, naive
from nhisync_aws.emulator.seeding import Plot, tags_of


def seed_access_key(plot: Plot, item: Seed) -> str:
    """Plant an IAM user with keys.

    Option ``policies`` (name → document): the user's inline policies.
    Without options one active key as old as the seed's current generation. Option ``keys``: a list of
    ``{age, status, used, service, region}``; option ``used``: age of the last use of the one key, None = never used.
    A user who exists already in the account is left as is: the same identity reached from two regions.
    """
    if item.name not in iam(plot.account_id).users:
        user = _user(plot, item)
        age = item.created if item.rotated is None else item.rotated
        default = {"age": age, "used": item.options.get("used", timedelta(hours=3))}
        for facts in _sequence(item.options.get("keys", [default])):
            _key(plot, user, facts)
        for name, document in dict(item.options.get("policies", {})).items():
            user.put_policy(name, json.dumps(document))
    return f"access-key/{item.name}"


def seed_role(plot: Plot, item: Seed) -> str:
    """Plant a role; options: ``trust`` and ``boundary`` (documents), ``used`` (age), ``max_session`` (seconds)."""
    options = item.options
    backend = iam(plot.account_id)
    boundary = None
    if "boundary" in options:
        policy = backend.create_policy("boundary", "/", json.dumps(options["boundary"]), f"{item.name}-boundary", [])
        boundary = policy.arn
    trust = options.get("trust", _service_trust("ec2.amazonaws.com"))
    role = backend.create_role(
        role_name=item.name,
        assume_role_policy_document=json.dumps(trust),
        path=str(options.get("path", "/")),
        permissions_boundary=boundary,
        description=str(options.get("description", "")),
        tags=tags_of(item),
        max_session_duration=str(options.get("max_session", 3600)),
    )
    role.create_date = naive(plot.ago(item.created))
    used: timedelta | None = options.get("used", timedelta(hours=3))
    if used is not None:
        role.last_used, role.last_used_region = naive(plot.ago(used)), plot.region  # type: ignore[assignment]
    for name, document in dict(options.get("policies", {})).items():
        role.put_policy(name, json.dumps(document))
    return f"role/{item.name}"


def seed_service_credential(plot: Plot, item: Seed) -> str:
    """Plant a service-specific credential; the name is ``<service>/<user>``.

    Options: ``status``, ``count`` (2 = overlap: the second is as old as the seed's current generation).
    """
    service, _, user_name = item.name.partition("/")
    if not user_name:
        raise ValueError("a service-credential seed is named <service>/<user>")
    if user_name not in iam(plot.account_id).users:
        named = Seed(kind=item.kind, name=user_name, created=item.created, owner=item.owner, tags=item.tags)
        _user(plot, named)
    count = int(item.options.get("count", 1))
    over = item.expires is not None and item.expires < timedelta()
    for index in range(count):
        newest = index == count - 1
        age = item.rotated if newest and item.rotated is not None else item.created
        credential = ServiceCredential(
            id="ACCA" + plot.cloud.randomness.hex(8).upper(),
            user=user_name,
            service=service,
            service_user=f"{user_name}-at-{plot.account_id}",
            created=plot.ago(age),
            status=str(item.options.get("status", "Expired" if over else "Active")),
            expires=None if item.expires is None else plot.now + item.expires,
            password=next(iter(item.fields.values()), plot.cloud.randomness.hex(16)),
        )
        plot.account.service_credentials[credential.id] = credential
    return f"service-credential/{item.name}"


def _user(plot: Plot, item: Seed) -> User:
    user = iam(plot.account_id).create_user(
        plot.region, item.name, path=str(item.options.get("path", "/")), tags=tags_of(item)
    )
    user.create_date = naive(plot.ago(item.created))
    return user


def _key(plot: Plot, user: User, facts: Mapping[str, Any]) -> None:
    backend = iam(plot.account_id)
    key = backend.create_access_key(user_name=user.name)
    key.create_date = naive(plot.ago(facts["age"]))
    key.status = str(facts.get("status", "Active"))
    if "id" in facts:
        backend.access_keys.pop(key.access_key_id)
        key.access_key_id = str(facts["id"])
        backend.access_keys[key.access_key_id] = key
    used: timedelta | None = facts.get("used")
    if used is not None:
        service, region = str(facts.get("service", "s3")), str(facts.get("region", plot.region))
        key.last_used = AccessKeyLastUsed(naive(plot.ago(used)), service, region)


def _service_trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def account_root(account: str) -> str:
    """ARN by which trust policies name a whole account."""
    return f"arn:{PARTITION}:iam::{account}:root"


def _sequence(value: Any) -> Sequence[Mapping[str, Any]]:
    return list(value)
