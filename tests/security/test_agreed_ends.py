"""What a signal rests on ends at a known instant, and the signal with it, also where no cycle comes to notice it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nhisync.model import KeySet, Lifecycle, SignatureKey, Word
from nhisync.spi import ErrorKind, Observation, ProviderError

if TYPE_CHECKING:
    from tests.security.conftest import Lab

pytestmark = pytest.mark.requirement("R5", "R45")

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
"""When the agreements of the day of the laboratory's clock are over."""

PAIRS = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
      - {name: b, kind: secret, primary: "one:kv/b", backup: "one:kv/b"}
"""
TERMS = "owner: sec, until: 2026-11-23, reason: migration"
WAIVER = "pair: payments/b, code: NHS405, until: 2026-11-23, approved_by: sec, ticket: X-1, reason: migration"


def agreed(how: str) -> str:
    """The pairs, the second one of this class for today."""
    head, _, tail = PAIRS.rpartition("}")
    return f"{head}, class: {how}, {TERMS}}}{tail}"


@pytest.mark.parametrize("how", ["waived", "shared", "exempt"])
def test_the_signal_ends_with_the_agreement_it_rests_on(lab: "Lab", how: str) -> None:
    """Half a minute before midnight it is ready; the daemon dies; at midnight nobody vouches for it any more."""
    lab.configure(PAIRS if how == "waived" else agreed(how), tail=f"waivers: [{{{WAIVER}}}]" if how == "waived" else "")
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    static = {"lifecycle": Lifecycle.STATIC} if how == "waived" else {}
    lab.see([lab.item("a"), lab.item("b"), lab.covered()], [lab.item("a"), lab.item("b", **static), lab.covered()])
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.valid_until) == (Word.READY, MIDNIGHT)
    assert lab.served() is Word.READY
    lab.clock.advance(timedelta(seconds=29))
    assert lab.served() is Word.READY
    lab.clock.advance(timedelta(seconds=1))
    assert lab.served() is Word.UNKNOWN


def test_the_signal_ends_with_the_reference_it_was_compared_with(lab: "Lab") -> None:
    """The primary is silent; when its last observation is no reference any more, nothing was compared with anything."""

    def gone() -> list[Observation]:
        raise ProviderError(ErrorKind.UNREACHABLE, "gone")

    def fine() -> list[Observation]:
        return [lab.item("a"), lab.covered()]

    lab.see(fine, fine)
    assert lab.sync().verdicts[0].word is Word.READY
    end = lab.now + timedelta(hours=12)
    lab.see(gone, fine)
    lab.clock.advance(end - timedelta(seconds=30) - lab.now)
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.valid_until) == (Word.READY, end)
    assert lab.served() is Word.READY
    lab.clock.advance(timedelta(seconds=30))
    assert lab.served() is Word.UNKNOWN


def test_what_is_exempt_holds_nobody_up(lab: "Lab") -> None:
    """The signal rests on no observation of an exempt pair, so that an old one does not end it."""
    lab.configure(agreed("exempt"))
    old = {"source_as_of": lab.now - timedelta(days=9)}
    fresh = [lab.item("a"), lab.covered()]
    lab.see([*fresh, lab.item("b", **old)], [*fresh, lab.item("b", **old)])
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.valid_until) == (Word.READY, lab.now + timedelta(seconds=90))


@pytest.mark.requirement("R38")
def test_the_signal_ends_with_the_declaration_that_sessions_are_lost(lab: "Lab") -> None:
    """A tier that asks about sessions takes "declared lost" for an answer until its last day, and no second longer."""
    lost = "sessions: {on_switch: lost, owner: sec, until: 2026-11-23, reason: migration}"
    lab.configure(PAIRS, more=lost, policies="version: 1\ntier: critical\ninherits: critical\nsessions: {ask: true}\n")
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    lab.see([lab.item("a"), lab.item("b"), lab.covered()], [lab.item("a"), lab.item("b"), lab.covered()])
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.valid_until) == (Word.READY, MIDNIGHT)
    lab.clock.advance(timedelta(seconds=31))
    assert lab.served() is Word.UNKNOWN


@pytest.mark.requirement("R38")
def test_the_signal_ends_with_the_declaration_that_kept_key_sets_from_being_asked(lab: "Lab") -> None:
    """Signing keys that do not carry each other are let pass while sessions are declared lost, and no second longer."""
    lost = "sessions: {on_switch: lost, owner: sec, until: 2026-11-23, reason: migration}"
    lab.configure('    pairs: [{name: a, kind: signing-key, primary: "one:kv/a", backup: "one:kv/a"}]', more=lost)
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    keys = {"created": None, "rotated": None, "lifecycle": Lifecycle.UNKNOWN}
    one, two = ({**keys, "key_set": KeySet(keys=(SignatureKey(n, n, ("ES256",)),))} for n in ("one", "two"))
    lab.see([lab.item("a", **one), lab.covered()], [lab.item("a", **two), lab.covered()])
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.valid_until) == (Word.READY, MIDNIGHT)
    lab.clock.advance(timedelta(seconds=31))
    assert lab.served() is Word.UNKNOWN


OWN_APP = """
  nhisync:
    tier: critical
    owner: sec
    {more}
    pairs:
      - {{name: r, kind: token, primary: "one:kv/r", backup: "one:kv/r"}}
      - {{name: s, kind: token, primary: "one:kv/s", backup: "one:kv/s", class: shared, {terms}{covers}}}
