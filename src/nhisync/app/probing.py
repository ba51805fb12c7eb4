"""The short-lived process that holds values: reads the stored credential, presents it, tells facts and forgets it.

``python -P -m nhisync.app.probing``: a task on stdin, one JSON line per pair side on stdout, each as soon as it is
known. Values are read by the source's own provider under the permissions of mode ``probe``.
"""

import json
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO, cast

from nhisync.app.presenting import Presenting
from nhisync.app.reuse import CHANGED, harden
from nhisync.app.runner import HERE, order_of, position, run_there
from nhisync.app.session import Session
from nhisync.config import Probe
from nhisync.errors import NhisyncError
from nhisync.model import App, Locator
from nhisync.probes import KINDS, Presented, Shown, not_made
from nhisync.probes.order import Left, Patience
from nhisync.probes.script import UNDOING
from nhisync.spi import (
    Capability,
    ErrorKind,
    FieldValue,
    Fingerprinter,
    Issuer,
    Predecessor,
    Prober,
    Provider,
    ProviderError,
    Remainder,
    SecretBytes,
)

PARALLEL: Final = 16
"""Probes that run at once."""

GIVING_BACK: Final = 5.0
"""Seconds at the end of the time that are kept for giving back what was minted: then the process may be ended."""

_GRANT = "Grant what `nhisync permissions --mode probe` prints."

_UNCLEAR = "the item holds several fields"
_KEY = "spki-sha256="


class _Side(NamedTuple):
    """One side to try: `locator` with the field that the pair names, `keys` the item's own public keys.

    Where `previous` is set, what the last rotation replaced is presented, too. `run` is the id that a script writes,
    `left` what finds the things that an earlier run of it left behind.
    """

    app: App
    path: str
    key: str
    locator: Locator
    probe: Probe
    keys: frozenset[str]
    previous: bool = False
    run: str = ""
    left: str = ""


def main(stdin: TextIO, stdout: TextIO) -> int:
    """Read the task, try every side, tell what came out; `CHANGED` under another configuration than the judged one."""
    harden()
    task: dict[str, Any] = json.load(stdin)
    policies = Path(task["policies"]) if task["policies"] else None
    rests = {(path, source): Remainder(**rest) for path, source, rest in task["rests"]}
    session = Session.open(Path(task["config"]), policies=policies, timeout=task["seconds"], rests=rests)
    if session.configuration.digest != task["digest"]:
        return CHANGED
    sides: dict[tuple[str, str], list[_Side]] = {}
    for side in _sides(session, task["wanted"]):
        sides.setdefault((side.path, side.locator.source), []).append(side)
    _Bench(session, stdout, task["seconds"]).run(sides)
    return 0


def _sides(session: Session, wanted: Sequence[Sequence[Any]]) -> Iterator[_Side]:
    apps = {app.name: app for app in session.configuration.apps}
    probing: dict[tuple[str, str], Presenting] = {}
    for path, key, text, ids, previous, run, left in wanted:
        name, _, pair = key.partition("/")
        app = apps[name]
        if (path, name) not in probing:
            probing[path, name] = Presenting(app, session.configuration.details[name], path)
        asked = probing[path, name].asked(pair, text)
        if asked is None:  # the same configuration told the parent that there is one
            raise LookupError(key)
        bare = Locator.parse(text)
        locator = Locator(bare.source, bare.kind, bare.name, asked.field)
        keys = frozenset(line.removeprefix(_KEY) for line in ids.split("\n") if line.startswith(_KEY))
        yield _Side(app, path, key, locator, asked.probe, keys, previous, run, left)


