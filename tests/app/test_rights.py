"""Rights are read where a tier asks, stand in the rows with their age, and are printed as permissions of their own."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app import rights, threads
from nhisync.app.diff import DiffOptions, diff, observe
from nhisync.app.gather import scope_of
from nhisync.app.permissions import permissions
from nhisync.app.rights import names_of
from nhisync.app.session import Session
from nhisync.clock import SystemClock
from nhisync.collect import cycle
from nhisync.model import Coverage, CoverageStatus, ErrorFact, Item, Report
from nhisync.parity.rights import parse
from nhisync.registry import Registry
from nhisync.spi import AccessMode, Effect, ErrorKind, InventoryRequest, Locator, Observation, ProviderError, Right
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import RIGHTS, RIGHTS_POINT, SCRIPTS, SILENT, RightsProvider

from .scripted import session

CONFIG = """
version: 1
providers: {allow: [unknown]}
policies: policies
paths:
  primary: {region: here, substitutions: {bucket: pay-here}, sources: {one: {provider: rights, script: p-rights}}}
  backup: {region: there, substitutions: {bucket: pay-there}, sources: {one: {provider: rights, script: b-rights}}}
apps:
  payments:
    tier: asking
    owner: payments-oncall
    pairs:
      - {name: svc, kind: machine, primary: "one:kv/svc#password", backup: "one:kv/svc"}
      - {name: plain, kind: secret, primary: "one:kv/plain", backup: "one:kv/plain"}
  quiet:
    tier: standard
    owner: web-oncall
    pairs:
      - {name: other, kind: machine, primary: "one:kv/other", backup: "one:kv/other"}
"""
ASKING = "version: 1\ntier: asking\ninherits: standard\nauthorization: {compare: true, max_age: 15m}\n"
GET = "s3:GetObject"


def observed(request: InventoryRequest) -> Iterator[Observation]:
    """Everything that is wanted is there."""
    now = CLOCKS[-1].now()
    yield from (Item(locator=locator, observed_at=now) for locator in request.wanted)
    yield from (
        Coverage(source="one", kind=kind, scope="", status=CoverageStatus.COMPLETE, as_of=now)
        for kind in sorted(request.kinds)
    )


CLOCKS: list[Any] = []


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose first app compares rights; both sides may read their own bucket."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/asking.yaml").write_text(ASKING)
    made = session(tmp_path, CONFIG, registry=Registry(allow=("unknown",), points=[RIGHTS_POINT]))
    CLOCKS.append(made.clock)
    for script, place in (("p-rights", "here"), ("b-rights", "there")):
        monkeypatch.setitem(SCRIPTS, script, observed)
        for name in ("svc", "other"):
            monkeypatch.setitem(RIGHTS, (script, f"kv/{name}"), (allow(GET, f"arn:{place}:pay-{place}"),))
    return made


def allow(action: str, resource: str) -> Right:
    """One statement."""
    return Right(Effect.ALLOW, (action,), (resource,))


def compared(made: Session, desk: MemoryDesk | None = None) -> Report:
    """One diff."""
    return diff(made, DiffOptions(primary="primary", backup="backup"), desk or MemoryDesk())


def told(report: Report) -> dict[str, str]:
    """Pair → observation of every finding of family 5."""
    return {f"{f.key} {f.code} {f.state.value}": f.observed for f in report.findings if f.code.startswith("NHS5")}


@pytest.mark.requirement("R20")
def test_equal_rights_in_other_names_are_no_finding(asking: Session) -> None:
    """Bucket and region are substituted; the app that does not ask stores nothing."""
    desk = MemoryDesk()
    assert told(compared(asking, desk)) == {}
    rows = {row.key: row for row in desk.rows("backup")}
    assert parse(rows["payments/svc"].grants or "").names == (("bucket", "pay-there"), ("region", "there"))
    assert parse(rows["payments/plain"].grants or "").kind == "unsupported"
    assert rows["quiet/other"].grants is None


@pytest.mark.requirement("R20")
def test_both_directions_are_found(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup lacks one right and has another one too much."""
    monkeypatch.setitem(RIGHTS, ("b-rights", "kv/svc"), (allow("s3:PutObject", "arn:there:pay-there"),))
    assert told(compared(asking)) == {
        "payments/svc NHS501 fail": "lacks s3:GetObject on arn:here:pay-here",
        "payments/svc NHS502 fail": "may also s3:PutObject on arn:there:pay-there",
    }


def test_a_denial_is_unknown_and_names_what_is_missing(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights that may not be read block, with the action to grant."""
    denied = ErrorFact(kind=ErrorKind.DENIED.value, message="may not list policies", action="fake:rights:kv")
    monkeypatch.setitem(RIGHTS, ("b-rights", "kv/svc"), denied)
    assert told(compared(asking)) == {
        "payments/svc NHS504 unknown": "its rights were not read: may not list policies (missing: fake:rights:kv)"
    }


@pytest.mark.requirement("R34", "R5")
def test_silence_keeps_what_was_known_until_it_is_too_old(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that gives no answer today keeps its older rights with their true age; then they are unknown."""
    desk = MemoryDesk()
    assert told(compared(asking, desk)) == {}
    monkeypatch.setitem(SILENT, "b-rights", ProviderError(ErrorKind.UNREACHABLE, "no answer"))
    known_until = asking.clock.now() + timedelta(minutes=15)
    asking.clock.advance(timedelta(minutes=14))  # type: ignore[attr-defined]
    for _ in range(2):  # judged, then remembered
        report = compared(asking, desk)
        assert told(report) == {}
        assert {app.app: app.verdict.valid_until == known_until for app in report.apps} == {
            "payments": True,  # ready no longer than what it rests on
            "quiet": False,
        }
    asking.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]
    (said,) = told(compared(asking, desk)).values()
    assert said.startswith("its rights were last read at ")


