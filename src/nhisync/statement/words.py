"""One attestation as a document of texts, for the files that carry it to the process that keeps the store (pure)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nhisync.model import Attestation
from nhisync.statement.codec import StatementError

_TEXTS = ("app", "path", "kind", "attested_by", "evidence")
_SUBJECT = ("pair", "consumer", "generation")


def document_of(said: Attestation) -> dict[str, Any]:
    """The members of `said`; `attestation_in` reads them back."""
    document: dict[str, Any] = {name: getattr(said, name) for name in _TEXTS}
    document |= {name: getattr(said, name) for name in _SUBJECT if getattr(said, name)}
    return document | {"holds": said.holds, "observed_at": said.observed_at.isoformat()}


def attestation_in(document: Mapping[str, Any]) -> Attestation:
    """What `document` says.

    Raises:
        StatementError: it says no attestation.
    """
    try:
        texts = {name: document[name] for name in _TEXTS} | {name: document.get(name, "") for name in _SUBJECT}
        observed = datetime.fromisoformat(document["observed_at"]).astimezone(UTC)
        holds = document["holds"]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise StatementError("it is no attestation that this version can read") from None
    if not isinstance(holds, bool) or not all(isinstance(text, str) for text in texts.values()):
        raise StatementError("it is no attestation that this version can read")
    return Attestation(holds=holds, observed_at=observed, **texts)
