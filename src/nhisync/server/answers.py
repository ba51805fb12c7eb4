"""Every answer of the poller port, as finished bytes; made once per publication, only chosen per request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nhisync.model import Mode
from nhisync.statement import Publication, Role, Signal, SignalState, Window

Headers = tuple[tuple[bytes, bytes], ...]

READY, BLOCKED = "NHISYNC-READY", "NHISYNC-BLOCKED"
LARGEST_BODY = 1024
"""Bytes; Google's health checks read no further (Cloud Load Balancing, "health check concepts")."""

RETRY_AFTER = b"10"
"""Seconds; no controller reads it, people and scripts do."""

_ALWAYS: Headers = ((b"cache-control", b"no-store"), (b"connection", b"close"))


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer.

    Attributes:
        status: 200, 404 or 503.
        headers: in order, without Date.
        body: at most 1,024 bytes, ASCII.
    """

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Gate:
    """The two answers of one URL and the span in which the first one holds.

    Attributes:
        fresh: while every window covers the moment of the request.
        stale: otherwise; never a 200.
        windows: one per signal that answers here.
    """

    fresh: Answer
    stale: Answer
    windows: tuple[Window, ...]

    def at(self, now: datetime, boottime: float) -> Answer:
        """The answer at one moment."""
        for window in self.windows:
            if not window.covers(now, boottime):
                return self.stale
        return self.fresh


Table = Mapping[str, Gate]
"""URL path → gate."""


def table_of(publication: Publication) -> Table:
    """All readiness URLs of `publication`: by role word and by path name, JSON and one-line text."""
    table: dict[str, Gate] = {}
    for app in dict.fromkeys(signal.app for signal in publication.signals):
        names = dict.fromkeys(s.path for s in publication.signals if s.app == app)
        for word in (*Role, *names):
            signals = publication.find(app, word)
            if signals:
                table.update(_gates(publication, signals, app, str(word)))
    return table


def unpublished(places: Mapping[str, Sequence[str]], instance: str) -> Table:
    """The table before anything was published: every known URL is blocked, state INIT.

    Args:
        places: app → role words and path names that exist.
        instance: which nhisync speaks.
    """
    table: dict[str, Gate] = {}
    for app, words in places.items():
        for word in words:
            body: dict[str, Any] = {"signal": f"{BLOCKED} {app}/{word}", "status": "fail", "state": SignalState.INIT}
            answer = _json(503, body | {"instance": instance}, _state_headers(SignalState.INIT))
            line = _line(503, f"{BLOCKED} {app}/{word}")
            url = f"/v1/ready/{app}/{word}"
            table |= {url: Gate(answer, answer, ()), f"{url}.txt": Gate(line, line, ())}
    return table


def _gates(publication: Publication, signals: tuple[Signal, ...], app: str, word: str) -> dict[str, Gate]:
    windows = tuple(Window.of(publication, signal) for signal in signals)
    opens = all(signal.opens for signal in signals)
    fresh = _told(publication, signals, word, opens=opens, stale=False)
    stale = _told(publication, signals, word, opens=False, stale=True)
    stale_line = _line(503, f"{BLOCKED} {app}/{word}")
    fresh_line = _line(200, f"{READY} {app}/{word}") if opens else stale_line
    url = f"/v1/ready/{app}/{word}"
    return {url: Gate(fresh, stale, windows), f"{url}.txt": Gate(fresh_line, stale_line, windows)}


def _told(publication: Publication, signals: tuple[Signal, ...], word: str, *, opens: bool, stale: bool) -> Answer:
    first = signals[0]
    evaluated, until = min(s.evaluated_at for s in signals), min(s.valid_until for s in signals)
    state = _state(signals, stale=stale)
    body: dict[str, Any] = {
        "signal": f"{READY if opens else BLOCKED} {first.app}/{word}",
        "status": _status(signals, opens=opens),
        "state": state,
        "tier": first.tier,
        "mode": first.mode,
        "evaluated_at": _stamp(evaluated),
        "valid_until": _stamp(until),
        "seq": publication.sequence,
        "instance": publication.instance,
    }
    if first.mode is Mode.OBSERVE:
        body["would_block"] = stale or any(signal.would_block for signal in signals)
    if not publication.public_profile:
        body["blocks"] = ["STALE"] if stale else _blocks(signals)
    times: Headers = (
        (b"nhisync-evaluated-at", _stamp(evaluated).encode()),
        (b"nhisync-valid-until", _stamp(until).encode()),
    )
    return _json(200 if opens else 503, body, (*_state_headers(state), *times))


def _status(signals: tuple[Signal, ...], *, opens: bool) -> str:
    """The words of draft-inadarei-api-health-check: ``warn`` is a 200 that only observe mode keeps open."""
    if not opens:
        return "fail"
    return "warn" if any(signal.would_block for signal in signals) else "pass"


def _state(signals: tuple[Signal, ...], *, stale: bool) -> SignalState:
    """The state word; backups that answer together and differ, and anything stale, are STANDBY_BLOCKED."""
    states = {signal.state for signal in signals}
    return SignalState.STANDBY_BLOCKED if stale or len(states) > 1 else states.pop()


def _blocks(signals: tuple[Signal, ...]) -> list[str]:
    return list(dict.fromkeys(word for signal in signals for word in signal.blocks))[:5]


def _stamp(instant: datetime) -> str:
    """Whole seconds, rounded down: an end shown to a person is never later than the true one."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _state_headers(state: SignalState) -> Headers:
    return ((b"nhisync-state", state.encode()),)


def _json(status: int, body: Mapping[str, Any], extra: Headers = ()) -> Answer:
    data = json.dumps(body, separators=(",", ":")).encode("ascii")
    if len(data) > LARGEST_BODY:  # cannot happen: names end at 63 characters; a longer body would be cut by pollers
        raise ValueError("an answer is longer than pollers read")
    return _answer(status, b"application/health+json", data, extra)


def _line(status: int, text: str) -> Answer:
    return _answer(status, b"text/plain; charset=us-ascii", text.encode("ascii") + b"\n")


def _answer(status: int, kind: bytes, body: bytes, extra: Headers = ()) -> Answer:
    retry: Headers = ((b"retry-after", RETRY_AFTER),) if status == 503 else ()
    head: Headers = ((b"content-type", kind), (b"content-length", str(len(body)).encode()))
    return Answer(status, (*head, *_ALWAYS, *extra, *retry), body)


NOT_FOUND = _json(404, {"signal": "NHISYNC-UNKNOWN", "status": "fail"})
"""For everything that is no readiness URL of a known app and path. It never repeats what was asked."""

ALIVE = _json(200, {"status": "pass"})
"""``/livez``: this process answers. It says nothing about the sync process or about any app."""
