"""The rules as a whole: complete declarations, each tested, explained and documented."""

import re
import runpy
import string
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest

from nhisync.cli.catalogue import ENTRIES
from nhisync.errors import UsageError
from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.rule import RuleInfo
from nhisync.parity.rules import BY_CODE, RULES, codes
from nhisync.parity.rules.explain import HEADINGS, explanation, find
from nhisync.parity.rules.pages import pages
from nhisync.policy import BUILTIN, Tier
from nhisync.policy.frameworks import CONTROLS
from nhisync.registry import Registry

from . import (
    test_authorization,
    test_blackout,
    test_chain,
    test_consumers,
    test_evidence,
    test_expiry,
    test_live,
    test_lockstep,
    test_opinion,
    test_presence,
    test_protection,
    test_region,
    test_reuse,
    test_rotators,
    test_sessions,
    test_trust,
)

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "rules"
PROVIDERS = {folder.name for folder in (ROOT / "providers").iterdir() if folder.is_dir()}
INFOS = [rule.info for rule in RULES]
MODULES = (
    *(test_blackout, test_presence, test_lockstep, test_expiry, test_reuse, test_authorization, test_protection),
    test_opinion,
    *(test_chain, test_trust, test_region, test_rotators, test_live, test_sessions, test_consumers, test_evidence),
)
BLOCKS = {
    "EXPIRED",
    "MISSING",
    "ROTATION_DRIFT",
    "REUSED",
    "AUTHZ",
    "CHAIN",
    "REGION_BOUND",
    "AUTH_FAILED",
    "UNKNOWN",
    "STALE",
    "ATTESTATION",
}
LAYERS = {
    "1": {Layer.EXISTS},
    "2": {Layer.FRESH},
    "3": {Layer.FRESH},
    "4": {Layer.INDEPENDENT},
    "5": {Layer.AUTHORISED},
    "6": {Layer.CHAIN},
    "7": {Layer.DEPENDENCIES},
    "8": {Layer.LIVE, Layer.TRANSACTION},
    "9": {Layer.EXISTS, Layer.FRESH, Layer.TRANSACTION},
}
CONTRACT_COMMANDS = {
    *("demo", "init", "doctor", "permissions", "discover", "inventory", "diff", "explain", "plan", "apply", "rotate"),
    *("sync", "status", "ready", "drill", "hold", "override", "release", "failback", "waive", "waivers", "attest"),
    *("report", "audit", "policy", "serve", "verify", "controllers", "keys", "edge", "worker", "history", "store"),
}

NEVER_PASS = {"NHS408", "NHS510", "NHS902", "NHS903", "NHS904", "NHS905", "NHS908", "NHS909"}
"""Rules that only speak when something is wrong."""

EMITTED_BY_THE_CALLER = {"NHS906", "NHS907", "NHS910", "NHS911", "NHS912", "NHS812"}


def of_code(info: RuleInfo) -> str:
    """The id of a test."""
    return info.code


each = pytest.mark.parametrize("info", INFOS, ids=of_code)


def prose(info: RuleInfo) -> list[str]:
    """All text of a rule that a person reads."""
    return [info.title, info.compared, info.hurts, info.false_alarm, *info.remediation.values()]


def test_codes_are_unique_and_ordered() -> None:
    """Rules are ordered by code, and a code means one rule."""
    assert list(codes()) == sorted(set(codes()))
    assert len(RULES) == len(BY_CODE)
    assert all(re.fullmatch(r"NHS[1-9]\d\d", code) for code in codes())


@pytest.mark.requirement("R7", "R21", "R26")
@each
def test_declarations_are_complete(info: RuleInfo) -> None:
    """Every rule says what it compares, why it hurts, when it is a false alarm, and what to do for any provider."""
    assert 3 <= len(info.title.split()) <= 6
    assert info.title[0].islower()
    assert not info.title.endswith(".")
    assert all(len(text) > 40 and text.endswith(".") for text in (info.compared, info.hurts, info.false_alarm))
    assert "*" in info.remediation
    assert set(info.remediation) <= {*PROVIDERS, "*"}
    assert all(len(text) > 20 and not text.endswith(".") for text in info.remediation.values())
    assert info.block in BLOCKS
    assert info.layer in LAYERS[info.code[3]]
    assert isinstance(info.consequence, Consequence)
    assert isinstance(info.severity, Severity)


@each
def test_only_app_and_pair_are_placeholders(info: RuleInfo) -> None:
    """Steps have no placeholder that nobody fills, and other texts have none at all."""
    for step in info.remediation.values():
        assert {name for _, name, _, _ in string.Formatter().parse(step) if name is not None} <= {"app", "pair"}
    assert all("{" not in text for text in (info.title, info.compared, info.hurts, info.false_alarm))


@each
def test_rules_refer_only_to_rules_that_exist(info: RuleInfo) -> None:
    """A code named in a text can be explained."""
    assert {code for text in prose(info) for code in re.findall(r"NHS\d+", text)} <= set(codes())


@each
def test_steps_name_only_commands_that_exist(info: RuleInfo) -> None:
    """What a step tells to type can be typed: commands of the contract that are not in the catalogue are not named."""
    named = {word for text in prose(info) for word in re.findall(r"nhisync ([a-z]+)", text)}
    assert not named & (CONTRACT_COMMANDS - {entry.name for entry in ENTRIES})


@pytest.mark.requirement("R51")
@each
def test_every_rule_supports_evidence_for_controls_that_exist(info: RuleInfo) -> None:
    """Every rule has controls, each once, and each in the catalogue under its accurate id."""
    assert info.frameworks
    assert len(set(info.frameworks)) == len(info.frameworks)
    assert set(info.frameworks) <= set(CONTROLS)
    assert any(control.startswith("CSF2:") for control in info.frameworks)


