"""What a person said against a path, before a cycle has judged it: it blocks, and can open nothing (pure)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nhisync.model import Attestation, Word
from nhisync.statement.codec import StatementError
from nhisync.statement.publication import Publication, Role, Signal, SignalState

VERSION = "1.0"
"""Of the document; a reader refuses any other."""

_TEXTS = ("app", "path", "kind", "attested_by", "evidence", "actor")
_BLOCK = "ATTESTATION"


@dataclass(frozen=True, slots=True)
class Objection:
    """Somebody found something unfit, and no cycle knows of it yet.

    Attributes:
        attestation: what does not hold.
        actor: who said so at the command line, for the audit trail.
    """

    attestation: Attestation
    actor: str


@dataclass(frozen=True, slots=True)
class Against:
    """Which backups are objected to.

    Attributes:
        places: (app, path).
        everything: somebody objected and nobody can read to what.
    """

    places: frozenset[tuple[str, str]] = frozenset()
    everything: bool = False

    @classmethod
    def of(cls, objections: Iterable[Objection], *, everything: bool = False) -> "Against":
        """The places that `objections` speak about."""
        said = (one.attestation for one in objections)
        return cls(frozenset((one.app, one.path) for one in said), everything)

    def __or__(self, other: "Against") -> "Against":
        """Both together."""
        return Against(self.places | other.places, self.everything or other.everything)

    def __str__(self) -> str:
        """For the log."""
        return "every backup" if self.everything else ", ".join(sorted(f"{app}/{path}" for app, path in self.places))


def restricted(publication: Publication, against: Against) -> Publication:
    """`publication`, with the signals of backups that are objected to as not ready; no signal is opened."""
    if not against.places and not against.everything:
        return publication
    return replace(publication, signals=tuple(_restricted(signal, against) for signal in publication.signals))


def _restricted(signal: Signal, against: Against) -> Signal:
    meant = against.everything or (signal.app, signal.path) in against.places
    if signal.role is not Role.BACKUP or not meant:
        return signal
    state = SignalState.INIT if signal.state is SignalState.INIT else SignalState.STANDBY_BLOCKED
    others = (word for word in signal.blocks if word != _BLOCK)
    return replace(signal, word=Word.NOT_READY, state=state, blocks=(_BLOCK, *others)[:5])


def written(objection: Objection) -> bytes:
    """The document of `objection`, one line of JSON."""
    said = objection.attestation
    document = {name: getattr(said, name) for name in _TEXTS[:-1]}
    document |= {"version": VERSION, "actor": objection.actor, "observed_at": said.observed_at.isoformat()}
    return json.dumps(document, sort_keys=True).encode("ascii") + b"\n"


def objection_in(data: bytes) -> Objection:
    """What `data` says.

    Raises:
        StatementError: it is no objection of this version.
    """
    try:
        document = json.loads(data)
        texts = {name: document[name] for name in _TEXTS}
        observed = datetime.fromisoformat(document["observed_at"]).astimezone(UTC)
        sound = document["version"] == VERSION and all(isinstance(text, str) for text in texts.values())
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        sound = False
    if not sound:
        raise StatementError("it is no objection that this version can read")
    actor = texts.pop("actor")
    return Objection(Attestation(holds=False, observed_at=observed, **texts), actor)