"""


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("covers", ["", ", authenticates: [one]", ", authenticates: [two]"])
def test_the_signal_ends_with_what_nhisyncs_own_credential_rests_on(lab: "Lab", covers: str) -> None:
    """At midnight nhisync's own credential is fit no more: nor is what was read with it, and nothing else."""
    lab.configure(PAIRS + OWN_APP.format(more="", terms=TERMS, covers=covers))
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    seen = [*(lab.item(name) for name in "abrs"), lab.covered()]
    lab.see(seen, seen)
    ends = {verdict.app: (verdict.word, verdict.valid_until) for verdict in lab.sync().verdicts}
    kept = lab.now + timedelta(seconds=90)
    assert ends["nhisync"] == (Word.READY, MIDNIGHT)
    assert ends["payments"] == (Word.READY, kept if "two" in covers else MIDNIGHT)


@pytest.mark.requirement("R32")
def test_what_only_observes_ends_nothing(lab: "Lab") -> None:
    """An app of nhisync's own that closes nothing ends nothing either."""
    lab.configure(PAIRS + OWN_APP.format(more="mode: observe", terms=TERMS, covers=""))
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    seen = [*(lab.item(name) for name in "abrs"), lab.covered()]
    lab.see(seen, seen)
    ends = {verdict.app: verdict.valid_until for verdict in lab.sync().verdicts}
    assert ends["payments"] == lab.now + timedelta(seconds=90)


@pytest.mark.requirement("R38")
def test_an_exempt_signing_key_shows_nothing_of_sessions(lab: "Lab") -> None:
    """A tier that asks about sessions is not answered by a pair of which nothing is judged."""
    asks = "version: 1\ntier: critical\ninherits: critical\nsessions: {ask: true}\n"
    lab.configure(agreed("exempt").replace("name: b, kind: secret", "name: b, kind: signing-key"), policies=asks)
    seen = [lab.item("a"), lab.item("b"), lab.covered()]
    lab.see(seen, seen)
    (verdict,) = lab.sync().verdicts
    assert (verdict.word, verdict.reasons) == (Word.UNKNOWN, ("NHS811",))


THIRD = """
  far:
    tier: critical
    owner: sec
    roles: {primary: third}
    pairs: [{name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}]
"""


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("gone", [False, True])
def test_an_app_beside_another_primary_rests_on_nhisyncs_own_credential_as_well(lab: "Lab", gone: bool) -> None:
    """One backup is read with one credential, whichever primary an app has: it ends, and closes, for each of them."""
    lab.configure(PAIRS + OWN_APP.format(more="", terms=TERMS, covers="") + THIRD)
    third = f"paths:\n  third: {{region: far, sources: {{one: {{provider: fake, script: {lab.script}-p2}}}}}}"
    lab.file.write_text(lab.file.read_text(encoding="utf-8").replace("paths:", third, 1), encoding="utf-8")
    lab.clock.advance(MIDNIGHT - timedelta(seconds=30) - lab.now)
    seen = [*(lab.item(name) for name in "abrs"), lab.covered()]
    lab.see(seen, [lab.absent("r") if one is seen[2] else one for one in seen] if gone else seen)
    lab.see([lab.item("a"), lab.covered()], [], "two")
    told = {verdict.app: (verdict.word, verdict.valid_until) for verdict in lab.sync().verdicts}
    assert told["far"] == (Word.UNKNOWN if gone else Word.READY, MIDNIGHT)
    assert lab.diff(apps=("far",)).verdicts[0].word is told["far"][0]
