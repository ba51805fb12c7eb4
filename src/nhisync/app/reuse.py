"""The value comparison: a short-lived child process reads both sides and answers with equality classes only.

The parent never holds a value: it sends locators and gets ``{path, key, group}`` lines and typed errors back. The child
cannot dump core and cannot be traced; its memory is gone with it.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from nhisync.app.session import KEY_LOG, Session
from nhisync.collect.cycle import GRACE
from nhisync.collect.reuse import Classes, Wanted, compared
from nhisync.errors import NhisyncError
from nhisync.model import ErrorFact, Locator
from nhisync.spi import Capability, ErrorKind, FieldValue, Fingerprinter, ProviderError, Remainder

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
"""Linux, prctl(2)."""

_NOTHING = "no value was given, or none long enough and not public by its name: name the field in the pair (#field)"

_MUTE = (
    "the provider {} reads no values: pair the item that holds the value, or make the pair shared or exempt, with "
    "owner and end"
)

CHANGED = 6
"""Exit code of a child that found another configuration than the one that is being judged."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What the comparison found.

    Attributes:
        groups: path → key → group id, only for values that stand on more than one path.
        unread: (path, locator, why) of what could not be read and therefore was not compared.
    """

    groups: dict[str, dict[str, str]]
    unread: tuple[tuple[str, str, ErrorFact], ...]


def compare(session: Session, wanted: Sequence[Wanted]) -> Reuse:
    """Compare the values behind `wanted` in a child process.

    The child reads the configuration anew. Where that was edited since `session` was opened (a daemon takes it over
    on SIGHUP only), its sources need not be the ones that are judged, and nothing is compared.
    It goes on with the cycle of this session: every source has what the passes before left of its budget.

    Raises:
        NhisyncError: the child could not be run; nothing is known about reuse then.
    """
    configuration = session.configuration
    rests = {place: session.budget(*place).remainder for place in _sources(wanted)}
    task = {
        "config": str(configuration.file),
        "policies": str(configuration.policies) if configuration.policies else None,
        "digest": configuration.digest,
        "rests": [[*place, asdict(rest)] for place, rest in rests.items()],
        "wanted": [[w.path, w.key, str(w.locator)] for w in wanted],
    }
    child = _run(json.dumps(task), max((rest.seconds for rest in rests.values()), default=0.0) + GRACE)
    if child.returncode == CHANGED:
        raise NhisyncError(
            f"{configuration.file} or a policy was changed and is not in force yet; nothing is known about reuse",
            fix="Bring it into force: send SIGHUP to nhisync serve, or run the command again.",
        )
    if child.returncode != 0:
        raise NhisyncError(
            f"the value comparison ended with code {child.returncode}; nothing is known about reuse",
            fix="Run `nhisync doctor` and look at the fingerprint permissions of both paths.",
        )
    return _read(child.stdout.splitlines())


def _run(task: str, seconds: float) -> subprocess.CompletedProcess[str]:
    # -P: a file in the current folder must not become a module of the process that holds values (Python docs, "-P").
    # Its stderr is never read: a traceback of an SDK may quote what was parsed.
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", "nhisync.app.reuse"],
            input=task,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        failure = NhisyncError(
            "the value comparison did not end within the cycle; nothing is known about reuse",
            fix="Raise limits.deadline of the sources, or ask for fewer comparisons (compare_values of the tier).",
        )
    raise failure  # outside of the handler: what was printed so far hangs on the other exception


def _read(lines: Iterable[str]) -> Reuse:
    groups: dict[str, dict[str, str]] = {}
    unread = []
    for line in lines:
        found = json.loads(line)
        if "group" in found:
            groups.setdefault(found["path"], {})[found["key"]] = found["group"]
        else:
            unread.append((found["path"], found["locator"], ErrorFact(kind=found["kind"], message=found["message"])))
    return Reuse(groups, tuple(unread))


def harden() -> None:
    """No core dump, no tracing, no reading of /proc/self/mem by others, no log of TLS keys, no life after the parent's.

    Best effort where the platform allows it. Without the parent nobody ends a process that a service keeps waiting.
    """
    os.environ.pop(KEY_LOG, None)  # a probe without a credential uses no provider, and its URL may be one
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(stdin: TextIO, stdout: TextIO) -> int:
    """The child: read the task, compare, print classes."""
    harden()
    task: dict[str, Any] = json.load(stdin)
    policies = Path(task["policies"]) if task["policies"] else None
    rests = {(path, source): Remainder(**rest) for path, source, rest in task["rests"]}
    session = Session.open(Path(task["config"]), policies=policies, rests=rests)
    if session.configuration.digest != task["digest"]:
        return CHANGED
    wanted = [Wanted(path, key, Locator.parse(text)) for path, key, text in task["wanted"]]
    classes = Classes(session.randomness)
    sources = _sources(wanted)
    for place in sources:
        session.budget(*place)  # all of them run from here, as their cycle does

    def lines_of(place: tuple[str, str]) -> list[dict[str, str]]:
        return list(_read_source(session, *place, sources[place], classes))

    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:  # a slow source takes no time from the others
        for lines in pool.map(lines_of, sources):
            for line in lines:
                print(json.dumps(line), file=stdout)
    for (path, key), group in sorted(classes.groups().items()):
        print(json.dumps({"path": path, "key": key, "group": group}), file=stdout)
    return 0


def _sources(wanted: Iterable[Wanted]) -> Mapping[tuple[str, str], list[Wanted]]:
    """(path, source) → what is wanted there, in order."""
    found: dict[tuple[str, str], list[Wanted]] = {}
    for one in sorted(wanted, key=lambda w: (w.path, w.locator.source)):
        found.setdefault((one.path, one.locator.source), []).append(one)
    return found


def _read_source(
    session: Session, path: str, source: str, wanted: Sequence[Wanted], classes: Classes
) -> Iterable[dict[str, str]]:
    """Digest all values of one source; yields what could not be read."""
    holders: dict[Locator, list[Wanted]] = {}
    for one in wanted:
        holders.setdefault(one.locator.item, []).append(one)
    info = session.source_info(path, source)
    if Capability.FINGERPRINT not in info.capabilities:
        mute = _MUTE.format(info.name)
        yield from (_unread(path, str(locator), ErrorKind.UNSUPPORTED.value, mute) for locator in holders)
        return
    provider, budget = session.provider(path, source), session.budget(path, source)
    owed = {item: {one.locator.field for one in some} for item, some in holders.items()}
    try:
        budget.check()
        reader = cast("Fingerprinter", provider)
        for answer in reader.values(sorted(holders), budget):
            if isinstance(answer, FieldValue):
                item = answer.locator.item
                fields = owed.get(item, set())
                fields -= {field for field in fields if compared(answer, field)}
                classes.add(answer, holders.get(item, ()))
            else:
                owed.pop(answer[0].item, None)
                yield _unread(path, str(answer[0].item), answer[1].kind, answer[1].message)
        for item, field in sorted(((item, field) for item, fields in owed.items() for field in fields), key=str):
            what = _NOTHING if field is None else "the field that the pair names was not given"
            yield _unread(path, str(item), ErrorKind.MALFORMED, what)
    except ProviderError as failure:
        for locator in holders:
            yield _unread(path, str(locator), failure.kind.value, failure.message)
    finally:
        provider.close()


def _unread(path: str, locator: str, kind: str, message: str) -> dict[str, str]:
    return {"path": path, "locator": locator, "kind": ErrorKind(kind).value, "message": message}


if __name__ == "__main__":
    sys.exit(main(sys.stdin, sys.stdout))
