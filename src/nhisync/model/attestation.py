"""What nhisync cannot observe itself, said by somebody who can: capacity, patch level, data lag, restores."""

from dataclasses import dataclass
from datetime import datetime

ON_CALL = "on-call"
"""The kind that needs no tier to ask: somebody says "not ready", and it counts until somebody says otherwise."""


SESSION_STATE = "session-state"
"""The kind that answers for an app's sessions where no pair can: they stand in a store that both paths reach."""

CONSUMER = "consumer"
"""The kind that says which generation a consumer of a pair has loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One claim about one path of one app, and who answers for it.

    Attributes:
        app: the app's name.
        path: name of the path it speaks about.
        kind: what was looked at (``capacity-test``, ``patch-level``, ``data-lag``, ``backup-restore`` …).
        holds: whether what was looked at is as it must be.
        observed_at: when somebody looked, aware UTC; its age counts from here, not from when it was recorded.
        attested_by: who looked.
        evidence: where the proof is (a URL, a ticket), or "".
        number: its number in the store, 0 = not stored.
        pair: of kind `CONSUMER` the pair whose credential is used, else "".
        consumer: of kind `CONSUMER` the workload that uses it, else "".
        generation: of kind `CONSUMER` the version id that the workload has loaded, else "".
    """

    app: str
    path: str
    kind: str
    holds: bool
    observed_at: datetime
    attested_by: str
    evidence: str = ""
    number: int = 0
    pair: str = ""
    consumer: str = ""
    generation: str = ""