class _Bench:
    """Where sources are read and probes are made, all at once within a bound."""

    def __init__(self, session: Session, stdout: TextIO, seconds: float) -> None:
        self._session, self._stdout = session, stdout
        self._end = session.clock.monotonic() + seconds
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="nhisync-probe")

    def run(self, sides: dict[tuple[str, str], list[_Side]]) -> None:
        """Try all sides of all sources."""
        with self._pool, ThreadPoolExecutor(max(1, len(sides)), thread_name_prefix="nhisync-read") as readers:
            jobs = [readers.submit(self._source, path, source, found) for (path, source), found in sides.items()]
            for job in [made for done in jobs for made in done.result()]:
                job.result()

    def _source(self, path: str, source: str, sides: Sequence[_Side]) -> list[Future[None]]:
        """Read what the sides of one source present, and hand each to the pool as soon as it is complete."""
        jobs = [self._pool.submit(self._by_provider, side) for side in sides if side.probe.type == "provider"]
        asked = [side for side in sides if side.probe.type != "provider"]
        jobs += [self._pool.submit(self._try, side, {}) for side in asked if side.probe.auth == "none"]
        jobs += [self._pool.submit(self._issued, side) for side in asked if side.probe.issue]
        presenting = [side for side in asked if side.probe.auth != "none" and not side.probe.issue]
        if presenting:
            jobs += [self._pool.submit(self._try, *read) for read in self._read(path, source, presenting)]
        return jobs

    def _read(self, path: str, source: str, sides: Sequence[_Side]) -> Iterator[tuple[_Side, dict[str, SecretBytes]]]:
        items: dict[Locator, list[_Side]] = {}
        for side in sides:
            items.setdefault(side.locator.item, []).append(side)
        fields: dict[Locator, dict[str, SecretBytes]] = {}
        failed: dict[Locator, ProviderError] = {}
        try:
            self._values(path, source, sorted(items), fields, failed)
        except ProviderError as failure:
            failed = {**dict.fromkeys(items.keys() - fields.keys(), failure), **failed}
        for item, waiting in items.items():
            failure_of_item = failed.get(item)
            for side in waiting:
                if failure_of_item is not None and item not in fields:
                    self._tell(side, _unread(failure_of_item))
                else:
                    yield side, fields.get(item, {})

    def _values(
        self,
        path: str,
        source: str,
        wanted: Sequence[Locator],
        fields: dict[Locator, dict[str, SecretBytes]],
        failed: dict[Locator, ProviderError],
    ) -> None:
        lacking = "this source's provider reads no value that could be presented"
        with closing(self._opened(path, source, Capability.FINGERPRINT, lacking)) as provider:
            reader = cast("Fingerprinter", provider)
            for answer in reader.values(wanted, self._session.budget(path, source)):
                if isinstance(answer, FieldValue):
                    fields.setdefault(answer.locator.item, {})[answer.field] = answer.value
                else:
                    failed[answer[0].item] = ProviderError(ErrorKind(answer[1].kind), answer[1].message)

    def _opened(self, path: str, source: str, needed: Capability, lacking: str) -> Provider:
        """The source's provider.

        Raises:
            ProviderError: UNSUPPORTED, in the words of `lacking`, where it cannot do what is needed.
        """
        if needed not in self._session.source_info(path, source).capabilities:
            raise ProviderError(ErrorKind.UNSUPPORTED, lacking)
        return self._session.provider(path, source)

    def _try(self, side: _Side, fields: dict[str, SecretBytes], spare: float = 0.0) -> None:
        """Present and tell; `spare` seconds of the time are for what comes after it."""
        old = None
        try:
            shows = presented(side.probe, side.locator.field, fields)
            shown = self._shown(side, shows, side.probe.script, spare)
            if side.previous and shown.accepted:  # a service that refuses everybody has judged nothing
                old = self._replaced(side, shows)
        except ProviderError as failure:
            shown = not_made("", failure)
        self._tell(side, shown, old)

    def _shown(self, side: _Side, shows: Presented, script: str, spare: float = 0.0) -> Shown:
        """What the service says to `shows`; `script` "" changes nothing.

        Raises:
            ProviderError: nothing came to the point of being judged.
        """
        probe = side.probe
        order = replace(
            order_of(probe, self._session.configuration.base, side.keys), script=script, run=side.run, left=side.left
        )
        # A script may undo twice, what an earlier run left and its own change, in time that is kept for it.
        spare += 2 * UNDOING if script else 0.0
        seconds = min(probe.timeout.total_seconds(), max(0.0, self._left - spare))

        def change(values: str, where: str) -> None:
            """Say so before anything is changed; with a parent that is gone nothing is."""
            self._write({"path": side.path, "key": side.key, "began": values, "where": where})

        if probe.run_from == HERE:
            return KINDS[probe.type](order, shows, Patience(self._session.clock, seconds, change))
        path = position(side.app, side.path, probe)
        runner = self._session.configuration.paths[path].runner
        if not script:
            return run_there(runner, probe.type, order, shows, seconds, where=path)
        values, where = json.dumps({"run": side.run}), f"run {side.run}, by the runner of {path}"
        change(values, where)  # what the runner does is not seen until it answers
        try:
            return run_there(runner, probe.type, order, shows, seconds, where=path)
        except ProviderError as failure:
            if failure.kind is ErrorKind.MISCONFIGURED:  # it was never started
                raise
            return replace(not_made("", failure), left=Left(values, f"{where}: it did not tell how that ended"))

    def _replaced(self, side: _Side, now: Presented) -> Shown:
        """What the service says to the version before; the same value again would be no other credential."""
        path, locator = side.path, side.locator
        lacking = "this source's provider reads no previous version"
        try:
            with closing(self._opened(path, locator.source, Capability.PREVIOUS, lacking)) as provider:
                budget = self._session.budget(path, locator.source)
                found = list(cast("Predecessor", provider).previous(locator.item, budget))
            old = presented(side.probe, locator.field, {one.field: one.value for one in found})
            if old.same_as(now):
                raise ProviderError(ErrorKind.CONFLICT, "the version before holds the same credential")
            return self._shown(side, old, "")  # who is let in with it must not write
        except ProviderError as failure:
            return not_made("", failure)

    def _issued(self, side: _Side) -> None:
        """Present what the item's own issuer mints now; closing its provider gives that back."""
        path, locator = side.path, side.locator
        lacking = "this source's provider mints no credential"
        try:
            if self._left <= GIVING_BACK:
                raise ProviderError(ErrorKind.THROTTLED, "no time is left to mint a credential and to give it back")
            provider = self._opened(path, locator.source, Capability.ISSUE, lacking)
            try:
                budget = self._session.budget(path, locator.source)
                found = list(cast("Issuer", provider).issue(locator.item, budget))
                self._try(side, {one.field: one.value for one in found}, GIVING_BACK)
            finally:
                with suppress(ProviderError):  # what the service said has been told
                    provider.close()
        except ProviderError as failure:
            self._tell(side, _unread(failure))

    def _by_provider(self, side: _Side) -> None:
        path, locator = side.path, side.locator
        lacking = "this source's provider makes no probe of its own"
        try:
            with closing(self._opened(path, locator.source, Capability.PROBE, lacking)) as provider:
                budget = self._session.budget(path, locator.source)
                (result,) = cast("Prober", provider).probe([locator.item], budget)
            shown = Shown(depth=result.depth, accepted=result.accepted, seen_as=result.seen_as, error=result.error)
        except ProviderError as failure:
            shown = not_made("", failure)
        self._tell(side, shown)

    @property
    def _left(self) -> float:
        return max(0.0, self._end - self._session.clock.monotonic())

    def _tell(self, side: _Side, shown: Shown, old: Shown | None = None) -> None:
        told: dict[str, Any] = {
            "path": side.path,
            "key": side.key,
            "depth": shown.depth,
            "accepted": shown.accepted,
            "seen_as": shown.seen_as,
            "error": shown.error.kind if shown.error else "",
            "message": shown.error.message if shown.error else "",
        }
        if old is not None:
            told["previous"] = {"accepted": old.accepted, "message": old.error.message if old.error else ""}
        if shown.left is not None:
            told["left"] = shown.left._asdict()
        self._write(told)

    def _write(self, told: Mapping[str, Any]) -> None:
        with self._lock:
            print(json.dumps(told), file=self._stdout, flush=True)


