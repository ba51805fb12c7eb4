"""The main job, on scripted providers: what is absent, what is not known, what blocks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.app.desk import StoreDesk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.errors import GuardError, UsageError
from nhisync.model import Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment, Report, State, Word
from nhisync.registry import Registry
from nhisync.spi import ErrorKind, InventoryRequest, Observation, ProviderError, SourceIdentity
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import FAKE_POINT, IDENTITIES, SCRIPTS

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

CONFIG = """
version: 1
paths:
  primary: {{region: here, sources: {{one: {{provider: fake, script: {name}-p}}}}}}
  backup: {{region: there, sources: {{one: {{provider: fake, script: {name}-b}}}}}}
providers: {{allow: [unknown]}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
{pairs}
"""

ONE_PAIR = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
"""

TEMPLATE = """
    match:
      - {kind: secret, primary: "one:listed/{name}", backup: "one:listed/{name}"}
"""


def item(name: str, kind: str = "kv", **changes: object) -> Item:
    """A healthy present item."""
    facts = {"lifecycle": Lifecycle.OWN, "rotated": Moment(NOW - timedelta(days=5)), "owner": "x"} | changes
    locator = Locator("one", kind, name)
    return Item(locator=locator, observed_at=NOW, created=Moment(NOW - timedelta(days=60)), **facts)  # type: ignore[arg-type]


def complete(kind: str = "kv", *, items: int = 1, authoritative: bool = True) -> Coverage:
    """A complete coverage."""
    return Coverage(
        source="one",
        kind=kind,
        scope="",
        status=CoverageStatus.COMPLETE,
        as_of=NOW,
        items=items,
        authoritative=authoritative,
    )


def session(tmp_path: Path, name: str, pairs: str = ONE_PAIR) -> Session:
    """A session on scripted sources called ``<name>-p`` and ``<name>-b``."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(CONFIG.format(name=name, pairs=pairs), encoding="utf-8")
    return Session.open(
        file,
        registry=Registry(allow=("unknown",), points=[FAKE_POINT]),
        clock=FakeClock(NOW),
        randomness=CountingRandomness(),
    )


def script(name: str, primary: list[Observation], backup: list[Observation]) -> None:
    """Script both sides."""
    SCRIPTS[f"{name}-p"] = lambda _request: iter(primary)
    SCRIPTS[f"{name}-b"] = lambda _request: iter(backup)


Run = Callable[..., Report]


@pytest.fixture(params=["memory", "store"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Diff primary against backup, keeping what is learnt between two runs of a test; on both desks."""
    memory = MemoryDesk()
    with Store.temporary(clock=FakeClock(NOW), randomness=CountingRandomness()) as store:

        def both(opened: Session, **options: object) -> Report:
            chosen = DiffOptions(primary="primary", backup="backup", **options)  # type: ignore[arg-type]
            if request.param == "memory":
                return diff(opened, chosen, memory)
            with store.run("diff") as handle:
                return diff(opened, chosen, StoreDesk(opened, store, handle, cached=chosen.cached))

        yield both


def codes(report: Report) -> dict[str, str]:
    """Code → state of everything that did not pass."""
    return {f.code: f.state.value for f in report.findings}


def test_equivalent_pair_is_ready(run: Run, tmp_path: Path) -> None:
    """Two healthy, independent items make the backup ready, and nothing is reported."""
    script("healthy", [item("a"), complete()], [item("a"), complete()])
    report = run(session(tmp_path, "healthy"))
    assert codes(report) == {}
    assert [v.word for v in report.verdicts] == [Word.READY]
    assert report.verdicts[0].valid_until <= NOW + timedelta(seconds=90)


TWO_APPS = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
  search:
    tier: standard
    owner: search-oncall
    pairs:
      - {name: b, kind: secret, primary: "one:kv/b", backup: "one:kv/b"}
      - {name: c, kind: secret, primary: "one:kv/c", backup: "one:kv/c"}
"""


def test_each_app_has_the_age_of_its_own_evidence(run: Run, tmp_path: Path) -> None:
    """Old facts of one app do not make another one's look old; the report as a whole is as old as its oldest."""
    old = NOW - timedelta(minutes=7)
    both = [item("a"), item("b"), replace(item("c"), observed_at=old), complete(items=3)]
    script("ages", both, [item("a"), item("b"), item("c"), complete(items=3)])
    report = run(session(tmp_path, "ages", TWO_APPS))
    assert {app.app: app.evidence_age for app in report.apps} == {
        "payments": timedelta(0),
        "search": timedelta(minutes=7),
    }
    assert report.evidence_age == timedelta(minutes=7)


def test_an_app_without_rows_has_no_age(run: Run, tmp_path: Path) -> None:
    """Nothing was observed, so nothing is fresh."""
    script("ageless", [complete("listed", items=0)], [complete("listed", items=0)])
    (app,) = run(session(tmp_path, "ageless", TEMPLATE)).apps
    assert app.evidence_age is None


def test_what_does_not_block_is_counted_beside_the_verdict(run: Run, tmp_path: Path) -> None:
    """READY stays READY, and says how many warnings stand and what is wrong with the primary alone."""
    expired = Moment(NOW - timedelta(hours=1))
    unowned = [item("b", owner=""), item("c", owner="")]
    script("beside", [item("a"), *unowned, complete(items=3)], [item("a"), *unowned, complete(items=3)])
    apps = {app.app: app for app in run(session(tmp_path, "beside", TWO_APPS)).apps}
    assert (apps["payments"].warnings, apps["payments"].infos, apps["payments"].primary_fails) == (0, 0, 0)
    assert apps["search"].verdict.word is Word.READY
    assert (apps["search"].warnings, apps["search"].primary_fails) == (2, 0)
    script("ended", [item("a", expires=expired), complete(items=3)], [item("a"), complete(items=3)])
    (app,) = run(session(tmp_path, "ended")).apps
    assert (app.verdict.word, app.warnings, app.primary_fails) == (Word.READY, 0, 1)


@pytest.mark.requirement("R11")
def test_proven_absence_is_missing(run: Run, tmp_path: Path) -> None:
    """An authoritative "no such item" on the backup is a fail."""
    from nhisync.model import Presence

    absent = Item(locator=Locator("one", "kv", "a"), observed_at=NOW, presence=Presence.ABSENT)
    script("absent", [item("a"), complete()], [absent, complete()])
    report = run(session(tmp_path, "absent"))
    assert codes(report)["NHS101"] == "fail"
    assert report.verdicts[0].word is Word.NOT_READY


@pytest.mark.parametrize("kind", [ErrorKind.UNREACHABLE, ErrorKind.DENIED, ErrorKind.THROTTLED, ErrorKind.MALFORMED])
@pytest.mark.requirement("R6")
def test_ignorance_is_unknown_and_never_missing(run: Run, tmp_path: Path, kind: ErrorKind) -> None:
    """Whatever keeps the backup from answering is unknown: not ready, but not "missing"."""

    def lost(_request: InventoryRequest) -> Iterator[Observation]:
        raise ProviderError(kind, "gone")
        yield

    script("lost", [item("a"), complete()], [])
    SCRIPTS["lost-b"] = lost
    report = run(session(tmp_path, "lost"))
    assert set(codes(report).values()) == {"unknown"}
    assert "NHS101" not in codes(report)
    assert report.verdicts[0].word is Word.UNKNOWN


@pytest.mark.requirement("R34")
def test_one_unknown_of_many_blocks(run: Run, tmp_path: Path) -> None:
    """99 of 100 is not ready."""
    names = [f"n{i:03}" for i in range(100)]
    lines = "".join(
        f'      - {{name: {n}, kind: secret, primary: "one:kv/{n}", backup: "one:kv/{n}"}}\n' for n in names
    )
    primary: list[Observation] = [*(item(n) for n in names), complete()]
    backup: list[Observation] = [*(item(n) for n in names[:-1]), complete()]
    script("many", primary, backup)
    report = run(session(tmp_path, "many", f"\n    pairs:\n{lines}"))
    verdict = report.verdicts[0]
    assert (verdict.pairs, verdict.passing, verdict.unknown, verdict.word) == (100, 99, 1, Word.UNKNOWN)


@pytest.mark.requirement("R6")
def test_absence_in_a_lagging_listing_is_confirmed_by_a_single_read(run: Run, tmp_path: Path) -> None:
    """An item missing from an eventually consistent listing is read once more before anything is claimed."""
    asked: list[tuple[Locator, ...]] = []

    def listing(request: InventoryRequest) -> Iterator[Observation]:
        asked.append(request.wanted)
        if request.wanted:
            yield item("late", "listed")
        else:
            yield complete("listed", items=0, authoritative=False)

    script("lag", [item("late", "listed"), complete("listed", authoritative=False)], [])
    SCRIPTS["lag-b"] = listing
    report = run(session(tmp_path, "lag", TEMPLATE))
    assert asked == [(), (Locator("one", "listed", "late"),)]
    assert [v.word for v in report.verdicts] == [Word.READY]


@pytest.mark.requirement("R6")
def test_app_without_pairs_is_unknown(run: Run, tmp_path: Path) -> None:
    """Zero items are never parity."""
    script("empty", [complete("listed", items=0)], [complete("listed", items=0)])
    report = run(session(tmp_path, "empty", TEMPLATE))
    assert codes(report) == {"NHS906": "unknown"}
    assert report.verdicts[0].word is Word.UNKNOWN


@pytest.mark.requirement("R32")
def test_one_identity_on_both_paths_is_refused(run: Run, tmp_path: Path) -> None:
    """Two paths that are read as one identity are refused by a guard."""
    same = SourceIdentity(authority="fake", principal="me", endpoint="x")
    IDENTITIES["same-p"] = IDENTITIES["same-b"] = same
    script("same", [item("a"), complete()], [item("a"), complete()])
    with pytest.raises(GuardError, match="one identity"):
        run(session(tmp_path, "same"))


def test_filters_narrow_the_view_not_the_verdict(run: Run, tmp_path: Path) -> None:
    """Filtering findings away never makes a path ready."""
    script("filter", [item("a"), complete()], [item("a", owner=""), complete()])
    other = '      - {name: other, kind: secret, primary: "one:kv/o", backup: "one:kv/o"}\n'
    opened = session(tmp_path, "filter", ONE_PAIR + other)
    assert "NHS103" in codes(run(opened))
    assert codes(run(opened, checks=("NHS3",))) == {}
    assert "NHS103" not in codes(run(opened, pairs=("other",)))
    assert "NHS103" in codes(run(opened, pairs=("payments/a",), checks=("nhs1", "fresh")))
    assert set(codes(run(opened, show_passing=True)).values()) > {State.PASS.value}


def test_second_run_takes_over_unchanged_pairs(run: Run, tmp_path: Path) -> None:
    """Unchanged pairs are not judged again, and their stored findings still count."""
    old = Moment(NOW - timedelta(days=40))
    script("again", [item("a"), complete()], [item("a", rotated=old), complete()])
    opened = session(tmp_path, "again")
    first, second = run(opened), run(opened)
    assert second.apps[0].unchanged == 1
    assert codes(first) == codes(second) == {"NHS201": "fail"}
    assert second.verdicts[0].word is Word.NOT_READY


def test_cached_contacts_nothing(run: Run, tmp_path: Path) -> None:
    """`--cached` judges what is stored; a pair that was never looked at is unknown."""
    script("cached", [], [])
    report = run(session(tmp_path, "cached"), cached=True)
    assert codes(report) == {"NHS905": "unknown"}
    assert report.paths[0].sources == ()


@pytest.mark.parametrize(
    ("filters", "fix"),
    [
        ({"pairs": ("b",)}, "nhisync inventory"),
        ({"pairs": ("paymnts/a",)}, "payments/a"),
        ({"checks": ("NHS999",)}, "NHS90"),
        ({"checks": ("frsh",)}, "fresh"),
    ],
)
def test_a_filter_that_can_show_nothing_is_refused(
    tmp_path: Path, filters: dict[str, tuple[str, ...]], fix: str
) -> None:
    """A typo must not read like "no findings"; nothing is contacted."""
    with pytest.raises(UsageError) as caught:
        diff(session(tmp_path, "x"), DiffOptions(primary="primary", backup="backup", **filters), MemoryDesk())  # type: ignore[arg-type]
    assert fix in caught.value.fix


def test_a_template_may_bring_any_pair(run: Run, tmp_path: Path) -> None:
    """Names that only the sweep knows are not refused."""
    script("dynamic", [item("x", "listed"), complete("listed")], [item("x", "listed", owner=""), complete("listed")])
    assert "NHS103" in codes(run(session(tmp_path, "dynamic", TEMPLATE), pairs=("x",)))


@pytest.mark.parametrize(("primary", "backup"), [("backup", "primary"), ("primary", "nowhere"), ("primary", "primary")])
def test_unknown_paths_and_roles_are_usage_errors(tmp_path: Path, primary: str, backup: str) -> None:
    """Paths that no app uses in these roles are refused before anything is contacted."""
    with pytest.raises(UsageError):
        diff(session(tmp_path, "x"), DiffOptions(primary=primary, backup=backup), MemoryDesk())


@pytest.mark.requirement("R1")
def test_a_fault_of_the_primary_does_not_keep_the_backup_out(run: Run, tmp_path: Path) -> None:
    """An expired primary is reported and blocks nothing: it is the very case in which traffic must be let in."""
    ended = Moment(NOW - timedelta(days=1))
    script("broken", [item("a", expires=ended), complete()], [item("a"), complete()])
    report = run(session(tmp_path, "broken"))
    assert codes(report)["NHS301"] == "fail"
    assert report.verdicts[0].word is Word.READY


def test_a_misspelt_pair_of_a_template_is_refused(run: Run, tmp_path: Path) -> None:
    """Which pairs a template makes only the run knows: a name it did not see is a typo, and the near one is named."""
    seen = [item("stripe-api", "listed"), complete("listed")]
    script("typo", seen, seen)
    opened = session(tmp_path, "typo", TEMPLATE)
    assert run(opened, pairs=("stripe-api", "payments/stripe-api")).findings == ()
    with pytest.raises(UsageError, match="no pair called `stripe-apy` was seen in this run") as caught:
        run(opened, pairs=("stripe-apy",))
    assert "stripe-api" in caught.value.fix


def test_a_pair_that_could_not_be_seen_is_no_typo(run: Run, tmp_path: Path) -> None:
    """Where no source answered the verdict is unknown; that the name is wrong is not known."""

    def lost(_request: InventoryRequest) -> Iterator[Observation]:
        raise ProviderError(ErrorKind.UNREACHABLE, "no answer")

    SCRIPTS["mute-p"] = SCRIPTS["mute-b"] = lost
    report = run(session(tmp_path, "mute", TEMPLATE), pairs=("stripe-api",))
    assert [v.word for v in report.verdicts] == [Word.UNKNOWN]


def test_a_missing_counterpart_is_said_with_its_place(run: Run, tmp_path: Path) -> None:
    """A template's half that is not listed is named by the address where it should stand."""
    script("gap", [item("new"), complete()], [complete(items=0)])
    (finding,) = run(session(tmp_path, "gap", TEMPLATE.replace("listed", "kv"))).findings
    assert (finding.code, finding.observed) == ("NHS101", "does not exist: one:kv/new")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ErrorKind.MISCONFIGURED, "names the setting"),
        (ErrorKind.READ_ONLY_SIDE, "active node"),
        (ErrorKind.UNSUPPORTED, "cannot tell"),
        (ErrorKind.SCOPE_MISSING, "correct the locator"),
    ],
)
def test_what_is_not_covered_has_the_step_of_its_reason(run: Run, tmp_path: Path, kind: ErrorKind, words: str) -> None:
    """A missing profile, a standby's answer and a kind that cannot be read end differently; none by "add the kind"."""

    def lost(_request: InventoryRequest) -> Iterator[Observation]:
        raise ProviderError(kind, "told by the provider")

    script("reasons", [item("a"), complete()], [])
    SCRIPTS["reasons-b"] = lost
    (finding,) = run(session(tmp_path, "reasons")).findings
    assert (finding.code, words in finding.next[0]) == ("NHS905", True)
