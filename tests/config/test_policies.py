"""Tiers: built-in values, files that override single ones, origins, digests, relations that must hold."""

import os
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

from nhisync.config import Policies, effective_values, load_policies, load_policy
from nhisync.config.fields import parse_share
from nhisync.config.policies import BUILT_IN
from nhisync.config.policy_checks import OPTIONAL, SECTIONS, dotted_keys, value_text
from nhisync.config.policy_documents import PolicyDocument
from nhisync.errors import ConfigurationError
from nhisync.model import Severity
from nhisync.policy import BUILTIN, BlackoutLimits, Tier

ROOT = Path(__file__).parents[2]
CODES = frozenset({"NHS101", "NHS201", "NHS203", "NHS206", "NHS208", "NHS301", "NHS303", "NHS405", "NHS808", "NHS903"})
Load = Callable[..., Policies]


@pytest.fixture
def policies(tmp_path: Path) -> Load:
    """Load policy files given as name=text."""

    def loader(**texts: str) -> Policies:
        folder = tmp_path / "policies"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            head = "" if "version:" in text else f"version: 1\ntier: {name}\n"
            (folder / f"{name}.yaml").write_text(head + text)
        return load_policies(folder, name="policies", codes=CODES)

    return loader


def messages(found: Policies) -> list[str]:
    """The messages of all problems."""
    return [problem.message for problem in found.problems]


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_shipped_files_equal_the_built_in_tiers(name: str) -> None:
    """What operators edit and what the program carries are the same; every value stands in the file."""
    found = load_policies(ROOT / "policies", name="policies")
    assert found.problems == ()
    tier = found.tiers[name]
    assert replace(tier, origins={}, digest="") == BUILTIN[name]
    assert {origin.partition(":")[0] for origin in tier.origins.values()} == {f"policies/{name}.yaml"}
    assert tier.digest == load_policies(None).tiers[name].digest


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_every_shipped_value_says_why(name: str) -> None:
    """A number without its reason cannot be changed with confidence."""
    text = (ROOT / f"policies/{name}.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if ":" in line.partition("#")[0] and not line.strip().startswith(("version", "#")):
            key, _, rest = line.partition("#")
            assert rest.strip() or key.strip().endswith(":"), line


def test_documents_mirror_the_tier() -> None:
    """A value that a tier has can be written in a file, under the same name; nothing else can."""
    assert set(PolicyDocument.model_fields) == {
        "version",
        "tier",
        "inherits",
        *SECTIONS,
        "severities",
        "attestations",
        "off",
    }
    for section, value in SECTIONS.items():
        document = PolicyDocument.model_fields[section].annotation
        assert set(document.model_fields) == {one.name for one in fields(value)}  # type: ignore[union-attr]
    assert {one.name for one in fields(Tier)} == {
        "name",
        *SECTIONS,
        "severities",
        "attestations",
        "off",
        "origins",
        "digest",
    }


def test_without_files_there_are_the_built_in_tiers() -> None:
    """Every value says that it is built in; every tier has its own digest."""
    found = load_policies(None)
    assert set(found.tiers) == set(BUILTIN) == found.names
    for name, tier in found.tiers.items():
        assert replace(tier, origins={}, digest="") == BUILTIN[name]
        assert set(tier.origins.values()) == {BUILT_IN}
        assert set(tier.origins) == set(effective_values(tier))
    assert len({tier.digest for tier in found.tiers.values()}) == 3


def test_a_file_overrides_single_values(policies: Load) -> None:
    """What a file leaves out stays built in, and each value keeps where it came from."""
    found = policies(critical="lockstep:\n  max_lag: 1h\nseverities: {NHS203: warning}\noff: [NHS206]\n")
    tier = found.tiers["critical"]
    assert found.problems == ()
    assert tier.lockstep.max_lag == timedelta(hours=1)
    assert tier.lockstep.grace == BUILTIN["critical"].lockstep.grace
    assert tier.severities == {"NHS203": Severity.WARNING}
    assert tier.off == {"NHS206"}
    assert tier.origins["lockstep.max_lag"] == "policies/critical.yaml:4"
    assert tier.origins["severities.NHS203"] == "policies/critical.yaml:5"
    assert tier.origins["off"] == "policies/critical.yaml:6"
    assert tier.origins["lockstep.grace"] == BUILT_IN
    assert tier.digest != load_policies(None).tiers["critical"].digest


def test_own_tiers_inherit_built_in_and_other_ones(policies: Load) -> None:
    """A chain of tiers passes values and their origins on."""
    found = policies(
        gold="inherits: critical\nlockstep: {max_lag: 1h}\nseverities: {NHS203: info}\n",
        silver="inherits: gold\nrotation: {max_age: 30d}\nseverities: {NHS208: warning}\n",
    )
    tier = found.tiers["silver"]
    assert found.problems == ()
    assert (tier.lockstep.max_lag, tier.rotation.max_age) == (timedelta(hours=1), timedelta(days=30))
    assert tier.severities == {"NHS203": Severity.INFO, "NHS208": Severity.WARNING}
    assert tier.origins["lockstep.max_lag"] == "policies/gold.yaml:4"
    assert tier.origins["rotation.max_age"] == "policies/silver.yaml:4"
    assert tier.evaluate == BUILTIN["critical"].evaluate


def test_a_built_in_name_may_inherit_itself_or_another(policies: Load) -> None:
    """``tier: high, inherits: high`` is the default said aloud; another parent is a choice."""
    found = policies(high="inherits: high\n", standard="inherits: critical\n")
    assert replace(found.tiers["high"], origins={}, digest="") == BUILTIN["high"]
    assert found.tiers["standard"].evaluate == BUILTIN["critical"].evaluate
    assert found.tiers["standard"].severities == {}


def test_what_nobody_asks_need_not_be_set(policies: Load) -> None:
    """A tier written before there was a blackout clock stays what it was, and says where its values come from."""
    text = (ROOT / "policies/critical.yaml").read_text(encoding="utf-8").partition("tier: critical")[2]
    before, _, rest = text.partition("blackout:")
    found = policies(gold=before + "failback:" + rest.partition("failback:")[2])
    assert found.problems == ()
    assert found.tiers["gold"].blackout == BlackoutLimits()
    assert found.tiers["gold"].blackout.required is None
    assert found.tiers["gold"].origins["blackout.ask"] == BUILT_IN
    assert found.tiers["gold"].sessions.ask is False
    assert found.tiers["gold"].origins["sessions.ask"] == BUILT_IN


@pytest.mark.requirement("R38")
def test_sessions_are_asked_for_knowingly(policies: Load) -> None:
    """No built-in tier asks whether sessions survive a switch; a policy may."""
    assert not any(tier.sessions.ask for tier in BUILTIN.values())
    assert policies(high="sessions: {ask: true}\n").tiers["high"].sessions.ask is True


def test_what_is_asked_for_is_the_sum(policies: Load) -> None:
    """The horizon is recovery time, the stay after it, and a margin."""
    found = policies(high="blackout: {ask: true, rto: 2d, longest_stay: 1d, margin: 6h}\n")
    assert found.tiers["high"].blackout.required == timedelta(days=3, hours=6)


def test_an_own_tier_without_parent_sets_everything(policies: Load) -> None:
    """Nothing is filled in silently: every missing value is named; only what older formats did not have is off."""
    found = policies(gold="lockstep: {max_lag: 1h}\n")
    assert len(found.problems) == len(dotted_keys()) - 1 - len(OPTIONAL)
    assert not any("blackout" in message for message in messages(found))
    assert messages(found)[0] == "tier `gold` sets no evaluate.every; set it, or inherit a tier that does"
    assert "gold" in found.names
    assert "gold" not in found.tiers


PROBLEMS = {
    "unknown key": ("lockstp: {}\n", "unknown key `lockstp`"),
    "unknown value": ("lockstep: {max_lags: 1h}\n", "unknown key `max_lags` in lockstep"),
    "more than a century": (
        "evidence: {inventory_max_age: 999999999d}\n",
        "evidence.inventory_max_age: is longer than a",
    ),
    "no unit": ("lockstep: {max_lag: 24}\n", "lockstep.max_lag: a duration needs a number and a unit"),
    "zero": ("evaluate: {every: 0s}\n", "evaluate.every: must be longer than zero"),
    "share of one": ("expiry: {warn_fraction: 1}\n", "expiry.warn_fraction: must be more than 0 and less than 1"),
    "share of nothing": ("expiry: {block_fraction: 0%}\n", "expiry.block_fraction: must be more than 0"),
    "shrink of one": ("evidence: {shrink_share: 100%}\n", "evidence.shrink_share: must be at least 0 and less than 1"),
    "no share": ("expiry: {warn_fraction: third}\n", "expiry.warn_fraction: must be a share like 1/6, 17% or 0.17"),
    "late": ("rotation: {overdue_share: 1.5}\n", "rotation.overdue_share: must be from 0 to 1"),
    "no word": ("failback: {mode: ask}\n", "failback.mode: `ask` is not one of approve, auto"),
    "count": ("lockstep: {max_cycles: 0}\n", "lockstep.max_cycles: must be greater than or equal to 1"),
    "severity": ("severities: {NHS201: fatal}\n", "severities.NHS201: `fatal` is not one of error, warning, info"),
    "code form": ("off: [NHS1]\n", "off[0]: must be a rule code like NHS201"),
    "unknown code": ("severities: {NHS202: info}\n", "severities: there is no rule `NHS202`"),
    "unknown off": ("off: [NHS299]\n", "off: there is no rule `NHS299`"),
    "empty": ("lockstep:\n", "lockstep is empty"),
    "entry age": (
        "evaluate: {every: 1m}\n",
        "evaluate.entry_max_age (1m30s) must be at least twice evaluate.every (1m)",
    ),
    "baseline": (
        "evaluate: {primary_baseline_max_age: 30s}\n",
        "evaluate.primary_baseline_max_age (30s) must be at least evaluate.entry_max_age (1m30s)",
    ),
    "inventory age": (
        "evidence: {inventory_max_age: 10s}\n",
        "evidence.inventory_max_age (10s) must be at least evaluate.every (30s)",
    ),
    "window": (
        "expiry: {failover_window: 10m}\n",
        "expiry.failover_window (10m) must be at least evaluate.stay_lease (15m)",
    ),
    "horizon": ("chain: {horizon: 10m}\n", "chain.horizon (10m) must be at least evaluate.stay_lease (15m)"),
    "blackout without a time": (
        "blackout: {ask: true}\n",
        "blackout.rto (0s) must be more than 0s with blackout.ask (true)",
    ),
    "a previous credential without a login": (
        "live: {previous_refused: true}\n",
        "live.min_depth (none) must be auth or txn with live.previous_refused (true)",
    ),
    "a second opinion without documents": (
        "authorization: {second_opinion: true}\n",
        "authorization.compare (false) must be true with authorization.second_opinion (true)",
    ),
    "stay shorter than the lease": (
        "blackout: {longest_stay: 5m}\n",
        "blackout.longest_stay (5m) must be 0s, or at least evaluate.stay_lease (15m)",
    ),
    "warn": (
        "expiry: {warn_fraction: 1/10}\n",
        "expiry.warn_fraction (0.1) must be at least expiry.block_fraction (1/6)",
    ),
    "damping": ("damping: {reuse: 2000}\n", "damping.reuse (2000) must be less than damping.suppress (2000)"),
    "presence off": ("off: [NHS101]\n", "off: a critical tier cannot switch `NHS101` off (presence, expired"),
    "expired off": ("off: [NHS301]\n", "off: a critical tier cannot switch `NHS301` off"),
    "evidence off": ("off: [NHS903]\n", "off: a critical tier cannot switch `NHS903` off"),
    "expired lowered": ("severities: {NHS301: info}\n", "severities: a critical tier cannot lower `NHS301`"),
    "evidence lowered": ("severities: {NHS903: warning}\n", "severities: a critical tier cannot lower `NHS903`"),
    "session answer off": (
        "sessions: {ask: true}\noff: [NHS808]\n",
        "off: a tier that asks about sessions (sessions.ask) cannot switch off `NHS808`",
    ),
    "session answer lowered": (
        "sessions: {ask: true}\nseverities: {NHS808: info}\n",
        "severities: a tier that asks about sessions (sessions.ask) cannot lower `NHS808`",
    ),
    "other name": ("version: 1\ntier: high\n", "tier: the file is called critical.yaml and holds tier `high`"),
    "unknown parent": ("inherits: hgh\n", "inherits: there is no tier `hgh`"),
    "no yaml": ("a: [\n", "a bracket is never closed"),
}


@pytest.mark.parametrize(("text", "message"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_one_wrong_thing(policies: Load, text: str, message: str) -> None:
    """One problem, at its place, and the tier cannot be used."""
    found = policies(critical=text)
    assert len(found.problems) == 1, messages(found)
    assert found.problems[0].message.startswith(message)
    assert found.problems[0].file == "policies/critical.yaml"
    assert found.problems[0].line >= 1
    assert "critical" not in found.tiers
    assert "critical" in found.names


def test_a_lower_tier_may_do_what_critical_may_not(policies: Load) -> None:
    """The operator of an internal app decides."""
    assert policies(standard="off: [NHS101, NHS301]\nseverities: {NHS903: warning}\n").problems == ()


def test_a_critical_tier_cannot_be_emptied_through_its_parent(policies: Load) -> None:
    """What critical may not switch off, it cannot inherit either; and its heirs are as critical as it is."""
    found = policies(critical="inherits: standard\n", standard="off: [NHS101]\n")
    assert messages(found) == ["off: a critical tier cannot switch `NHS101` off (presence, expired, evidence)"]
    heir = policies(critical="", standard="", gold="inherits: critical\noff: [NHS301]\n")
    assert messages(heir) == ["off: a critical tier cannot switch `NHS301` off (presence, expired, evidence)"]


def test_circles_have_no_values(policies: Load) -> None:
    """Inheritance must end."""
    found = policies(gold="inherits: silver\n", silver="inherits: gold\n", own="inherits: own\n")
    assert sorted(messages(found)) == [
        "inherits: `gold` inherits this tier; a circle has no values",
        "inherits: `own` inherits this tier; a circle has no values",
    ]


def test_heirs_of_a_broken_tier_are_not_reported(policies: Load) -> None:
    """One mistake, one problem."""
    found = policies(gold="inherits: critical\nlockstp: {}\n", silver="inherits: gold\n")
    assert messages(found) == ["unknown key `lockstp`"]
    assert {"gold", "silver"} <= found.names
    assert not {"gold", "silver"} & set(found.tiers)


def test_files_that_would_be_overlooked_are_reported(policies: Load, tmp_path: Path) -> None:
    """critical.yml is not silently ignored; folders and other files are none of our business."""
    policies()
    (tmp_path / "policies/critical.yml").write_text("version: 1\n")
    (tmp_path / "policies/README.md").write_text("hello\n")
    (tmp_path / "policies/mappings").mkdir()
    found = policies()
    assert messages(found) == ["a policy file is called <tier>.yaml; this one would be overlooked"]


def test_no_policy_is_left_out_in_silence(policies: Load, tmp_path: Path) -> None:
    """A link whose file is gone, a pipe, a folder, another suffix: built-in values would judge instead."""
    policies()
    (tmp_path / "policies/critical.yaml").symlink_to("../shared/critical.yaml")
    os.mkfifo(tmp_path / "policies/high.yaml")
    (tmp_path / "policies/gold.yaml").mkdir()
    (tmp_path / "policies/standard.YAML").write_text("version: 1\n")
    found = policies()
    irregular = "this is no regular file, or a link that leads nowhere; a policy would be overlooked"
    called = "a policy file is called <tier>.yaml; this one would be overlooked"
    assert messages(found) == [irregular, irregular, irregular, called]
    assert set(found.tiers) == {"standard"}


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    """A named folder that is not there is not the same as no folder."""
    (problem,) = load_policies(tmp_path / "none", name="none").problems
    assert (problem.file, problem.message) == ("none", "there is no such folder, or this user may not read it")


def test_single_files(tmp_path: Path) -> None:
    """One file can be checked alone; it may inherit built-in tiers."""
    file = tmp_path / "gold.yaml"
    file.write_text("version: 1\ntier: gold\ninherits: high\n")
    assert load_policy(file).evaluate == BUILTIN["high"].evaluate
    file.write_text("version: 1\ntier: gold\ninherits: high\nx: 1\n")
    with pytest.raises(ConfigurationError, match="unknown key `x`"):
        load_policy(file)


@pytest.mark.parametrize(
    ("text", "value"), [("1/6", 1 / 6), ("17%", 0.17), (0.17, 0.17), ("0.17", 0.17), (" 12.5 % ", 0.125), (1, 1.0)]
)
def test_shares(text: object, value: float) -> None:
    """The same share in four spellings, exact."""
    assert parse_share(text) == value


@pytest.mark.parametrize("text", ["", "1/0", "a", "-1/2", "50 percent", None, True, [], float("nan"), float("inf")])
def test_no_shares(text: object) -> None:
    """Everything else is refused."""
    with pytest.raises(ValueError, match="must be a share"):
        parse_share(text)


def test_values_are_written_as_files_write_them() -> None:
    """What is shown can be pasted into a file and reads back."""
    assert value_text(timedelta(minutes=90)) == "1h30m"
    assert value_text(1 / 6) == "1/6"
    assert value_text(0.2) == "0.2"
    assert value_text(False) == "false"
    assert value_text(2048) == "2048"
    assert value_text("closed") == "closed"
    for tier in BUILTIN.values():
        shares = {key: text for key, text in effective_values(tier).items() if key.endswith(("fraction", "share"))}
        for key, text in shares.items():
            section, _, name = key.partition(".")
            assert parse_share(text) == getattr(getattr(tier, section), name)