@pytest.mark.requirement("R53")
def test_stale_and_long_lived_and_reused_have_their_accurate_ids() -> None:
    """What is often quoted as NHI-03 is told apart: long-lived, reused, orphaned, stale evidence."""
    assert "NHI7:2025" in BY_CODE["NHS201"].info.frameworks
    assert "NHI9:2025" in BY_CODE["NHS401"].info.frameworks
    assert "NHI1:2025" in BY_CODE["NHS102"].info.frameworks
    assert not any(control.startswith("NHI") for control in BY_CODE["NHS901"].info.frameworks)
    assert not any(control.startswith("NHI3:") for info in INFOS for control in info.frameworks)
    assert "often quoted as NHI-03" in explanation("NHS201", BUILTIN["critical"])


@each
def test_policy_keys_exist(info: RuleInfo) -> None:
    """Every policy key that a rule names is a value of a tier."""
    for key in info.policy:
        assert reduce(getattr, key.split("."), BUILTIN["critical"]) is not None


def test_tiers_name_rules_that_exist() -> None:
    """Built-in tiers change severities of existing rules only, and never lower a result of family 9."""
    for tier in BUILTIN.values():
        assert set(tier.severities) | tier.off <= set(codes())
        assert not any(code.startswith("NHS9") for code in (*tier.severities, *tier.off))


@each
def test_every_rule_is_tested(info: RuleInfo) -> None:
    """Each rule's table has a line where it does not hold, one where it holds, and one where it does not apply."""
    states = {case.state for module in MODULES for case in module.CASES if case.code == info.code}
    if info.code in EMITTED_BY_THE_CALLER:
        assert states == {None}
        return
    assert states & {"fail", "unknown"}
    assert None in states
    assert "pass" in states or info.code in NEVER_PASS
    if info.code.startswith("NHS9"):
        assert "fail" not in states


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.code)
def test_steps_name_only_settings_that_exist(info: RuleInfo) -> None:
    """A file that a provider's step asks for is a setting of that provider; another key would be a load error."""
    registry = Registry()
    for provider, step in info.remediation.items():
        named = set(re.findall(r"\b[a-z]+_file\b", step))
        assert provider != "*" or not named, "no setting is common to all providers"
        if named:
            assert named <= set(registry.load(provider).info.settings.model_fields)


@pytest.mark.parametrize("tier", BUILTIN.values(), ids=lambda tier: tier.name)
@each
def test_explanations_have_five_headings(info: RuleInfo, tier: Tier) -> None:
    """`explain` has the five fixed headings in order, the tier's severity, and policy values with their origins."""
    lines = explanation(info.code, tier).splitlines()
    assert [line for line in lines if line in HEADINGS] == list(HEADINGS)
    assert lines[0].startswith(f"{info.code}  {info.title}  ")
    severity = tier.severities.get(info.code, info.severity).value
    assert f"  - tier {tier.name}: {severity} (built-in)" in lines
    for key in info.policy:
        assert any(line.startswith(f"  - {key}: ") and line.endswith("(built-in)") for line in lines)
    assert "{" not in "".join(lines)
    assert max(len(line) for line in lines if not line.startswith("NHS")) <= 100


def test_explanations_tell_where_a_value_comes_from() -> None:
    """A value from a policy file is told with its file and line, and a rule that a tier does not ask as off."""
    tier = replace(
        BUILTIN["critical"],
        origins={"lockstep.max_lag": "policies/critical.yaml:4", "severities.NHS201": "policies/critical.yaml:9"},
        off=frozenset({"NHS201"}),
    )
    told = explanation("NHS201", tier)
    assert "lockstep.max_lag: 1d (policies/critical.yaml:4)" in told
    assert "tier critical: off (policies/critical.yaml:9)" in told


@pytest.mark.parametrize("code", ["NHS201", "nhs201", "201", " Nhs201 "])
def test_codes_are_found_as_people_write_them(code: str) -> None:
    """The prefix and the case do not matter."""
    assert find(code).info.code == "NHS201"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("NHS2O1", "Did you mean NHS201"),
        ("20l", "Did you mean NHS20"),
        ("NSH604", "NHS604"),
        ("nonsense", "Codes run from NHS101 to NHS912"),
        ("", "Codes run from"),
        ("x\x1b[2J\ny", "Codes run from"),
    ],
)
def test_unknown_codes_are_refused_with_the_nearest(code: str, says: str) -> None:
    """A code that does not exist is a usage error with the nearest ones, on printable lines."""
    with pytest.raises(UsageError) as refused:
        find(code)
    assert says in refused.value.fix
    assert refused.value.message.isprintable()
    assert refused.value.fix.isprintable()


def test_pages_are_what_the_rules_say() -> None:
    """docs/rules is exactly what ``python docs/rules/write.py`` writes."""
    written = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert written == pages(), "run: python docs/rules/write.py"


def test_pages_of_rules_that_are_gone_are_removed(tmp_path: Path) -> None:
    """Writing the pages leaves exactly one page a rule, and the index."""
    (tmp_path / "NHS199.md").write_text("old", encoding="utf-8")
    (tmp_path / "other.md").write_text("kept", encoding="utf-8")
    runpy.run_path(str(DOCS / "write.py"))["main"](tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*pages(), "other.md"}


def test_index_links_every_page() -> None:
    """The index names every rule once."""
    assert re.findall(r"\[(NHS\d+)\]\(\1\.md\)", pages()["README.md"]) == list(codes())
