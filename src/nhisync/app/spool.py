"""Words for the process that keeps the store: what was accepted while it did, until its next cycle records it.

They come from the operator listener, and from `nhisync attest` beside a running daemon. The folder stands beside the
publication, and its files count by who owns them: whoever may write there as nhisync's user could as well write the
publication. What does not hold is not laid here but said as an objection, which blocks at once
(`nhisync.app.objections`).
"""

import json
import os
from pathlib import Path
from typing import Final

from nhisync.app.folders import own, put
from nhisync.app.session import Session
from nhisync.errors import StoreError, UsageError, fix_of_write
from nhisync.model import Attestation
from nhisync.statement import StatementError, attestation_in, document_of

SUFFIX: Final = ".json"
VERSION: Final = "1.0"
"""Of the document; a reader refuses any other."""

MOST: Final = 1000
"""Words that wait at once; nobody takes more until a cycle did."""


def folder_of(publication: Path) -> Path:
    """Where words wait for the process that writes the file `publication`."""
    return publication.with_name(f"{publication.name}.words")


def lay(session: Session, claim: Attestation, *, actor: str) -> None:
    """Leave `claim`, which was accepted, for the next cycle; durable when this returns.

    Raises:
        StoreError: it cannot be written, or too many words wait already; nothing was said.
    """
    folder = folder_of(session.configuration.publish.snapshot)
    document = document_of(claim) | {"version": VERSION, "actor": actor}
    try:
        if folder.is_dir() and len(os.listdir(folder)) >= MOST:
            raise StoreError(
                f"{MOST} words wait in {folder}: no cycle takes them",
                fix="See why: nhisync status, and the log of nhisync serve.",
            )
        put(
            folder, f"{session.randomness.hex(8)}{SUFFIX}", json.dumps(document, sort_keys=True).encode("ascii") + b"\n"
        )
    except OSError as failure:
        fix = fix_of_write(failure, "Let this user write beside the publication (publish.files.snapshot).")
        raise StoreError(f"nothing was said: {folder} cannot be written: {failure.strerror}", fix=fix) from None


def laid(file: Path) -> tuple[Attestation, str]:
    """What `file` says, and the actor for the audit trail.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no word of nhisync's user.
    """
    fix = "Look who writes into this folder; only nhisync's own user may."
    try:
        content = own(file, _owner(file.parent))
        if content is None:
            raise UsageError("somebody else owns it, or may write it", fix=fix)
        document = json.loads(content)
        claim, actor, version = attestation_in(document), document["actor"], document["version"]
    except (ValueError, KeyError, TypeError, RecursionError, StatementError):
        raise UsageError("it is no word that this version can read", fix=fix) from None
    if version != VERSION or not isinstance(actor, str):
        raise UsageError("it is no word that this version can read", fix=fix)
    return claim, actor


def _owner(folder: Path) -> int:
    """Whose words count: those of this process' user, of whom the publication's place belongs to where that is root.

    Not of whoever owns `folder`: it can be made by all who may make names there, and a word of it can open a gate.
    """
    return os.geteuid() or folder.parent.stat().st_uid
