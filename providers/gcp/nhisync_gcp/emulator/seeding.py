"""Planting: provider-neutral seeds become resources with a past."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nhisync.testing.world import Seed
from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.crc32c import crc32c
from nhisync_gcp.emulator.secret_store import Place, SecretMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where and when something is planted.

    Attributes:
        cloud: the state.
        project: id of the project.
        seed: what.
        now: the services' time.
    """

    cloud: Cloud
    project: str
    seed: Seed
    now: datetime


def seed_secret(plot: Plot) -> str:
    """``secret``: ``NAME`` is global, ``LOCATION/NAME`` regional."""
    seed = plot.seed
    location, _, secret_id = seed.name.rpartition("/")
    message = SecretMessage(labels=dict(seed.tags))
    if not location:
        message.replication.automatic.SetInParent()
    if seed.owner:
        message.labels["owner"] = seed.owner
    store = plot.cloud.secrets
    created = plot.now - seed.created
    secret = store.create(Place(plot.project, location), secret_id, message, created)
    payload = next(iter(seed.fields.values()), "").encode()
    store.add_version(secret, payload, crc32c(payload), created)
    if seed.rotated is not None:
        store.add_version(secret, payload, crc32c(payload), plot.now - seed.rotated)
    return f"secret/{seed.name}"


SEEDERS: Final[dict[str, Callable[[Plot], str]]] = {"secret": seed_secret}
