"""Where seeds are planted, and what all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nhisync.testing.world import Seed
from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.secret_checks import is_label


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

    @property
    def created(self) -> datetime:
        """When the item was made."""
        return self.now - self.seed.created

    @property
    def changed(self) -> datetime:
        """When its current generation was made."""
        return self.created if self.seed.rotated is None else self.now - self.seed.rotated

    def end(self, default: timedelta) -> datetime:
        """When its current generation ends."""
        return self.now + (default if self.seed.expires is None else self.seed.expires)

    @property
    def options(self) -> Mapping[str, Any]:
        """The seed's options."""
        return self.seed.options


@dataclass(frozen=True, slots=True)
class Planted:
    """What a seed became.

    Attributes:
        locator: ``<kind>/<name>``.
        resource: as policies and denials name it.
    """

    locator: str
    resource: str


def put_tags(message: Any, seed: Seed) -> None:
    """Owner and tags: as labels where Google's rules for labels allow it, else as annotations, which not all have.

    A colon, which no annotation's key may hold, becomes a hyphen (``nhisync:name`` → ``nhisync-name``).
    """
    tags = {**({"owner": seed.owner} if seed.owner else {}), **seed.tags}
    for key, value in tags.items():
        if is_label(key, 1) and is_label(value, 0):
            message.labels[key] = value
        elif hasattr(message, "annotations"):
            message.annotations[key.replace(":", "-")] = value
