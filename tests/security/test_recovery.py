"""A block that rests on the age of an observation ends with the next observation: an outage must not outlive itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nhisync.model import Word
from nhisync.spi import ErrorKind, Observation, ProviderError

if TYPE_CHECKING:
    from tests.security.conftest import Lab

pytestmark = pytest.mark.requirement("R5", "R6")


def healthy(lab: "Lab") -> Callable[[], list[Observation]]:
    """A source that always answers the same, now."""
    return lambda: [lab.item("a"), lab.covered()]


def gone() -> list[Observation]:
    """A source that gives no answer.

    Raises:
        ProviderError: always.
    """
    raise ProviderError(ErrorKind.UNREACHABLE, "gone")


def word(lab: "Lab") -> Word:
    """The verdict of a cycle, which is also what is served."""
    (verdict,) = lab.sync().verdicts
    assert lab.served() is verdict.word
    return verdict.word


@pytest.mark.parametrize("side", ["primary", "backup"])
def test_a_side_that_answers_again_is_judged_again(lab: "Lab", side: str) -> None:
    """It grew too old during an outage and comes back unchanged: its stamp is the old one, its age is not."""
    lost = (gone, healthy(lab)) if side == "primary" else (healthy(lab), gone)
    lab.see(healthy(lab), healthy(lab))
    assert word(lab) is Word.READY
    lab.clock.advance(timedelta(days=8))
    lab.see(*lost)
    assert word(lab) is not Word.READY
    lab.clock.advance(timedelta(seconds=30))
    lab.see(healthy(lab), healthy(lab))
    assert word(lab) is Word.READY


@pytest.mark.parametrize("ahead", [timedelta(seconds=31), timedelta(days=30)])
def test_an_observation_that_is_dated_rightly_again_is_judged_again(lab: "Lab", ahead: timedelta) -> None:
    """The clock that dated it ahead was corrected; nothing else changed, and nobody has to wait until that date."""
    lab.see(healthy(lab), lambda: [lab.item("a", observed_at=lab.now + ahead), lab.covered()])
    assert word(lab) is not Word.READY
    lab.clock.advance(timedelta(seconds=5))
    lab.see(healthy(lab), healthy(lab))
    assert word(lab) is Word.READY


def test_a_cycle_that_was_frozen_blocks_for_itself_alone(lab: "Lab") -> None:
    """Between its last observation and its judgement it stood still for longer than observations are believed."""
    lab.see(healthy(lab), lambda: [lab.item("a", source_as_of=lab.now - timedelta(days=3)), lab.covered()])
    assert word(lab) is not Word.READY
    lab.clock.advance(timedelta(seconds=30))
    lab.see(healthy(lab), healthy(lab))
    assert word(lab) is Word.READY
