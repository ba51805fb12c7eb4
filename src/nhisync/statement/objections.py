"""What a person said against a path, before a cycle has judged it: it blocks, and can open nothing (pure)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from nhisync.model import Attestation, Word
from nhisync.statement.codec import StatementError
from nhisync.statement.publication import Publication, Role, Signal, SignalState
from nhisync.statement.words import attestation_in, document_of

VERSION = "1.0"
"""Of the document; a reader refuses any other."""

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
    document = document_of(objection.attestation) | {"version": VERSION, "actor": objection.actor}
    return json.dumps(document, sort_keys=True).encode("ascii") + b"\n"


def objection_in(data: bytes) -> Objection:
    """What `data` says; it never holds, whatever the document claims.

    Raises:
        StatementError: it is no objection of this version.
    """
    try:
        document = json.loads(data)
        said = attestation_in({**document, "holds": False})
        sound = document["version"] == VERSION and isinstance(document["actor"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise StatementError("it is no objection that this version can read")
    return Objection(said, document["actor"])
