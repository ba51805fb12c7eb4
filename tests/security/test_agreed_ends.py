"""What was agreed until a day ends with that day, also where no cycle comes any more to notice it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nhisync.model import Lifecycle, Word

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
