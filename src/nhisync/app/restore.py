"""`nhisync store restore`: what was published goes before the store does, so no kill leaves an old word in force."""

from pathlib import Path

from nhisync.app.publish import retract
from nhisync.clock import Clock, Randomness
from nhisync.config import Configuration
from nhisync.errors import StoreError
from nhisync.store import Restored, Step, Told, restore, untold


def restore_store(
    configuration: Configuration,
    file: Path | None,
    *,
    clock: Clock,
    randomness: Randomness,
    actor: str,
    tell: Told = untold,
) -> Restored:
    """Take back what is published, then put the backup `file` in the store's place (PostgreSQL: None).

    A restore that is refused takes nothing back.

    Args:
        configuration: whose store and publication it is.
        file: the backup.
        clock: the only time.
        randomness: the only randomness.
        actor: who restores, for the audit trail.
        tell: told every step, after what belongs to it was done.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: the publication stands and cannot be removed; or see `nhisync.store.restore`.
    """

    def step(reached: Step) -> None:
        if reached is Step.REPLACING:
            _take_back(configuration.publish.snapshot)
        tell(reached)

    places = [(app.name, path) for app in configuration.apps for path in app.backups]
    return restore(
        configuration.store_url, file, clock=clock, randomness=randomness, actor=actor, places=places, tell=step
    )


def _take_back(publication: Path) -> None:
    """Remove what was published from the store: its file would open the gate until its valid_until.

    Raises:
        StoreError: the file stands and cannot be removed.
    """
    try:
        retract(publication)
    except FileNotFoundError:
        return  # not even its folder stands
    except OSError as failure:
        raise StoreError(
            f"nothing was restored: what is published cannot be taken back: {failure.strerror}",
            fix=f"Remove {publication}, then restore: until it ends, it says what the replaced store knew.",
        ) from None
