"""The inbox of signed attestations: a folder that every cycle empties, also while a daemon holds the store.

Who may write into it decides nothing: a file counts by the signature of one whom the configuration names, as with
`nhisync attest --signed`, and by nothing else. What counts is recorded and removed; what does not is set aside beside
its reason, and never blocks the rest.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from nhisync.app.attest import accepted
from nhisync.app.session import Session
from nhisync.app.signed import MOST, verified
from nhisync.errors import UsageError
from nhisync.model import Attestation
from nhisync.spi.files import read_file
from nhisync.store import Store

SUFFIX: Final = ".jws"
REFUSED: Final = ".refused"
"""Set behind the name of a file that does not count."""

AT_ONCE: Final = 200
"""Files that one cycle takes in; the rest waits for the next."""

_log = logging.getLogger(__name__)


def take_in(session: Session, store: Store) -> int:
    """Record every attestation that counts; returns how many.

    Raises:
        StoreError: the store cannot be written; what was not recorded stays in the folder.
    """
    folder = session.configuration.inbox
    if folder is None:
        return 0
    with store.reader() as reader:
        known = {replace(one, number=0) for one in reader.attestations()}
    taken = 0
    for file in _waiting(folder):
        try:
            claim, signer = verified(session, read_file(file, MOST))
            claim = accepted(session, claim)
        except FileNotFoundError:
            continue  # withdrawn meanwhile
        except OSError as failure:
            _set_aside(file, failure.strerror or "it cannot be read")
            continue
        except UsageError as refusal:
            _set_aside(file, refusal.message)
            continue
        if _unnumbered(claim) not in known:
            store.attest(claim, actor=f"attester {signer}")
            known.add(_unnumbered(claim))
            taken += 1
        _remove(file)
    return taken


def inbox_trouble(folder: Path) -> str:
    """Why a cycle could not take in what stands in `folder`, or ""."""
    if not folder.is_dir():
        return f"attestations.inbox {folder} is no folder: nothing that attesters put there is taken in; create it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        told = "cannot be listed and emptied by the user that runs nhisync: what attesters put there does not count"
        return f"attestations.inbox {folder} {told}; let this user read and write it"
    return ""


def _waiting(folder: Path) -> Iterator[Path]:
    """Finished files, oldest name first; a name that begins with a dot is still being written."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX) and not name.startswith("."))
    except OSError as failure:
        _log.warning("attestations.inbox %s cannot be listed: %s; nothing was taken in", folder, failure.strerror)
        return
    if len(names) > AT_ONCE:
        _log.warning("attestations.inbox %s holds %d files; this cycle takes %d", folder, len(names), AT_ONCE)
    yield from (folder / name for name in names[:AT_ONCE])


def _unnumbered(claim: Attestation) -> Attestation:
    return replace(claim, number=0)


def _set_aside(file: Path, why: str) -> None:
    _log.error("%s does not count and was set aside: %s", file, why)
    try:
        file.replace(file.with_name(f"{file.name}{REFUSED}"))
    except OSError as failure:
        _log.warning("%s cannot be renamed: %s; remove it", file, failure.strerror)


def _remove(file: Path) -> None:
    """What is recorded may stand there again: it is the same attestation, and is recorded once."""
    try:
        file.unlink(missing_ok=True)
    except OSError as failure:
        _log.warning("%s is recorded and cannot be removed: %s; remove it", file, failure.strerror)
