"""What a signal rests on ends at a known instant, and the signal with it, also where no cycle comes to notice it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nhisync.model import Lifecycle, Word
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
