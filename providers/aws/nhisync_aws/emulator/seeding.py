"""What all seeds share: where they are planted, how dates become past, keys of KMS, tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.kms.models import Key, kms_backends

from nhisync.testing.world import Seed
from nhisync_aws.emulator.auth import PARTITION
from nhisync_aws.emulator.cloud import Account, Cloud, KeyRotation, naive
from nhisync_aws.emulator.faults import SourceKey
from nhisync_aws.emulator.rotation_function import Deployed, TemplateFunction

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Plot:
    """Where a seed goes: one account and region of the emulated cloud."""

    cloud: Cloud
    key: SourceKey
    account_id: str
    region: str

    @property
    def account(self) -> Account:
        """The account's extra state."""
        return self.cloud.account(self.account_id)

    @property
    def now(self) -> datetime:
        """The world's instant, aware."""
        return self.cloud.clock.now()

    def ago(self, age: timedelta) -> datetime:
        """The instant that lies `age` in the past."""
        return self.now - age

    def function_arn(self, name: str, region: str | None = None) -> str:
        """ARN of a rotation function."""
        return f"arn:{PARTITION}:lambda:{region or self.region}:{self.account_id}:function:{name}"

    def template_function(self) -> Deployed:
        """A rotation function that does what AWS's template does."""
        return Deployed(TemplateFunction(self.cloud.randomness))


def version_id(plot: Plot) -> str:
    """A version id in the form that Secrets Manager gives out."""
    text = plot.cloud.randomness.hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def tags_of(item: Seed) -> list[dict[str, str]]:
    """The seed's tags with its owner, in AWS's list form."""
    tags = dict(item.tags)
    if item.owner is not None:
        tags.setdefault("owner", item.owner)
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def kms_key(plot: Plot, options: Mapping[str, Any] | None) -> str | None:
    """Make the KMS key that `options` describe and return its ARN; None = the service's own default key.

    Options: ``region``, ``multi_region`` (bool), ``state`` (``Enabled``, ``Disabled``, ``PendingDeletion`` …),
    ``origin``, ``alias``, ``rotation_in`` (timedelta until the key's next rotation).
    """
    if options is None:
        return None
    region = str(options.get("region", plot.region))
    backend = kms_backends[plot.account_id][region]
    key: Key = backend.create_key(
        policy=None,
        key_usage="ENCRYPT_DECRYPT",
        key_spec="SYMMETRIC_DEFAULT",
        description="seeded",
        tags=None,
        multi_region=bool(options.get("multi_region", False)),
        origin=str(options.get("origin", "AWS_KMS")),
    )
    key.key_state = str(options.get("state", "Enabled"))
    key.enabled = key.key_state == "Enabled"
    key.creation_date = plot.ago(YEAR).timestamp()
    if key.key_state == "PendingDeletion":
        key.deletion_date = naive(plot.now + timedelta(days=7))
    if "rotation_in" in options:
        key.key_rotation_status = True
        plot.account.key_rotation[key.arn] = KeyRotation(YEAR.days, plot.now + options["rotation_in"])
    if "alias" in options:
        backend.create_alias(key.id, f"alias/{options['alias']}")
    return str(key.arn)
