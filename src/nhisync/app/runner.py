"""Probes from where a path's consumers stand: handed to a command of that path, made by a nhisync over there.

The command is started without a shell; it gets one JSON task on stdin (the credential is in it: use a channel that
nobody else reads, such as ssh) and prints one JSON result. ``nhisync run-probe`` is the other end. What comes back is
believed no more than a service is: depths and kinds that exist, texts in which nothing of the credential is found.
"""

import json
import os
import signal
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from nhisync.clock import Clock
from nhisync.config import Probe
from nhisync.errors import UsageError
from nhisync.model import App, ErrorFact, Side
from nhisync.parity.proof import LADDER
from nhisync.probes import KINDS, Order, Presented, Shown, not_made
from nhisync.probes.order import Left, Patience, name_of
from nhisync.probes.script import UNDOING, values_of
from nhisync.spi import ErrorKind, ProviderError, SecretBytes
from nhisync.spi.files import LARGEST_BUNDLE, expanded, small_text

VERSION: Final = 1
"""Of the task and the result; the two ends may be of different releases."""

_WRITING: Final = 2
"""Of a task with a script, which an end that knows none must not take for one without."""

HERE: Final = "local"
"""``run_from`` of a probe that needs no runner."""

MOST: Final = 65_536
"""Bytes of a result; what is longer is none."""

_TEXTS: Final = (
    "target", "auth", "depth", "header", "database", "server_name", "proxy", "seen_as", "region", "namespace", "mount",
    "scope", "vhost", "script", "run", "left",
)  # fmt: skip
_LATER: Final = frozenset({"script", "run", "left"})
"""What tasks of earlier releases do not say."""

_VALUES: Final = ("secret", "certificate", "key", "token")
_FIX: Final = "Run the command by hand from this host: does it answer, and is `nhisync run-probe` at its end?"


def position(app: App, path: str, probe: Probe) -> str:
    """The path that a probe of `path` is run from: `path` where it has the role, else the first one that has it."""
    if probe.run_from == HERE:
        return path
    paths = (app.primary,) if probe.run_from == Side.PRIMARY.value else app.backups
    return path if path in paths else paths[0]


def order_of(probe: Probe, base: Path, keys: frozenset[str] = frozenset()) -> Order:
    """What `probe` is asked to do; files lie relative to `base`, `keys` are the item's own public keys."""
    return Order(
        target=probe.target,
        auth=probe.auth,
        depth=probe.depth,
        header=probe.header,
        database=probe.database,
        encrypted=probe.tls,
        server_name=probe.server_name,
        ca_file=base / expanded(probe.ca_file) if probe.ca_file else None,
        proxy=probe.proxy,
        seen_as=probe.seen_as,
        expect=probe.expect,
        region=probe.region,
        namespace=probe.namespace,
        mount=probe.mount,
        scope=probe.scope,
        vhost=probe.vhost,
        script=probe.script,
        keys=keys,
    )


def run_there(
    command: Sequence[str], kind: str, order: Order, presented: Presented, seconds: float, *, where: str
) -> Shown:
    """Let the runner of path `where` make one probe.

    Raises:
        ProviderError: UNREACHABLE or MALFORMED, nobody made it; whatever the command printed is not passed on.
    """
    task = _task(kind, order, presented, seconds)
    try:
        code, text = _ran(command, task, seconds + (2 * UNDOING if order.script else 0.0))
    except subprocess.TimeoutExpired:
        told = f"the runner of {where} did not answer in time"
        raise ProviderError(ErrorKind.UNREACHABLE, told, fix=_FIX) from None
    except (OSError, ValueError):
        told = f"the runner of {where} cannot be started"
        raise ProviderError(ErrorKind.MISCONFIGURED, told, fix=_FIX) from None
    shown = _shown(text, presented) if code == 0 and len(text) <= MOST else None
    if shown is None:
        told = f"the runner of {where} ended with code {code} and no result"
        raise ProviderError(ErrorKind.UNREACHABLE, told, fix=_FIX)
    return shown


