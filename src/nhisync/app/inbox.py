"""The inbox of signed attestations: a folder that every cycle empties, also while a daemon holds the store.

Who may write into it decides nothing: a file counts by the signature of one whom the configuration names, as with
`nhisync attest --signed`, and by nothing else. What counts is recorded and removed; what does not is set aside beside
its reason, and never blocks the rest. What the operator listener accepted comes the same way (`nhisync.app.spool`).
"""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nhisync.app import spool
from nhisync.app.attest import accepted
from nhisync.app.session import Session
from nhisync.app.signed import MOST, UnusableKeyError, verified
from nhisync.app.spool import folder_of, laid
from nhisync.errors import UsageError
from nhisync.model import Attestation
from nhisync.parity.text import clean
from nhisync.spi.files import read_file
from nhisync.store import Store

SUFFIX: Final = ".jws"
REFUSED: Final = ".refused"
"""Set behind the name of a file that does not count."""

AT_ONCE: Final = 200
"""Files that one cycle takes in; the rest waits for the next."""

_LONGEST: Final = 200
"""Bytes of a name that are kept when a suffix is set behind it: a name has 255 at most (limits.h, NAME_MAX)."""

_log = logging.getLogger(__name__)


def take_in(session: Session, store: Store) -> int:
    """Record every attestation that counts, of the inbox and of the operator listener; returns how many.

    Raises:
        StoreError: the store cannot be written; what was not recorded stays in the folder.
    """
    inbox, words = session.configuration.inbox, folder_of(session.configuration.publish.snapshot)
    taken = 0
    if words.is_dir():
        taken += _taken(session, store, words, spool.SUFFIX, laid)
    if inbox is not None:
        taken += _taken(session, store, inbox, SUFFIX, lambda file: _signed(session, file))
    return taken


def _signed(session: Session, file: Path) -> tuple[Attestation, str]:
    claim, signer = verified(session, read_file(file, MOST))
    return claim, f"attester {signer}"


def _taken(
    session: Session, store: Store, folder: Path, suffix: str, understood: Callable[[Path], tuple[Attestation, str]]
) -> int:
    """Record what counts of one folder, by the configuration of now; how many that were."""
    taken, turns = 0, AT_ONCE
    for since, file in _waiting(folder, suffix):
        try:
            claim, actor = understood(file)
            claim = accepted(session, claim)
        except UnusableKeyError as trouble:  # ours, not the attester's: its word waits, and takes nobody's turn
            _log.error("%s waits: %s", _shown(file), trouble.message)
        except OSError as failure:
            turns -= _set_aside(file, since, failure.strerror or "it cannot be read")
        except UsageError as refusal:
            turns -= _set_aside(file, since, refusal.message)
        else:
            taken += _recorded(store, claim, actor)
            turns -= _remove(file, since)
        if not turns:
            _log.warning("%s: one cycle takes %d files, the rest waits", folder, AT_ONCE)
            break
    return taken


def inbox_trouble(folder: Path) -> str:
    """Why a cycle could not take in what stands in `folder`, or ""."""
    if not folder.is_dir():
        return f"attestations.inbox {folder} is no folder: nothing that attesters put there is taken in; create it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        told = "cannot be listed and emptied by the user that runs nhisync: what attesters put there does not count"
        return f"attestations.inbox {folder} {told}; let this user read and write it"
    return ""


def _waiting(folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Finished files, and since when they stand there; a name that begins with a dot is still being written.

    What stands there longest comes first, by the time that nobody can set (inode(7), ctime): no flood overtakes it.
    """
    try:
        found = [(_since(folder / name), name) for name in os.listdir(folder) if _finished(name, suffix)]
    except OSError as failure:
        _log.warning("%s cannot be listed: %s; nothing was taken in", folder, failure.strerror)
        return
    yield from ((since, folder / name) for since, name in sorted(found))


def _finished(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and not name.startswith(".")


def _since(file: Path) -> int:
    """Nanoseconds of the epoch; another file under the same name, which nobody has read, has others."""
    try:
        return file.lstat().st_ctime_ns
    except OSError:
        return 0  # withdrawn meanwhile


def _recorded(store: Store, claim: Attestation, actor: str) -> bool:
    """Record what is not recorded; whether that was so."""
    with store.reader() as reader:
        if reader.attested(claim):
            return False
    store.attest(claim, actor=actor)
    return True


def _shown(file: Path) -> str:
    """The name for a person, on one line whatever it holds: who may write there chose it."""
    name = os.fsencode(file.name).decode("utf-8", "backslashreplace")
    return f"{file.parent}/{clean(name)}"


def _set_aside(file: Path, since: int, why: str) -> bool:
    """Rename a file that does not count; whether it is out of the way now. One that stays takes nobody's turn."""
    if _since(file) != since:
        return False  # withdrawn, or replaced meanwhile
    _log.error("%s does not count and was set aside: %s", _shown(file), why)
    name = os.fsdecode(os.fsencode(file.name)[:_LONGEST])
    try:
        file.replace(file.with_name(f"{name}{REFUSED}"))
    except OSError as failure:
        _log.warning("%s cannot be renamed: %s; remove it", _shown(file), failure.strerror)
        return False
    return True


def _remove(file: Path, since: int) -> bool:
    """Whether it is gone. What is recorded may stand there again: it is the same attestation, and is recorded once."""
    if _since(file) != since:
        return False
    try:
        file.unlink(missing_ok=True)
    except OSError as failure:
        _log.warning("%s is recorded and cannot be removed: %s; remove it", _shown(file), failure.strerror)
        return False
    return True