def _unread(failure: ProviderError) -> Shown:
    """Nothing came that could be presented: the store or the issuer gave none."""
    return not_made("", failure, _GRANT if failure.kind is ErrorKind.DENIED else "")


def presented(probe: Probe, named: str | None, fields: dict[str, SecretBytes]) -> Presented:
    """What `probe` presents of the item's `fields`.

    Raises:
        ProviderError: MISCONFIGURED, a named field is not there, or none is named and there are several.
    """
    if probe.auth == "none":
        return Presented()
    user = probe.user or (_text(_field(fields, probe.user_field)) if probe.user_field else "")
    chain, key = (_field(fields, name) if name else None for name in (probe.certificate_field, probe.key_field))
    beside = {probe.user_field, probe.session_field}
    secret = None if chain and key else _field(fields, named or probe.secret_field or _only(fields, beside))
    token = _field(fields, probe.session_field) if probe.session_field else None
    return Presented(user, secret, chain, key, token)


def _only(fields: dict[str, SecretBytes], beside: Collection[str]) -> str:
    secret = fields.keys() - set(beside)
    if len(secret) != 1:
        fix = "Name the one to present: #field in the pair, or secret_field in its probe."
        raise ProviderError(ErrorKind.MISCONFIGURED, _UNCLEAR if secret else "the item holds no value", fix=fix)
    return min(secret)


def _field(fields: dict[str, SecretBytes], name: str) -> SecretBytes:
    if name not in fields:
        fix = "Correct the field's name in the pair or its probe."
        raise ProviderError(ErrorKind.MISCONFIGURED, "a field that the probe names is not in the item", fix=fix)
    return fields[name]


def _text(value: SecretBytes) -> str:
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the login name is no text") from None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.stdin, sys.stdout))
    except NhisyncError:
        sys.exit(1)
