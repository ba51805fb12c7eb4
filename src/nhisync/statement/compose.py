"""From verdicts to signals. The readiness machine (damping, failback, pins) will stand between the two; not yet.

Until it does, an app's state follows from its verdicts alone: STANDBY or STANDBY_BLOCKED, never anything beyond.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from nhisync.model import App, Verdict, Word
from nhisync.statement.publication import Role, Signal, SignalState


def compose(
    apps: Iterable[App], verdicts: Iterable[Verdict], now: datetime, max_age: Mapping[str, timedelta]
) -> tuple[Signal, ...]:
    """One signal per app and path.

    The primary's signal is open as long as evaluations take place: a parity finding or ignorance about the primary
    never starts a failover (external contract, section 5). A backup without a verdict is blocked; an app without any
    verdict is blocked on both paths.

    Args:
        apps: the configured apps.
        verdicts: at most one per app and backup path.
        now: the instant of the assessment, for paths that were not judged.
        max_age: tier name → how long an evaluation is believed.
    """
    judged = {(verdict.app, verdict.path): verdict for verdict in verdicts}
    signals: list[Signal] = []
    for app in apps:
        mine = [judged[app.name, path] for path in app.backups if (app.name, path) in judged]
        signals.append(_primary(app, mine, max_age[app.tier]) if mine else _init(app, app.primary, now, max_age))
        for path in app.backups:
            verdict = judged.get((app.name, path))
            signals.append(_init(app, path, now, max_age) if verdict is None else _backup(verdict))
    return tuple(signals)


def blocked(apps: Iterable[App], now: datetime, max_age: Mapping[str, timedelta]) -> tuple[Signal, ...]:
    """The signals of a sync process that has not evaluated yet: INIT, both paths blocked."""
    return compose(apps, (), now, max_age)


def _init(app: App, path: str, now: datetime, max_age: Mapping[str, timedelta]) -> Signal:
    return Signal(
        app=app.name,
        path=path,
        role=Role.PRIMARY if path == app.primary else Role.BACKUP,
        tier=app.tier,
        mode=app.mode,
        word=Word.UNKNOWN,
        state=SignalState.INIT,
        evaluated_at=now,
        valid_until=now + max_age[app.tier],
        blocks=("UNKNOWN",),
    )


def _primary(app: App, verdicts: Sequence[Verdict], max_age: timedelta) -> Signal:
    oldest = min(verdict.evaluated_at for verdict in verdicts)
    return Signal(
        app=app.name,
        path=app.primary,
        role=Role.PRIMARY,
        tier=app.tier,
        mode=app.mode,
        word=Word.READY,
        state=_state(any(verdict.word is Word.READY for verdict in verdicts)),
        evaluated_at=oldest,
        valid_until=oldest + max_age,
    )


def _backup(verdict: Verdict) -> Signal:
    return Signal(
        app=verdict.app,
        path=verdict.path,
        role=Role.BACKUP,
        tier=verdict.tier,
        mode=verdict.mode,
        word=verdict.word,
        state=_state(verdict.word is Word.READY),
        evaluated_at=verdict.evaluated_at,
        valid_until=verdict.valid_until,
        blocks=verdict.blocks,
    )


def _state(ready: bool) -> SignalState:
    return SignalState.STANDBY if ready else SignalState.STANDBY_BLOCKED
