"""`nhisync store accept`: a person confirms that the items of a sweep which shrank were really removed."""

from dataclasses import dataclass

from nhisync.app.session import Session
from nhisync.errors import GuardError, StoreError, UsageError
from nhisync.model import Coverage, CoverageStatus
from nhisync.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What a person says about a sweep.

    Attributes:
        path: path name.
        source: source name.
        kind: kind of its items.
        scope: mount, folder or region; None = the only one that shrank.
        items: how many items are left, as the person saw them.
        approved_by: who vouches for the removal.
        reason: why the items are gone.
    """

    path: str
    source: str
    kind: str
    items: int
    approved_by: str
    reason: str
    scope: str | None = None


def accept(session: Session, wanted: Acceptance, *, actor: str) -> Coverage:
    """Believe the sweep that `wanted` names; returns it as it was stored.

    Raises:
        UsageError: no such sweep shrank, several did, or who and why are missing.
        GuardError: ``sweep``: the sweep holds another number of items; ``lock``: another process writes to the store.
        StoreError: the store cannot be written.
    """
    if not wanted.reason.strip() or not wanted.approved_by.strip():
        raise UsageError("accepting needs a reason and somebody who vouches for it", fix="--reason, --approved-by")
    url, clock, randomness = session.configuration.store_url, session.clock, session.randomness
    try:
        store = Store.open(url, clock=clock, randomness=randomness, purpose="nhisync store accept")
    except StoreError as failure:
        raise StoreError(f"nothing was accepted: {failure.message}", fix=failure.fix) from None
    with store:
        with store.reader() as reader:
            entry = _held_back(reader.coverage(wanted.path), wanted)
        if entry.items != wanted.items or not store.accept_sweep(
            wanted.path, entry, actor=actor, approved_by=wanted.approved_by, reason=wanted.reason
        ):
            raise GuardError(
                "sweep",
                f"the sweep of {_place(entry)} held {entry.items} items, not {wanted.items}",
                fix=f"Look again: nhisync inventory {wanted.path}",
            )
    return entry


def _held_back(coverage: tuple[Coverage, ...], wanted: Acceptance) -> Coverage:
    """The one sweep that shrank and that `wanted` names."""
    shrunk = [entry for entry in coverage if entry.status is CoverageStatus.SHRUNK]
    named = [entry for entry in shrunk if (entry.source, entry.kind) == (wanted.source, wanted.kind)]
    found = [entry for entry in named if wanted.scope in {None, entry.scope}]
    if len(found) == 1:
        return found[0]
    if found:
        fix = f"Name one with --scope: {', '.join(entry.scope for entry in found)}."
        raise UsageError(f"{len(found)} sweeps of {wanted.source} {wanted.kind} shrank", fix=fix)
    have = "; ".join(f"{_place(entry)}: {entry.items} items" for entry in shrunk) or "none"
    said = f"no sweep of {wanted.source} {wanted.kind} on {wanted.path} shrank"
    raise UsageError(said, fix=f"Held back there: {have}.")


def _place(entry: Coverage) -> str:
    return " ".join(part for part in (entry.source, entry.kind, entry.scope) if part)