@pytest.mark.parametrize("where", ["answer", "close"])
@pytest.mark.requirement("R4b")
def test_a_source_that_hangs_is_left_behind(asking: Session, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Whatever holds the provider's thread: the cycle ends with its budget, and what was said until then holds."""
    monkeypatch.setattr(threads, "GRACE", 0.1)
    monkeypatch.setattr(cycle, "GRACE", 0.1)
    text = (asking.configuration.base / "nhisync.yaml").read_text(encoding="utf-8")
    text = text.replace("script: b-rights", "script: b-rights, limits: {deadline: 1s}")
    made = session(asking.configuration.base, text, registry=asking.registry, clock=SystemClock())
    CLOCKS.append(made.clock)
    released, waiting = threading.Event(), threading.Event()
    answered, closed = RightsProvider.grants, RightsProvider.close

    def grants(provider: RightsProvider, wanted: Any, budget: Any) -> Iterator[Any]:
        yield from answered(provider, [w for w in wanted if w.name == "svc"], budget)
        if provider._settings.script == "b-rights":
            waiting.set()
            released.wait(20)

    def close(provider: RightsProvider) -> None:
        if where == "close" and waiting.is_set():
            released.wait(20)
        closed(provider)

    monkeypatch.setattr(RightsProvider, "grants", grants)
    monkeypatch.setattr(RightsProvider, "close", close)
    desk, begun = MemoryDesk(), time.monotonic()
    try:
        targets = made.resolve("primary", "backup")
        asked = rights.asked_of(made, targets)
        observe(made, scope_of(made.apps(["payments"]), asked.paths), targets, desk, cycle.silent)
        rights.read_rights(made, asked, desk, {})
        spent = time.monotonic() - begun
    finally:
        released.set()
    assert spent < 15, "it waited for the hanging thread"
    documents = {row.key: parse(row.grants or "") for row in desk.rows("backup")}
    assert documents["payments/svc"].rights
    assert (documents["payments/plain"].kind, documents["payments/plain"].reason) == ("throttled", cycle.LATE)
    assert made.budget("backup", "one").cancelled


def test_what_a_left_source_still_says_goes_nowhere(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread may wake up late; what is known of it does not depend on when."""
    released, waiting = threading.Event(), threading.Event()
    answered = RightsProvider.grants

    def grants(provider: RightsProvider, wanted: Any, budget: Any) -> Iterator[Any]:
        facts = list(answered(provider, wanted, budget))
        waiting.set()
        released.wait(20)
        yield from facts[:1]
        raise ProviderError(ErrorKind.UNREACHABLE, "woken up late")

    monkeypatch.setattr(RightsProvider, "grants", grants)
    wanted = tuple(Locator("one", "kv", name) for name in ("svc", "plain"))
    source = rights._Source(asking, ("backup", "one"), wanted)
    thread = threading.Thread(target=source.work)
    thread.start()
    assert waiting.wait(20)
    source.leave()
    released.set()
    thread.join(20)
    found = [parse(document.text) for document in source.documents().values()]
    assert [(one.kind, one.reason) for one in found] == [("throttled", cycle.LATE)] * 2


def test_a_bug_of_one_adapter_ends_the_others_too(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised, not swallowed, and nobody goes on asking behind the back of a run that is over."""

    def grants(provider: RightsProvider, _wanted: Any, budget: Any) -> Iterator[Any]:
        if provider._settings.script == "p-rights":
            raise ZeroDivisionError
        while not budget.cancelled:
            time.sleep(0.01)
        yield from ()

    monkeypatch.setattr(RightsProvider, "grants", grants)
    with pytest.raises(ZeroDivisionError):
        compared(asking)
    assert asking.budget("backup", "one").cancelled


def test_silence_without_anything_known_is_unknown(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever read: for every pair of the asking app whose other side is known."""
    monkeypatch.setitem(SILENT, "b-rights", ProviderError(ErrorKind.UNREACHABLE, "no answer"))
    assert told(compared(asking))["payments/svc NHS504 unknown"] == "its rights were not read: no answer"


def test_new_rights_end_a_remembered_result(asking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run of one desk sees what changed on the backup alone."""
    desk = MemoryDesk()
    assert told(compared(asking, desk)) == {}
    monkeypatch.setitem(RIGHTS, ("b-rights", "kv/svc"), ())
    assert list(told(compared(asking, desk))) == ["payments/svc NHS501 fail"]


def test_permissions_are_printed_for_those_who_ask(asking: Session) -> None:
    """A document of its own beside the READ document, for the asking app's items only; not for other modes."""
    printed = permissions(asking, AccessMode.READ, path="backup")
    assert [one.document.title for one in printed] == ["fake", "fake rights"]
    assert [one.document.title for one in permissions(asking, AccessMode.ROTATE, path="backup")] == ["fake"]
    (only,) = permissions(asking, AccessMode.READ, path="backup", pair="quiet/other")
    assert only.document.title == "fake"


def test_the_region_is_a_name_unless_it_is_one_already(asking: Session) -> None:
    """A configured value that is the region keeps its own name."""
    assert names_of(asking, "backup", "one") == {"region": "there", "bucket": "pay-there"}
    backup = asking.configuration.paths["backup"]
    named = {**asking.configuration.paths, "backup": replace(backup, substitutions={"place": "there"})}
    other = Session(replace(asking.configuration, paths=named), registry=asking.registry)
    assert names_of(other, "backup", "one") == {"place": "there"}
