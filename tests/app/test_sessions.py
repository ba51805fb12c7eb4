"""What a report says of an app's sessions as a whole: declared lost, over, or shown by nothing (R38)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.model import Coverage, CoverageStatus, Finding, Item, KeySet, Lifecycle, Locator, Moment, Report, Word
from nhisync.model import SignatureKey as Key
from nhisync.registry import Registry
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

pytestmark = pytest.mark.requirement("R38")

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)

CONFIG = """
version: 1
paths:
  primary: {{region: here, sources: {{one: {{provider: fake, script: sessions-p}}}}}}
  backup: {{region: there, sources: {{one: {{provider: fake, script: sessions-b}}}}}}
providers: {{allow: [unknown]}}
policies: policies
apps:
  payments:
    tier: asks
    owner: payments-oncall
{more}
    pairs:
      - {{name: a, primary: "one:kv/a", backup: "one:kv/a", {pair}}}
"""
LOST = "    sessions: {{on_switch: lost, owner: docs-team, until: {until}, reason: readers log in again}}"
SHARED = "kind: signing-key, class: shared, owner: x, until: 2027-06-30, reason: cookies"

Look = Callable[..., tuple[Word, dict[str, Finding]]]


def item(*keys: Key) -> Item:
    """A healthy present item, or a key set without dates."""
    locator = Locator("one", "kv", "a")
    if keys:
        return Item(locator=locator, observed_at=NOW, owner="x", key_set=KeySet(keys=keys))
    created, rotated = Moment(NOW - 60 * DAY), Moment(NOW - 5 * DAY)
    return Item(locator=locator, observed_at=NOW, lifecycle=Lifecycle.OWN, created=created, rotated=rotated, owner="x")


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Diff both sides of one pair under a policy; the verdict, and the findings by code."""
    desks: dict[tuple[str, ...], MemoryDesk] = {}  # what is remembered belongs to one configuration

    def seen(
        *,
        more: str = "",
        pair: str = "kind: secret",
        policy: str = "sessions: {ask: true}",
        sides: tuple[Item, Item] = (item(), item()),
        now: datetime = NOW,
    ) -> tuple[Word, dict[str, Finding]]:
        (tmp_path / "policies").mkdir(exist_ok=True)
        text = f"version: 1\ntier: asks\ninherits: critical\n{policy}\n"
        (tmp_path / "policies" / "asks.yaml").write_text(text, encoding="utf-8")
        file = tmp_path / "nhisync.yaml"
        file.write_text(CONFIG.format(more=more, pair=pair), encoding="utf-8")
        for name, found in zip(("sessions-p", "sessions-b"), sides, strict=True):
            _script(name, found)
        opened = Session.open(
            file,
            registry=Registry(allow=("unknown",), points=[FAKE_POINT]),
            clock=FakeClock(now),
            randomness=CountingRandomness(),
        )
        desk = desks.setdefault((more, pair, policy), MemoryDesk())
        report: Report = diff(opened, DiffOptions(primary="primary", backup="backup"), desk)
        return report.verdicts[0].word, {finding.code: finding for finding in report.findings}

    return seen


def _script(name: str, found: Item) -> None:
    covered = Coverage(
        source="one", kind="kv", scope="", status=CoverageStatus.COMPLETE, as_of=NOW, items=1, authoritative=True
    )
    SCRIPTS[name] = lambda _request: iter([found, covered])


def test_a_tier_that_asks_wants_an_answer(look: Look) -> None:
    """An app without a pair of signing keys is unknown where its tier asks, and as ready as before where none does."""
    word, found = look()
    assert (word, list(found)) == (Word.UNKNOWN, ["NHS811"])
    assert (found["NHS811"].pair, found["NHS811"].state.value) == ("", "unknown")
    assert look(policy="") == (Word.READY, {})
    assert look(policy="sessions: {ask: true}\noff: [NHS811]") == (Word.READY, {})


def test_sessions_in_a_replicated_store_are_attested(look: Look) -> None:
    """Where no key decides, a tier asks for the attestation instead: then that one is missing, and nothing else."""
    word, found = look(policy="sessions: {ask: true}\nattestations: {session-state: 7d}")
    assert (word, list(found)) == (Word.UNKNOWN, ["NHS910"])
    assert "session-state: never attested" in found["NHS910"].observed


def test_what_is_declared_lost_is_seen_and_blocks_nothing(look: Look) -> None:
    """The app is ready, and everybody who looks learns who decided that its users log in again, and until when."""
    word, found = look(more=LOST.format(until="2026-12-31"))
    assert (word, list(found)) == (Word.READY, ["NHS812"])
    assert found["NHS812"].severity.value == "info"
    assert found["NHS812"].observed == "declared by docs-team until 2026-12-31: readers log in again"


def test_a_declaration_that_has_ended_counts_no_more(look: Look) -> None:
    """Through its last day it holds; then the tier asks again, and who once decided stays to be seen."""
    assert look(more=LOST.format(until="2026-11-23"))[0] is Word.READY
    word, found = look(more=LOST.format(until="2026-11-22"))
    assert (word, sorted(found)) == (Word.UNKNOWN, ["NHS811", "NHS812"])
    assert found["NHS812"].observed.endswith("(over)")


def test_a_tier_may_forbid_to_lose_sessions(look: Look) -> None:
    """Raised to an error, the declaration blocks."""
    word, found = look(more=LOST.format(until="2026-12-31"), policy="severities: {NHS812: error}")
    assert (word, list(found)) == (Word.NOT_READY, ["NHS812"])


def test_key_sets_that_carry_each_other_are_ready(look: Look) -> None:
    """A pair of key sets is whole without any date, and its shared public keys are no reused credential."""
    one, two = Key("one", "t1", ("ES256",)), Key("two", "t2", ("ES256",))
    assert look(pair="kind: signing-key", sides=(item(one, two), item(one, two))) == (Word.READY, {})
    word, found = look(pair="kind: signing-key", sides=(item(one, two), item(one)))
    assert (word, list(found)) == (Word.NOT_READY, ["NHS808"])
    word, found = look(pair="kind: signing-key", sides=(item(one), item(one, two)))
    assert (word, list(found)) == (Word.READY, ["NHS809"])
    lost = LOST.format(until="2026-12-31")
    word, found = look(more=lost, pair="kind: signing-key", sides=(item(one), item(two)))
    assert (word, list(found)) == (Word.READY, ["NHS812"])


def test_a_value_that_could_not_be_compared_is_unknown_and_not_different(look: Look) -> None:
    """The comparing process fails here: the pair says why it is not known, instead of that the values differ."""
    word, found = look(pair=SHARED, policy="evidence: {compare_values: true}")
    assert (word, list(found)) == (Word.UNKNOWN, ["NHS808"])
    assert "nothing is known about reuse" in found["NHS808"].observed
    again, repeated = look(pair=SHARED, policy="evidence: {compare_values: true}")
    assert (again, list(repeated)) == (word, list(found))


def test_a_rule_that_is_off_compares_nothing(look: Look) -> None:
    """Without NHS401 no value is compared, so that nothing says "the values differ"."""
    policy = "evidence: {compare_values: true}\noff: [NHS401]"
    assert look(pair=SHARED, policy=policy) == (Word.READY, {})
    word, found = look(pair=SHARED, policy=policy + "\nsessions: {ask: true}")
    assert (word, list(found)) == (Word.UNKNOWN, ["NHS811"])
