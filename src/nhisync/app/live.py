"""Live authentication: which credentials are due, a child process that presents them, facts that come back.

The parent never holds a value: it sends pair sides and gets depths, answers and typed errors back. What nobody
answered for is a probe that was not made.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nhisync.app.presenting import Presenting
from nhisync.app.reuse import CHANGED
from nhisync.app.runner import HERE, position
from nhisync.app.session import Session
from nhisync.config import Probe
from nhisync.model import App
from nhisync.parity.proof import (
    ACCEPTED,
    NOTHING,
    REFUSED,
    UNDONE,
    UNJUDGED,
    LeftBehind,
    Proof,
    current,
    depth_of,
    due,
    left_of,
    left_text,
    previous_due,
    proof_of,
    text_of,
)
from nhisync.parity.row import Row, epoch
from nhisync.spi import ErrorKind

GRACE = 5.0
"""Seconds by which the child may be late before it is ended; what it told until then counts."""

_RUN = 4
"""Random bytes of the id that scripts of one run write."""

_DIGITS = 16
"""Hexadecimal digits that tell one probe from another."""

Told = tuple[str, str, int | None, str | None]
"""(key, locator, `Row.auth`, `Row.probe`)."""


@dataclass(frozen=True, slots=True)
class Probed:
    """One side of one pair to try.

    Attributes:
        path: name of the path.
        row: its row; the result belongs to this generation of it.
        by: digest of the probe; the result belongs to this probe.
        previous: what the last rotation replaced is presented, too.
        nothing: the probe presents no stored value, so that a rotation replaces none.
    """

    path: str
    row: Row
    by: str = ""
    previous: bool = False
    nothing: bool = False


def digest_of(probe: Probe, runner: Sequence[str] = ()) -> str:
    """Names a probe in what it proved: a proof of one that was corrected since is no proof (one asked a wrong host)."""
    facts = {**asdict(probe), "expect": sorted(probe.expect), "runner": runner if probe.run_from != HERE else ()}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:_DIGITS]


def asking(session: Session, app: App) -> bool:
    """Whether the tier of `app` asks for live authentication."""
    return session.configuration.tiers[app.tier].live.min_depth != "none"


def wanted(
    session: Session,
    targets: Iterable[tuple[App, str, str]],
    rows: Callable[[str], Iterator[Row]],
    *,
    all_of_them: bool,
) -> list[Probed]:
    """The sides to try: those that are due where a tier asks, or all that have a probe."""
    now = epoch(session.clock.now()) or 0
    found = []
    for path, apps in _sides(session, targets, all_of_them=all_of_them).items():
        for row in rows(path) if any(probing for _, probing in apps.values()) else ():
            name, _, pair = row.key.partition("/")
            if name not in apps or row.presence != "present":
                continue
            app, probing = apps[name]
            if (asked := probing.asked(pair, row.locator)) is None:
                continue
            probe = asked.probe
            by = digest_of(probe, session.configuration.paths[position(app, path, probe)].runner)
            live = session.configuration.tiers[app.tier].live
            ages = int(live.max_age.total_seconds()), int(live.grace.total_seconds())
            old = live.previous_refused and previous_due(row, now, ages[0], int(live.overlap.total_seconds()), by)
            if all_of_them or due(row, now, *ages, by) or (old and row.auth == 1):
                stored = probe.auth != "none" and not probe.issue  # only that has a previous version
                found.append(Probed(path, row, by, previous=old and stored, nothing=not stored))
    return found


def _sides(
    session: Session, targets: Iterable[tuple[App, str, str]], *, all_of_them: bool
) -> Mapping[str, Mapping[str, tuple[App, Presenting]]]:
    """Path → name → app and its probes there, of those whose tier asks, or of all."""
    found: dict[str, dict[str, tuple[App, Presenting]]] = {}
    for app, *paths in targets:
        for path in paths if all_of_them or asking(session, app) else ():
            probing = Presenting(app, session.configuration.details[app.name], path)
            found.setdefault(path, {})[app.name] = app, probing
    return found


def dropped(
    session: Session,
    targets: Iterable[tuple[App, str, str]],
    rows: Callable[[str], Iterator[Row]],
    *,
    all_of_them: bool,
) -> Mapping[str, list[Told]]:
    """Proofs of pairs that have no probe any more: whoever took it out of the configuration believes it no longer."""
    found: dict[str, list[Told]] = {}
    for path, apps in _sides(session, targets, all_of_them=all_of_them).items():
        for row in rows(path):
            name, _, pair = row.key.partition("/")
            if row.probe is not None and name in apps and apps[name][1].asked(pair, row.locator) is None:
                found.setdefault(path, []).append((row.key, row.locator, None, None))
    return found


def authenticate(session: Session, probed: Sequence[Probed]) -> Mapping[str, list[Told]]:
    """Present the credentials of `probed` in a child process; returns path → what was learned.

    Every side is answered for. Results are dated at the start: their age is never understated. The child reads the
    configuration anew; one that is not in force (a daemon takes it over on SIGHUP) proves nothing about these rows.
    """
    began, run = epoch(session.clock.now()) or 0, session.randomness.hex(_RUN)
    seconds = max((session.budget(one.path, _source(one.row)).remaining for one in probed), default=0.0)
    configuration = session.configuration
    places = {(one.path, _source(one.row)) for one in probed}
    task = {
        "config": str(configuration.file),
        "policies": str(configuration.policies) if configuration.policies else None,
        "digest": configuration.digest,
        "rests": [[*place, asdict(session.budget(*place).remainder)] for place in sorted(places)],
        "seconds": seconds,
        "wanted": [_asks(one, f"{run}{number:x}") for number, one in enumerate(probed)],
    }
    answers, why = _asked(task, seconds + GRACE)
    found: dict[str, list[Told]] = {}
    for one in probed:
        proof = _proof(answers.get((one.path, one.row.key)), why, one, began)
        found.setdefault(one.path, []).append((one.row.key, one.row.locator, proof.auth, text_of(proof)))
    return found


def _asks(one: Probed, run: str) -> list[Any]:
    """What the child is told of one side; `run` is the id that a script of it writes."""
    proof = proof_of(one.row)
    left = left_of(proof) if proof is not None and proof.by == one.by else None
    return [one.path, one.row.key, one.row.locator, one.row.ids or "", one.previous, run, left.values if left else ""]


def _source(row: Row) -> str:
    return row.locator.partition(":")[0]


def _asked(task: Mapping[str, Any], seconds: float) -> tuple[dict[tuple[str, str], dict[str, Any]], str]:
    """(path, key) → answer of the child, and why the others have none."""
    # -P: a file in the current folder must not become a module of the process that holds values (Python docs, "-P").
    # Its stderr is never read: a traceback of an SDK may quote what was parsed.
    why = "the probing process ended before it tried this"
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "nhisync.app.probing"],
            input=json.dumps(task).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
        told = child.stdout
        if child.returncode == CHANGED:
            why = "the configuration or a policy was changed and is not in force yet: send SIGHUP, or run again"
    except subprocess.TimeoutExpired as late:
        told, why = late.stdout or b"", "the time was over before this was tried"
    except OSError as failure:  # of the machine's limits; what was known ages, and the run goes on
        told, why = b"", f"the probing process cannot be started: {failure.strerror}"
    answers: dict[tuple[str, str], dict[str, Any]] = {}
    for line in told.decode(errors="replace").splitlines():
        try:
            answer = json.loads(line)
            answers[answer["path"], answer["key"]] = answer
        except (ValueError, KeyError, TypeError):  # a line that was cut
            continue
    return answers, why


def _proof(answer: Mapping[str, Any] | None, why: str, probed: Probed, began: int) -> Proof:
    """What is known now: an attempt that nobody judged takes no earlier answer of this probe and generation away.

    What a script left behind lies at the service: no rotation ends that, only an undo that was seen.
    """
    made, before = _made(answer, why, probed, began), proof_of(probed.row)
    if before is None or before.by != probed.by:
        return made
    made = made if made.left else made._replace(left=before.left)
    if not current(before, probed.row):
        return made
    if not made.old:
        made = made._replace(old=before.old, old_at=before.old_at, old_message=before.old_message)
    if made.accepted is not None or before.accepted is None:
        return made
    before = before._replace(left=made.left)
    return before._replace(error=made.error, message=made.message) if before.accepted else before


def _made(answer: Mapping[str, Any] | None, why: str, probed: Probed, began: int) -> Proof:
    old = NOTHING if probed.nothing else ""
    blank = Proof(at=began, version=probed.row.version, rotated=probed.row.rotated, by=probed.by, old=old)
    if answer is None or "began" in answer:
        left = _lost(answer, began) if answer else ""
        return blank._replace(error=ErrorKind.UNREACHABLE.value, message=why, left=left)
    return blank._replace(
        rung=depth_of(answer["depth"]),
        accepted=answer["accepted"],
        seen_as=answer["seen_as"],
        error=answer["error"],
        message=answer["message"],
        left=_behind(answer, began),
        **_replaced(answer, began),
    )


def _lost(answer: Mapping[str, Any], began: int) -> str:
    """A script began to change something, and nobody told how that ended."""
    told = f"{answer['where']}: the probing process ended between the change and its undo"
    return left_text(LeftBehind(began, answer["began"], told, sure=False))


def _behind(answer: Mapping[str, Any], began: int) -> str:
    """What became of what a script changed; "" where none was run."""
    left = answer.get("left")
    if left is None:
        return ""
    if not left["told"]:
        return UNDONE
    return left_text(LeftBehind(began, left["values"], left["told"], left["sure"]))


def _replaced(answer: Mapping[str, Any], began: int) -> Mapping[str, Any]:
    """What became of the previous credential; nothing where it was not presented."""
    old = answer.get("previous")
    if old is None:
        return {}
    word = {True: ACCEPTED, False: REFUSED}.get(old["accepted"], UNJUDGED)
    return {"old": word, "old_at": began, "old_message": old["message"]}
