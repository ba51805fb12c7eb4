"""Control ids: accurate, complete, the same in the program and in the operators' files."""

from pathlib import Path

import pytest

from nhisync.config.reading import read_yaml
from nhisync.parity.rules import RULES
from nhisync.policy.frameworks import CONTROLS, FRAMEWORKS, QUOTED, quoted_as

MAPPINGS = Path(__file__).parents[2] / "policies/mappings"


@pytest.mark.parametrize("key", sorted(FRAMEWORKS))
def test_operators_copy_equals_the_programs(key: str) -> None:
    """Every framework has a file with the same ids, titles, edition, and wrong labels."""
    framework = FRAMEWORKS[key]
    document = read_yaml(MAPPINGS / f"{key}.yaml").root.value
    assert document.pop("version") == 1
    assert document.pop("note", "") == framework.note
    assert document == {
        "framework": key,
        "name": framework.name,
        "edition": framework.version,
        "prefix": framework.prefix,
        "controls": dict(framework.titles),
        "quoted": [{"label": q.label, "means": list(q.means), "why": q.why} for q in framework.quoted],
    }


def test_no_file_without_a_framework() -> None:
    """A mapping that the program does not know would promise something."""
    assert {file.stem for file in MAPPINGS.iterdir()} == set(FRAMEWORKS)


@pytest.mark.requirement("R51")
def test_every_rule_cites_existing_controls() -> None:
    """Every check has at least one control id, and every id that is printed exists."""
    for rule in RULES:
        assert rule.info.frameworks, rule.info.code
        assert set(rule.info.frameworks) <= set(CONTROLS), rule.info.code
        assert len(set(rule.info.frameworks)) == len(rule.info.frameworks), rule.info.code


@pytest.mark.requirement("R53")
def test_quoted_labels_are_wrong_and_lead_to_right_ones() -> None:
    """A label that is often quoted is no id of ours, says why, and means controls that exist."""
    for label, quoted in QUOTED.items():
        assert label not in CONTROLS
        assert quoted.why
        assert quoted.means
        assert set(quoted.means) <= set(CONTROLS), label
    assert QUOTED["RC.RP-1"].means == ("CSF2:RC.RP-01", "CSF2:RC.RP-02")
    assert QUOTED["NHI-03"].means[:2] == ("NHI7:2025", "NHI9:2025")
    assert quoted_as("NHI7:2025") == ("NHI-03", "NHI-07")
    assert quoted_as("CSF2:RC.RP-03") == ()


def test_withdrawn_and_misread_ids_are_not_cited() -> None:
    """Ids that Rev. 5 withdrew, ids of CSF 1.1 and ids about people are never printed."""
    for wrong in (
        "800-53r5:CP-10(5)",
        "800-53r5:CP-7(5)",
        "800-53r5:IA-5(8)",
        "CSF2:RC.RP-1",
        "NHI-07",
        "CSF2:PR.DS-03",
    ):
        assert wrong not in CONTROLS
    assert {f"NHI{n}:2025" for n in range(1, 11)} <= set(CONTROLS)


def test_printed_ids_are_unique_and_titles_are_words() -> None:
    """No two frameworks print the same id; titles are short clauses without a full stop."""
    count = sum(len(framework.titles) for framework in FRAMEWORKS.values())
    assert len(CONTROLS) == count
    for control in CONTROLS.values():
        assert control.title
        assert not control.title.endswith(".")
        assert control.printed.endswith(control.id)
        assert FRAMEWORKS[control.framework].version == control.version