def _ran(command: Sequence[str], task: bytes, seconds: float) -> tuple[int, bytes]:
    """Exit code and output; at the end of the time everything that the command started is ended."""
    # A session of its own: a helper of the command that holds the pipe must not hold us.
    with subprocess.Popen(  # noqa: S603 - the configuration's own command, and no shell
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as child:
        try:
            text, _ = child.communicate(task, timeout=seconds)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise
        return child.returncode, text


def run_here(task: bytes, clock: Clock) -> str:
    """Make the probe of `task` on this host and tell the result.

    Raises:
        UsageError: it is no task of this version.
    """
    with TemporaryDirectory(prefix="nhisync-") as folder:
        try:
            kind, order, presented, seconds = _read(task, Path(folder))
        except (ValueError, KeyError, TypeError):
            fix = "Name this command as `runner` of a path; both ends must be of the same major version."
            raise UsageError("stdin holds no probe that this version can make", fix=fix) from None
        try:
            shown = KINDS[kind](order, presented, Patience(clock, seconds))
        except ProviderError as failure:
            shown = not_made("", failure)
    error = shown.error
    told = {
        "version": VERSION,
        "depth": shown.depth,
        "accepted": shown.accepted,
        "seen_as": shown.seen_as,
        "error": error.kind if error else "",
        "message": error.message if error else "",
        **({"left": shown.left._asdict()} if shown.left else {}),
    }
    return json.dumps(told)


def _task(kind: str, order: Order, presented: Presented, seconds: float) -> bytes:
    authorities = ""
    if order.ca_file is not None:
        fix = "Let ca_file name PEM certificates that nhisync's user may read."
        authorities = small_text(order.ca_file, "the probe's ca_file", fix=fix, limit=LARGEST_BUNDLE)
    values = {name: getattr(presented, name) for name in _VALUES}
    task = {
        "version": _WRITING if order.script else VERSION,
        "kind": kind,
        "seconds": seconds,
        "order": {
            **{name: getattr(order, name) for name in _TEXTS},
            "encrypted": order.encrypted,
            "expect": sorted(order.expect),
            "keys": sorted(order.keys),
            "authorities": authorities,
        },
        "presented": {
            "user": presented.user,
            **{name: b64encode(value.reveal()).decode() for name, value in values.items() if value is not None},
        },
    }
    return json.dumps(task).encode()


def _read(task: bytes, folder: Path) -> tuple[str, Order, Presented, float]:
    """Kind, order, credential and seconds of a task; its authorities stand in `folder`.

    Raises:
        ValueError, KeyError, TypeError: it is no task of this version.
    """
    raw = _mapping(task)
    kind = raw["kind"]
    if raw["version"] not in {VERSION, _WRITING} or kind not in KINDS:
        raise ValueError
    return kind, _order(raw["order"], folder), _presented(raw["presented"]), float(raw["seconds"])


def _order(raw: Mapping[str, Any], folder: Path) -> Order:
    texts: dict[str, Any] = {name: str(raw[name]) for name in _TEXTS if name in raw or name not in _LATER}
    order = Order(
        **texts,
        encrypted=bool(raw["encrypted"]),
        expect=frozenset(int(one) for one in raw["expect"]),
        keys=frozenset(str(one) for one in raw["keys"]),
    )
    if not raw["authorities"]:
        return order
    file = folder / "authorities.pem"
    file.write_text(str(raw["authorities"]), encoding="utf-8")
    return replace(order, ca_file=file)


def _presented(raw: Mapping[str, Any]) -> Presented:
    values = {name: SecretBytes(b64decode(raw[name])) for name in _VALUES if name in raw}
    return Presented(str(raw["user"]), **values)


def _shown(text: bytes, presented: Presented) -> Shown | None:
    """The result, or None when it is none; a text that tells something of the credential is left out."""
    try:
        raw = _mapping(text)
    except ValueError:
        return None
    depth, accepted = raw.get("depth"), raw.get("accepted")
    texts = [raw.get(name) for name in ("depth", "seen_as", "error", "message")]
    if raw.get("version") != VERSION or not all(isinstance(one, str) for one in texts):
        return None
    if depth not in {"", *LADDER[1:]} or not (accepted is None or isinstance(accepted, bool)):
        return None
    seen, kind, message = (str(one) for one in texts[1:])
    left = _left(raw.get("left"), presented)
    if accepted:
        return Shown(depth=str(depth), accepted=True, seen_as=name_of(seen, presented), left=left)
    if kind not in {*ErrorKind}:
        return None
    told = name_of(message, presented) or "the runner did not say why in words that can be shown"
    return Shown(depth=str(depth), accepted=accepted, error=ErrorFact(kind=kind, message=told), left=left)


def _left(raw: object, presented: Presented) -> Left | None:
    """What a script left behind, as far as it can be kept: values within their bound, nothing of the credential."""
    if not isinstance(raw, dict):
        return None
    if not raw.get("told"):
        return Left()
    known = {
        name: one
        for name, one in values_of(str(raw.get("values"))).items()
        if name_of(f"{name} {one}", presented) == f"{name} {one}"
    }
    told = name_of(str(raw["told"]), presented) or "the runner did not say what in words that can be shown"
    return Left(json.dumps(known, sort_keys=True), told, raw.get("sure") is True)


def _mapping(text: bytes) -> dict[str, Any]:
    """A JSON mapping.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError from None
    if not isinstance(found, dict):
        raise ValueError  # noqa: TRY004 - one kind of wrong text
    return found
