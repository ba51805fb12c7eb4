"""Pairs that exist by tags alone: as good as any other, and never closed by what nobody could know."""

from typing import TYPE_CHECKING

import pytest

from nhisync.model import Word

if TYPE_CHECKING:
    from tests.security.conftest import Lab

TAGGED = """
    match:
      - {kind: secret, by: tag, primary: "one:kv/{name}", backup: "one:kv/{name}"}
"""


@pytest.mark.requirement("R16")
def test_tags_alone_make_pairs(lab: "Lab") -> None:
    """Items of different names that carry one tag are a pair; equal names without it are none."""
    lab.configure(TAGGED)
    here = [lab.item("old", logical_name="payments/stripe"), lab.item("same")]
    there = [lab.item("new", logical_name="payments/stripe"), lab.item("same")]
    lab.see([*here, lab.covered()], [*there, lab.covered()])
    report = lab.diff(show_passing=True)
    (verdict,) = report.verdicts
    assert (verdict.word, verdict.pairs) == (Word.READY, 1)


@pytest.mark.parametrize("tag", [None, "payments/other", "somebody/stripe"])
@pytest.mark.requirement("R16")
def test_a_tag_without_its_counterpart_is_unknown(lab: "Lab", tag: str | None) -> None:
    """The item may carry its tag where nobody looked: the pair blocks, and is not called missing."""
    lab.configure(TAGGED)
    lab.see(
        [lab.item("old", logical_name="payments/stripe"), lab.covered()],
        [lab.item("new", logical_name=tag), lab.covered()],
    )
    report = lab.diff()
    (verdict,) = report.verdicts
    assert verdict.word is Word.UNKNOWN
    assert "NHS101" not in {finding.code for finding in report.findings}


@pytest.mark.requirement("R6", "R16")
def test_no_tag_at_all_is_no_pair(lab: "Lab") -> None:
    """An app whose tags nobody set has no pairs, which is unknown."""
    lab.configure(TAGGED)
    lab.see([lab.item("old"), lab.covered()], [lab.item("new"), lab.covered()])
    report = lab.diff()
    assert [finding.code for finding in report.findings] == ["NHS906"]


@pytest.mark.requirement("R16")
def test_one_tag_on_two_items_is_ambiguous(lab: "Lab") -> None:
    """Two items of one path that claim a pair are never a pick."""
    lab.configure(TAGGED)
    twice = [lab.item(name, logical_name="payments/stripe") for name in ("new", "newer")]
    lab.see([lab.item("old", logical_name="payments/stripe"), lab.covered()], [*twice, lab.covered()])
    assert "NHS904" in {finding.code for finding in lab.diff().findings}
