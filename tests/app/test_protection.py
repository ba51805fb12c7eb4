"""Asking how items are guarded: only where a tier asks, only of sources that hold its items, and told to the end."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.app.diff import DiffOptions, diff
from nhisync.app.permissions import permissions
from nhisync.app.session import Session
from nhisync.model import (
    Audited,
    Coverage,
    CoverageStatus,
    ErrorFact,
    Finding,
    Item,
    KeyHolder,
    Lifecycle,
    Locator,
    Moment,
    Protection,
    State,
    Word,
)
from nhisync.registry import Registry
from nhisync.spi import GUARDED, AccessMode, InventoryRequest, Observation, Unchanged
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

pytestmark = pytest.mark.requirement("R33")

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIG = """
version: 1
paths:
  primary:
    region: here
    sources: {one: {provider: fake, script: guarding-p}, other: {provider: fake, script: guarding-o}}
  backup:
    region: there
    sources: {one: {provider: fake, script: guarding-b}}
providers: {allow: [unknown]}
policies: policies
apps:
  payments:
    tier: asks
    owner: payments-oncall
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
  wiki:
    tier: high
    owner: docs
    pairs:
      - {name: b, kind: secret, primary: "other:kv/b", backup: "one:kv/b"}
"""
STRONG = Protection(
    holder=KeyHolder.CUSTOMER, hardware=True, rotates=True, enabled=True, key="key k1", audited=Audited.YES, audit="log"
)
WEAK = replace(STRONG, hardware=False, audited=Audited.NO, audit="no log")

Look = Callable[..., tuple[dict[str, Word], dict[tuple[str, str], Finding]]]


class Scene:
    """Both paths as scripts, with what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sides = {"guarding-p": STRONG, "guarding-b": STRONG, "guarding-o": STRONG}
        self.requests: dict[str, InventoryRequest] = {}
        self.desk = MemoryDesk()
        self.clock = FakeClock(NOW)

    def look(self, policy: str = "protection: {key: true, audit: true}") -> dict[str, dict[str, Finding]]:
        """One diff; findings of each app by code."""
        (self.folder / "policies").mkdir(exist_ok=True)
        text = f"version: 1\ntier: asks\ninherits: high\n{policy}\n"
        (self.folder / "policies" / "asks.yaml").write_text(text, encoding="utf-8")
        file = self.folder / "nhisync.yaml"
        file.write_text(CONFIG, encoding="utf-8")
        for name in self.sides:
            SCRIPTS[name] = self._script(name)
        registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        opened = Session.open(file, registry=registry, clock=self.clock, randomness=CountingRandomness())
        report = diff(opened, DiffOptions(primary="primary", backup="backup"), self.desk)
        self.words = {verdict.app: verdict.word for verdict in report.verdicts}
        found: dict[str, dict[str, Finding]] = {"payments": {}, "wiki": {}}
        for finding in report.findings:
            found[finding.app][finding.code] = finding
        return found

    def _script(self, name: str) -> Callable[[InventoryRequest], Iterator[Observation]]:
        def script(request: InventoryRequest) -> Iterator[Observation]:
            self.requests[name] = request
            for locator in request.wanted:
                if request.known.get(locator) == "m1":
                    yield Unchanged(locator=locator, observed_at=self.clock.now())
                    continue
                yield self._item(locator, self.sides[name] if request.protection else None)
            if request.protection:
                fact = ErrorFact(kind="denied", message="may not", action="fake:trails")
                yield Coverage(
                    source="one", kind=GUARDED, scope="fake:trails", status=CoverageStatus.DENIED, as_of=NOW, error=fact
                )

        return script

    def _item(self, locator: Locator, protection: Protection | None) -> Item:
        return Item(
            locator=locator,
            observed_at=self.clock.now(),
            lifecycle=Lifecycle.OWN,
            created=Moment(NOW - 60 * DAY),
            rotated=Moment(NOW - 5 * DAY),
            owner="x",
            marker="m1",
            protection=protection,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two apps, one of which asks."""
    return Scene(tmp_path)


def test_a_weaker_backup_is_found_from_source_to_verdict(scene: Scene) -> None:
    """What adapters tell reaches the findings of the app that asks, and only its own."""
    scene.sides["guarding-b"] = WEAK
    found = scene.look()
    assert list(found["payments"]) == ["NHS511", "NHS512"]
    assert found["payments"]["NHS511"].observed == "a key in software (key k1)"
    assert found["payments"]["NHS512"].observed == "reads are not recorded (no log)"
    assert (scene.words, found["wiki"]) == ({"payments": Word.NOT_READY, "wiki": Word.READY}, {})


def test_only_sources_of_asking_apps_are_asked(scene: Scene) -> None:
    """A source that holds nothing of an app that asks costs no call more; without such a tier none does."""
    scene.look()
    assert {name: one.protection for name, one in scene.requests.items()} == {
        "guarding-p": True,
        "guarding-b": True,
        "guarding-o": False,
    }
    scene.look("protection: {key: false}")
    assert not any(one.protection for one in scene.requests.values())
    assert scene.words == {"payments": Word.READY, "wiki": Word.READY}


def test_a_source_that_does_not_tell_leaves_it_unknown(scene: Scene) -> None:
    """Who asked gets no READY out of silence; who asks one thing is told of that one alone."""
    scene.sides["guarding-b"] = Protection()
    found = scene.look()
    assert {code: one.state for code, one in found["payments"].items()} == dict.fromkeys(
        ("NHS511", "NHS512"), State.UNKNOWN
    )
    assert scene.words["payments"] is Word.UNKNOWN
    scene.desk = MemoryDesk()  # what is remembered belongs to one policy
    assert list(scene.look("protection: {audit: true}")["payments"]) == ["NHS512"]


def test_a_refused_optional_read_hides_no_item(scene: Scene) -> None:
    """The note about what guards items is no gap of any listing: verdicts do not change by it."""
    assert scene.look() == {"payments": {}, "wiki": {}}
    assert scene.words == {"payments": Word.READY, "wiki": Word.READY}


def test_what_is_known_without_the_question_is_read_again_with_it(scene: Scene) -> None:
    """A tier that begins to ask is answered at once, although no item changed; and then again by marker."""
    scene.look("protection: {key: false}")
    scene.look("protection: {key: false}")
    here = Locator("one", "kv", "a")
    assert scene.requests["guarding-p"].known[here] == "m1"
    scene.sides["guarding-b"] = WEAK
    found = scene.look()
    assert here not in scene.requests["guarding-p"].known
    assert list(found["payments"]) == ["NHS511", "NHS512"]
    again = scene.look()
    assert scene.requests["guarding-p"].known[here] == "m1"
    assert list(again["payments"]) == ["NHS511", "NHS512"]


PRINTED = """
version: 1
paths:
  primary:
    region: eu-west-1
    sources:
      vault: {provider: vault, address: "https://vault.example:8200", auth: {method: token, token_file: t}}
  backup:
    region: eu-north-1
    sources:
      aws: {provider: aws, region: eu-north-1, auth: {method: keys_file, file: k}}
policies: policies
apps:
  payments:
    tier: asks
    owner: payments-oncall
    pairs:
      - {name: a, kind: secret, primary: "vault:kv/secret/a", backup: "aws:secret/a"}
"""


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("mode", list(AccessMode))
def test_permissions_are_printed_for_tiers_that_ask(tmp_path: Path, mode: AccessMode) -> None:
    """A document of its own, called optional, beside what reading needs; other modes and tiers need none."""
    (tmp_path / "policies").mkdir()
    file = tmp_path / "nhisync.yaml"
    file.write_text(PRINTED, encoding="utf-8")
    printed = {}
    for asks in ("true", "false"):
        text = f"version: 1\ntier: asks\ninherits: high\nprotection: {{audit: {asks}}}\n"
        (tmp_path / "policies" / "asks.yaml").write_text(text, encoding="utf-8")
        found = permissions(Session.open(file), mode)
        printed[asks] = [one for one in found if "protection" in one.document.title]
        if mode is AccessMode.READ:
            assert len(found) - len(printed[asks]) == 2
    assert printed["false"] == []
    if mode in (AccessMode.READ, AccessMode.FINGERPRINT):
        assert [one.source for one in printed["true"]] == ["vault", "aws"]
        assert all("optional" in one.document.title for one in printed["true"])
    else:
        assert printed["true"] == []
