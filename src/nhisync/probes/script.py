"""Scripts of ``http`` probes: read, modify, verify, undo, verify that it is undone (ADR 51).

What is written comes from the configuration or from a field that a step captured, within a bound. As soon as something
may have been changed the undo is made, whatever happened since, in time of its own, and looked after. What stays behind
is told with the values that find it again; the next probe undoes that first.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from nhisync.probes.exchange import Answer, Request, value_at
from nhisync.probes.order import Left, Order, Patience, Presented, Shown, name_of, not_made
from nhisync.probes.wire import ClientRefusedError, place
from nhisync.spi import ErrorKind, ProviderError

UNDOING: Final = 5.0
"""Seconds that are kept for the undo and its look, behind the time of the probe."""

MARK: Final = "X-Nhisync-Run"
"""Header of every request of a script: it finds in the service's log what a run did."""

RUN: Final = "run"
"""Name of the run's own id among the values."""

_CAPTURED: Final = re.compile(r"[A-Za-z0-9._~:@+/= -]{1,128}")
_NAME: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_TRIES: Final = 2

Values = Mapping[str, str | int]
Send = Callable[[Request, Patience], Answer]


class _Step(NamedTuple):
    """One request: what is asked, and what its answer must show."""

    name: str
    method: str
    path: str
    body: Any
    expect: frozenset[int]
    capture: Mapping[str, str]
    equals: Mapping[str, str]


class _StepError(Exception):
    """A step did not go as the script says.

    Args:
        why: for a person.
        status: what was answered, 0 = nothing was.
        answered: whether the service said anything.
        other: it said that a member has another value, not just none.
    """

    def __init__(self, why: str, status: int = 0, *, answered: bool = True, other: bool = False) -> None:
        super().__init__(why)
        self.why, self.status, self.answered, self.other = why, status, answered, other


def transacted(order: Order, shown: Shown, presented: Presented, patience: Patience, send: Send) -> Shown:
    """`shown`, an accepted login, after the script of `order` was run with it.

    Args:
        order: with its script, its run id and what an earlier run left behind.
        shown: what the login showed.
        presented: what was presented; no captured value may tell of it.
        patience: time of the steps until the change was verified.
        send: makes a request with the credential.
    """
    run = _Run(order, presented, send)
    if order.left and (left := run.settled(values_of(order.left), patience)) is not None:
        told = "the login is accepted, but what an earlier run of its script changed is not undone"
        return replace(not_made("auth", ProviderError(ErrorKind.CONFLICT, told)), left=left)
    values: dict[str, str | int] = {RUN: order.run}
    try:
        run.take("read", values, patience)
    except _StepError as failure:
        return replace(_stopped("read", failure), left=Left())
    patience.change(json.dumps(values, sort_keys=True), run.where(values))
    try:
        failed = run.changed(values, patience)
    except BaseException:
        run.undone(values, patience)
        raise
    if failed is not None and failed[0] == "modify" and 400 <= failed[1].status < 500:
        return replace(_stopped(*failed), left=Left())  # refused: it is not ours, whatever is there
    left = run.undone(values, patience) or Left()
    if failed is not None:
        return replace(_stopped(*failed), left=left)
    if left.told:
        told = "the login is accepted, but the script's change is not undone"
        return replace(not_made("auth", ProviderError(ErrorKind.CONFLICT, told)), left=left)
    return replace(shown, left=left)


