"""Words for the process that keeps the store: what the operator listener accepted, until the next cycle records it.

The folder stands beside the publication, and its files count by who owns them: whoever may write there as nhisync's
user could as well write the publication. What does not hold is not laid here but said as an objection, which blocks at
once (`nhisync.app.objections`).
"""

import json
import os
from pathlib import Path
from typing import Final

from nhisync.app.attest import accepted
from nhisync.app.folders import own, put
from nhisync.app.objections import say
from nhisync.app.session import Session
from nhisync.errors import StoreError, UsageError, fix_of_write
from nhisync.model import Attestation
from nhisync.statement import Objection, StatementError, attestation_in, document_of

SUFFIX: Final = ".json"
VERSION: Final = "1.0"
"""Of the document; a reader refuses any other."""

MOST: Final = 1000
"""Words that wait at once; nobody takes more until a cycle did."""


def folder_of(publication: Path) -> Path:
    """Where words wait for the process that writes the file `publication`."""
    return publication.with_name(f"{publication.name}.words")


def deliver(session: Session, claim: Attestation, *, actor: str) -> Attestation:
    """Tell the process that keeps the store; returns the attestation as it will be recorded, durable by then.

    What does not hold is heard by the listener at once, everything else counts from the next cycle.

    Raises:
        UsageError: it is not asked for, or not sound (`nhisync.app.attest.accepted`).
        StoreError: it cannot be written, or too many words wait already; nothing was said.
    """
    claim = accepted(session, claim)
    publication, name = session.configuration.publish.snapshot, f"{session.randomness.hex(8)}{SUFFIX}"
    folder = folder_of(publication)
    try:
        if not claim.holds:
            say(publication, Objection(claim, actor), name)
        else:
            _refuse_flood(folder)
            document = document_of(claim) | {"version": VERSION, "actor": actor}
            put(folder, name, json.dumps(document, sort_keys=True).encode("ascii") + b"\n")
    except OSError as failure:
        fix = fix_of_write(failure, "Let nhisync's user write beside the publication (publish.files.snapshot).")
        raise StoreError(f"nothing was said: {folder.parent} cannot be written: {failure.strerror}", fix=fix) from None
    return claim


def laid(session: Session, file: Path) -> tuple[Attestation, str]:
    """What `file` says, checked again against the configuration of now, and the actor for the audit trail.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no word of nhisync's user, or says what nobody asks for any more.
    """
    fix = "Look who writes into this folder; only nhisync's own user may."
    try:
        content = own(file, file.parent.stat().st_uid)
        if content is None:
            raise UsageError("somebody else owns it, or may write it", fix=fix)
        document = json.loads(content)
        claim, actor, version = attestation_in(document), document["actor"], document["version"]
    except (ValueError, KeyError, TypeError, RecursionError, StatementError):
        raise UsageError("it is no word that this version can read", fix=fix) from None
    if version != VERSION or not isinstance(actor, str):
        raise UsageError("it is no word that this version can read", fix=fix)
    return accepted(session, claim), actor


def _refuse_flood(folder: Path) -> None:
    if folder.is_dir() and len(os.listdir(folder)) >= MOST:
        raise StoreError(
            f"{MOST} words wait in {folder}: no cycle takes them",
            fix="See why: nhisync status, and the log of nhisync serve.",
        )
