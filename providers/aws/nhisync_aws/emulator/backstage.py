"""The running world behind `AwsWorld`: the only module of the emulator that the world imports, and only at start."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from nhisync.spi import Clock, Locator, Randomness
from nhisync.testing.world import Seed
from nhisync_aws.emulator import (
    acm_import,
    acm_lifecycle,
    acm_overlay,
    acm_search,
    audit_reports,
    forwarded,
    iam_overlay,
    iam_writes,
    keys,
    keys_cryptography,
    keys_overlay,
    last_accessed,
    parameters_overlay,
    private_ca_overlay,
    replicas_overlay,
    roles_anywhere,
    rotation_overlay,
    secret_policies_overlay,
    secret_values_overlay,
    secret_writes_overlay,
    secrets_overlay,
    service_credentials_overlay,
    simulation,
    trails_overlay,
)
from nhisync_aws.emulator.auth import PARTITION, iam
from nhisync_aws.emulator.authority import pem
from nhisync_aws.emulator.cloud import Cloud
from nhisync_aws.emulator.faults import SourceKey
from nhisync_aws.emulator.rotation_function import Deployed, RotationFunction, TemplateFunction
from nhisync_aws.emulator.secrets_overlay import snapshot
from nhisync_aws.emulator.seed_certificates import seed_certificate, seed_server_certificate
from nhisync_aws.emulator.seed_iam import seed_access_key, seed_role, seed_service_credential
from nhisync_aws.emulator.seed_secrets import seed_parameter, seed_secret
from nhisync_aws.emulator.seeding import Plot
from nhisync_aws.emulator.server import EmulatorServer

_SEEDERS: Mapping[str, Callable[[Plot, Seed], str]] = {
    "secret": seed_secret,
    "access-key": seed_access_key,
    "role": seed_role,
    "service-credential": seed_service_credential,
    "server-certificate": seed_server_certificate,
    "certificate": seed_certificate,
    "parameter": seed_parameter,
}


class Backstage:
    """One cloud and its server."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        handlers = {
            **secrets_overlay.HANDLERS,
            **secret_values_overlay.HANDLERS,
            **secret_writes_overlay.HANDLERS,
            **secret_policies_overlay.HANDLERS,
            **replicas_overlay.HANDLERS,
            **rotation_overlay.HANDLERS,
            **iam_overlay.HANDLERS,
            **iam_writes.HANDLERS,
            **service_credentials_overlay.HANDLERS,
            **simulation.HANDLERS,
            **last_accessed.HANDLERS,
            **acm_overlay.HANDLERS,
            **acm_import.HANDLERS,
            **acm_lifecycle.HANDLERS,
            **acm_search.HANDLERS,
            **private_ca_overlay.HANDLERS,
            **audit_reports.HANDLERS,
            **roles_anywhere.HANDLERS,
            **keys_overlay.HANDLERS,
            **keys_cryptography.HANDLERS,
            **parameters_overlay.HANDLERS,
            **trails_overlay.HANDLERS,
        }
        self.cloud = Cloud(clock, randomness, handlers, {**forwarded.CHECKS, **keys.CHECKS})
        self._server = EmulatorServer(self.cloud)
        self._server.start()
        self._hub = ""

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self._server.url

    @property
    def roots(self) -> str:
        """PEM of the roots that clients of the world's certificates trust."""
        return pem(self.cloud.authorities.root.certificate)

    def stop(self) -> None:
        """Close the server, then drop the state."""
        self._server.stop()
        self.cloud.close()

    def trail(self, account: str, region: str, options: Mapping[str, Any]) -> None:
        """Plant a trail."""
        with self.cloud.lock:
            trails_overlay.plant_trail(self.cloud.account(account), region, options)

    def seed(self, key: SourceKey, account: str, region: str, item: Seed) -> str:
        """Plant one credential.

        Raises:
            ValueError: no such kind.
        """
        seeder = _SEEDERS.get(item.kind)
        if seeder is None:
            raise ValueError(f"the AWS world has no kind {item.kind!r}; it has {', '.join(sorted(_SEEDERS))}")
        with self.cloud.lock:
            self.cloud.account(account)
            return seeder(Plot(self.cloud, key, account, region), item)

    def deploy(self, account: str, region: str, name: str, function: RotationFunction | None, seconds: float) -> str:
        """Deploy a rotation function and return its ARN; without code it does what AWS's template does."""
        arn = f"arn:{PARTITION}:lambda:{region}:{account}:function:{name}"
        with self.cloud.lock:
            run = function or TemplateFunction(self.cloud.randomness)
            self.cloud.account(account).functions[arn] = Deployed(run, seconds)
        return arn

    def fault(self, key: SourceKey, account: str, region: str, name: str, options: dict[str, Any]) -> None:
        """Switch a fault; a lagging list keeps the state of this moment."""
        if name == "list_lag":
            with self.cloud.lock:
                lagging = None if options.get("off") else snapshot(self.cloud, account, region)
                self.cloud.snapshots[key] = lagging
        self.cloud.faults.switch(key, name, **options)

    def hub_account(self, new_account: Callable[[], str]) -> str:
        """Nhisync's own account, made on first use."""
        if not self._hub:
            self._hub = new_account()
            self.cloud.account(self._hub)
        return self._hub

    def everything(self, key: SourceKey) -> tuple[Locator, ...]:
        """Locators that stand for every item whose value may be compared."""
        return (Locator(key.source, "secret", "*"), Locator(key.source, "parameter", "*"))

    def user_with_keys(self, key: SourceKey, account: str, name: str, policy: Mapping[str, Any]) -> tuple[str, str]:
        """An IAM user with one key and one policy; returns the key pair."""
        with self.cloud.lock:
            self.cloud.account(account)
            backend = iam(account)
            user_name = f"{name}-{key.path}-{key.source}"
            backend.create_user("us-east-1", user_name).put_policy("nhisync", json.dumps(policy))
            pair = backend.create_access_key(user_name=user_name)
            self.cloud.owners[pair.access_key_id] = key
            return pair.access_key_id, pair.secret_access_key

    def role_for_user(
        self, key: SourceKey, hub: str, account: str, role: str, policy: Mapping[str, Any], external_id: str | None
    ) -> tuple[str, tuple[str, str]]:
        """A role in `account` that a user of the hub account may assume; returns its ARN and the user's keys."""
        arn = f"arn:{PARTITION}:iam::{account}:role/{role}"
        may_assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}
        keys = self.user_with_keys(key, hub, "nhisync", {"Version": "2012-10-17", "Statement": [may_assume]})
        user = f"arn:{PARTITION}:iam::{hub}:user/nhisync-{key.path}-{key.source}"
        trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
        if external_id:
            trust["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
        self._role(account, role, trust, policy)
        return arn, keys

    def role_for_token(self, key: SourceKey, account: str, role: str, policy: Mapping[str, Any]) -> tuple[str, str]:
        """A role that the bearer of a token may assume; returns its ARN and the token."""
        provider = f"arn:{PARTITION}:iam::{account}:oidc-provider/oidc.example"
        action = "sts:AssumeRoleWithWebIdentity"
        self._role(account, role, {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action}, policy)
        token = self.cloud.randomness.hex(32)
        with self.cloud.lock:
            self.cloud.web_tokens[token] = key
        return f"arn:{PARTITION}:iam::{account}:role/{role}", token

    def _role(self, account: str, name: str, trust: Mapping[str, Any], policy: Mapping[str, Any]) -> None:
        with self.cloud.lock:
            self.cloud.account(account)
            role = iam(account).create_role(
                role_name=name,
                assume_role_policy_document=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
                path="/",
                permissions_boundary=None,
                description="nhisync's own role",
                tags=[],
                max_session_duration="3600",
            )
            role.put_policy("nhisync", json.dumps(policy))
