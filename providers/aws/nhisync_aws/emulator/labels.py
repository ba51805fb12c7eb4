"""Staging labels: each on one version at most, AWSPREVIOUS where AWSCURRENT was.

Source: Secrets Manager API, UpdateSecretVersionStage. moto moves labels by three ways that disagree, and ends with two
versions labelled AWSCURRENT.
"""

from typing import Any

from moto.secretsmanager.models import FakeSecret

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


def holder(secret: FakeSecret, label: str) -> str | None:
    """Id of the version that holds `label`."""
    return next((key for key, version in secret.versions.items() if label in version["version_stages"]), None)


def attach(secret: FakeSecret, label: str, version_id: str) -> None:
    """Put `label` on one version and take it from every other."""
    before = holder(secret, label)
    if before == version_id:
        return
    detach(secret, label)
    stages = secret.versions[version_id]["version_stages"]
    secret.versions[version_id]["version_stages"] = sorted({*stages, label})
    if label != CURRENT:
        return
    secret.set_default_version_id(version_id)
    if before is not None:
        _retire(secret, before)


def detach(secret: FakeSecret, label: str) -> None:
    """Take `label` from the version that holds it."""
    for version in secret.versions.values():
        version["version_stages"] = [one for one in version["version_stages"] if one != label]


def new_version(secret: FakeSecret, version_id: str, created: float) -> dict[str, Any]:
    """Add a version without label and without value; `created` in seconds since the epoch."""
    version: dict[str, Any] = {"createdate": created, "version_id": version_id, "version_stages": []}
    secret.versions[version_id] = version
    return version


def in_progress(secret: FakeSecret) -> bool:
    """Whether AWSPENDING dangles on a version that is not current (API, RotateSecret)."""
    pending = holder(secret, PENDING)
    return pending is not None and pending != holder(secret, CURRENT)


def _retire(secret: FakeSecret, version_id: str) -> None:
    """What was current is previous; an AWSPENDING that a finished rotation left on it goes, as the service does it."""
    attach(secret, PREVIOUS, version_id)
    version = secret.versions[version_id]
    version["version_stages"] = [one for one in version["version_stages"] if one != PENDING]