def values_of(text: str) -> Values:
    """The values that find again what was left behind; empty where the text is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            return {name: value for name, value in found.items() if _plain(value)}
    return {}


def _plain(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and _CAPTURED.fullmatch(value) is not None
    )


def _stopped(name: str, failure: _StepError) -> Shown:
    kind = ErrorKind.DENIED if failure.status in {401, 403} else ErrorKind.CONFLICT
    kind = kind if failure.answered else ErrorKind.UNREACHABLE
    told = f"the login is accepted, but its script stops at `{name}`: {failure.why}"
    return not_made("auth", ProviderError(kind, told))


class _Run:
    """The steps of one script, sent with one credential."""

    def __init__(self, order: Order, presented: Presented, send: Send) -> None:
        self._steps = {step.name: step for step in _steps(order.script)}
        self._presented, self._send = presented, send
        host, port = place(order.target)
        self._where = f"{host}:{port}"

    def changed(self, values: dict[str, str | int], patience: Patience) -> tuple[str, _StepError] | None:
        """Modify and verify; the step that failed, and why."""
        for name in ("modify", "verify"):
            try:
                self.take(name, values, patience)
            except _StepError as failure:
                return name, failure
        return None

    def settled(self, values: Values, patience: Patience) -> Left | None:
        """Undo what an earlier run left, as `undone` does; what was written in its place since is not overwritten."""
        own = patience.anew(UNDOING)
        try:
            self.take("verify", dict(values), own)
        except _StepError as failure:
            if failure.other:
                return None
        return self._undone(values, own)

    def undone(self, values: Values, patience: Patience) -> Left | None:
        """Undo and look; what is left behind, or None. Bounded by `UNDOING` and two tries."""
        return self._undone(values, patience.anew(UNDOING))

    def _undone(self, values: Values, own: Patience) -> Left | None:
        known = dict(values)
        failure = _StepError("nobody tried", answered=False)
        for _ in range(_TRIES):
            why = ""
            try:
                self.take("undo", known, own)
            except _StepError as problem:
                why = f"the undo: {problem.why}"
            try:
                self.take("undone", known, own)
            except _StepError as problem:
                failure = _StepError(why or f"afterwards: {problem.why}", answered=problem.answered)
            else:
                return None
        return Left(json.dumps(known, sort_keys=True), f"{self.where(known)}: {failure.why}", failure.answered)

    def where(self, values: Values) -> str:
        """What is changed, and by which run; a query is not shown."""
        step = self._steps["modify"]
        path = _filled(step.path.partition("?")[0], values, missing="…")
        told = name_of(f"run {values.get(RUN, '?')}, {step.method} {self._where}{path}", self._presented)
        return told or f"run {values.get(RUN, '?')}"

    def take(self, name: str, values: dict[str, str | int], patience: Patience) -> None:
        """One step; what it captures goes into `values`.

        Raises:
            _StepError: it was not answered, or not as the script says.
        """
        step = self._steps[name]
        if lacking := sorted({one for one in _names(step) if one not in values}):
            raise _StepError(f"it needs {{{lacking[0]}}}, which no answer told", answered=False)
        answer = self._answer(step, values, patience)
        if answer.status not in step.expect:
            raise _StepError(f"the service answers {answer.status}", answer.status)
        for member, wanted in step.equals.items():
            found = value_at(answer.body, member)
            if str(found) != _filled(wanted, values):
                told = "a member of the answer is not what it should be"
                raise _StepError(told, answer.status, other=found is not None)  # a portal's page has no members
        for captured, member in step.capture.items():
            value = value_at(answer.body, member)
            if not _plain(value) or not name_of(str(value), self._presented):
                raise _StepError(f"the answer holds no {{{captured}}} that can be carried", answer.status)
            values[captured] = value if isinstance(value, int) else str(value)

    def _answer(self, step: _Step, values: Values, patience: Patience) -> Answer:
        body = None if step.body is None else json.dumps(_within(step.body, values)).encode()
        headers = {MARK: str(values.get(RUN, ""))}
        if body is not None:
            headers["Content-Type"] = "application/json"
        path = _filled(step.path, {name: _quoted(value) for name, value in values.items()})
        try:
            return self._send(Request(path, headers, step.method, body), patience)
        except (ProviderError, ClientRefusedError):
            raise _StepError("the service did not answer", answered=False) from None


def _steps(text: str) -> Iterator[_Step]:
    for raw in json.loads(text):
        yield _Step(**{**raw, "expect": frozenset(raw["expect"])})


def _names(step: _Step) -> set[str]:
    """Names of the values that a step needs."""
    return set(_NAME.findall(json.dumps([step.path, step.body, dict(step.equals)])))


def _quoted(value: str | int) -> str:
    """A value as one part of a path; it never leads to another folder."""
    text = quote(str(value), safe="")
    return text.replace(".", "%2E") if not text.strip(".") else text


def _filled(text: str, values: Values, missing: str = "") -> str:
    return _NAME.sub(lambda found: str(values.get(found[1], missing)), text)


def _within(body: Any, values: Values) -> Any:
    """The body with its values; a text that is one placeholder becomes the value itself, number or text."""
    if isinstance(body, dict):
        return {name: _within(one, values) for name, one in body.items()}
    if isinstance(body, list):
        return [_within(one, values) for one in body]
    if not isinstance(body, str):
        return body
    whole = _NAME.fullmatch(body)
    return values[whole[1]] if whole else _filled(body, values)
