"""Table tests of policies: the document, and what is asked of whom."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.config import load_policies
from nhisync.config.cases import PolicyCase, SamplePair, load_cases, run_cases
from nhisync.errors import ConfigurationError
from nhisync.model import Lifecycle, Presence, Severity
from nhisync.policy import Tier

TIERS = load_policies(None).tiers
SEVERITIES = {"NHS201": Severity.ERROR, "NHS203": Severity.ERROR, "NHS301": Severity.ERROR}
Load = Callable[[str], tuple[PolicyCase, ...]]


@pytest.fixture
def cases(tmp_path: Path) -> Load:
    """Load a table of rows."""

    def loader(rows: str) -> tuple[PolicyCase, ...]:
        file = tmp_path / "cases.yaml"
        file.write_text("version: 1\ncases:\n" + rows)
        return load_cases(file, TIERS, SEVERITIES)

    return loader


def silent(*_: Any) -> str:
    """A judge nobody asks."""
    raise AssertionError("nobody asked for a state")


def test_severities_and_values(cases: Load) -> None:
    """A row asks what severity a rule has in a tier, or what a value is; spelling does not matter."""
    rows = cases(
        "- {name: a, tier: standard, code: NHS203, expect: {severity: warning}}\n"
        "- {name: b, tier: critical, code: NHS203, expect: {severity: error}}\n"
        "- {name: c, tier: critical, key: lockstep.max_lag, expect: {value: 1d}}\n"
        "- {name: d, tier: critical, key: expiry.block_fraction, expect: {value: 1/6}}\n"
        "- {name: e, tier: critical, key: evidence.compare_values, expect: {value: false}}\n"
        "- {name: f, tier: critical, key: chain.min_rsa_bits, expect: {value: 2048}}\n"
        "- {name: g, tier: critical, key: failback.mode, expect: {value: approve}}\n"
        "- {name: h, tier: standard, code: NHS203, expect: {severity: error}}\n"
        "- {name: i, tier: critical, key: lockstep.max_lag, expect: {value: 2d}}\n"
        "- {name: j, tier: critical, key: lockstep.max_lag, expect: {value: long}}\n"
    )
    results = run_cases(rows, TIERS, SEVERITIES, silent)
    assert [result.case.name for result in results if result.wrong] == ["h", "i", "j"]
    assert results[7].wrong == ("severity is warning, expected error",)
    assert results[8].wrong == ("lockstep.max_lag is 1d, expected 2d",)
    assert results[8].case.origin.endswith("cases.yaml:11")


def test_a_rule_that_is_off_has_the_severity_off(tmp_path: Path) -> None:
    """A table can hold that a rule is not asked at all."""
    (tmp_path / "high.yaml").write_text("version: 1\ntier: high\noff: [NHS203]\n")
    tiers = load_policies(tmp_path).tiers
    file = tmp_path / "table"
    file.write_text("version: 1\ncases: [{name: a, tier: high, code: NHS203, expect: {severity: off}}]\n")
    (result,) = run_cases(load_cases(file, tiers, SEVERITIES), tiers, SEVERITIES, silent)
    assert result.wrong == ()


def test_sample_facts_go_to_the_judge(cases: Load) -> None:
    """Facts are relative to the moment of the test; what is left out is not known; a missing side has no row."""
    rows = cases(
        "- name: lag\n  tier: critical\n  code: NHS201\n"
        "  given: {primary: {rotated_ago: 2d, lifecycle: replica, owner: ''}, "
        "backup: {expired_ago: 5m, presence: denied, rotation_enabled: true, observed_ago: 1h}}\n"
        "  expect: {state: fail}\n"
        "- {name: alone, tier: high, code: NHS201, given: {primary: {}}, expect: {state: none}}\n"
    )
    asked: list[tuple[str, str, SamplePair]] = []

    def judge(tier: Tier, code: str, given: SamplePair) -> str:
        asked.append((tier.name, code, given))
        return "fail"

    results = run_cases(rows, TIERS, SEVERITIES, judge)
    assert [result.wrong for result in results] == [(), ("state is fail, expected none",)]
    (name, code, given), (_, _, alone) = asked
    assert (name, code) == ("critical", "NHS201")
    assert given.primary is not None
    assert given.backup is not None
    assert given.primary.rotated_ago == timedelta(days=2)
    assert (given.primary.lifecycle, given.primary.owner, given.primary.expires_in) == (Lifecycle.REPLICA, "", None)
    assert given.backup.expires_in == timedelta(minutes=-5)
    assert (given.backup.presence, given.backup.rotation_enabled) == (Presence.DENIED, True)
    assert given.backup.observed_ago == timedelta(hours=1)
    assert alone.backup is None


WRONG = {
    "tier": ("tier: critcal, code: NHS201, expect: {severity: error}", "cases[0].tier: `critcal` is not one of"),
    "code": ("tier: high, code: NHS999, expect: {severity: error}", "cases[0].code: there is no rule `NHS999`"),
    "key": ("tier: high, key: lockstep.lag, expect: {value: 1d}", "cases[0].key: there is no policy key"),
    "nothing": ("tier: high, code: NHS201, expect: {}", "cases[0].expect: expects nothing"),
    "severity of nothing": ("tier: high, expect: {severity: error}", "cases[0].expect: `severity` needs a `code`"),
    "state of nothing": ("tier: high, code: NHS201, expect: {state: fail}", "cases[0].expect: `state` needs"),
    "value of nothing": ("tier: high, expect: {value: 1}", "cases[0].expect: `value` and `key` belong together"),
    "fact": ("tier: high, code: NHS201, given: {primary: {age: 1d}}, expect: {state: fail}", "unknown key `age`"),
    "presence": (
        "tier: high, code: NHS201, given: {primary: {presence: gone}}, expect: {state: fail}",
        "cases[0].given.primary.presence: `gone` is not one of present, absent",
    ),
}


@pytest.mark.parametrize(("row", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_table_that_asks_nonsense(cases: Load, row: str, message: str) -> None:
    """A row that could never fail is worse than none."""
    with pytest.raises(ConfigurationError) as caught:
        cases(f"- {{name: a, {row}}}\n")
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
