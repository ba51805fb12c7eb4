"""Keys that are checked but have no effect yet are named, in the documentation and to the person who sets them."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.cli import main
from nhisync.config import IDLE_KEYS, IDLE_POLICY_KEYS, Configuration, idle_keys
from nhisync.config.policy_checks import dotted_keys
from nhisync.config.schema import schema

from .conftest import SMALL
from .test_docs import PAGE, keys

ROOT = Path(__file__).parents[2]

Load = Callable[..., Configuration]


def test_a_small_file_sets_none(load_text: Load) -> None:
    """What has an effect is never named."""
    assert idle_keys(load_text(SMALL)) == ()


def test_every_idle_key_of_a_file_is_named_with_its_line(load_text: Load, full: str) -> None:
    """A file that uses the whole format hears of each of them, in its own order."""
    found = idle_keys(load_text(full))
    assert [idle.key for idle in found] == [
        "apps.payments.serving",
        "apps.payments.health",
        "apps.payments.pairs[0].rotate",
        "listener.agent_bind",
        "signing",
        "publish.files.gdnsd_extfile",
        "publish.files.statement",
        "publish.files.track_file",
        "publish.webhook",
        "publish.exec",
    ]
    lines = full.splitlines()
    assert lines[found[4].line - 1].startswith("signing:")
    patterns = {re.sub(r"\[\d+\]", "[]", idle.key.replace("payments", "<app>")) for idle in found}
    assert patterns == set(IDLE_KEYS)


def test_idle_keys_exist_in_the_format() -> None:
    """A key that was renamed does not stay on the list."""
    config, policy = schema("config"), schema("policy")
    assert set(IDLE_KEYS) <= set(keys(config, config))
    assert set(IDLE_POLICY_KEYS) <= set(keys(policy, policy))


def test_the_page_lists_them() -> None:
    """The documentation promises nothing that is not there."""
    section = PAGE.partition("\n## Keys without effect yet\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (`nhisync.yaml`|policies) \| (.*) \|$", section, re.MULTILINE))
    assert re.findall(r"`([^`]+)`", rows["`nhisync.yaml`"]) == list(IDLE_KEYS)
    assert re.findall(r"`([^`]+)`", rows["policies"]) == list(IDLE_POLICY_KEYS)


@pytest.mark.parametrize("key", dotted_keys())
def test_a_policy_value_is_read_or_named(key: str) -> None:
    """A tier's value is read by the code that judges or publishes, or it is on the list; never both, never neither."""
    sources = [file for file in (ROOT / "src/nhisync").rglob("*.py") if file.parent.name not in {"policy", "config"}]
    read = any(re.search(rf"\b{key}\b", file.read_text(encoding="utf-8")) for file in sources)
    named = bool({key, key.partition(".")[0]} & set(IDLE_POLICY_KEYS))
    assert read != named


def test_a_person_hears_of_them_before_the_daemon_starts(tmp_path: Path) -> None:
    """``serve`` names each with its line, and still serves what it can."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(
        "version: 1\npaths: {primary: {sources: {disk: {provider: file, root: .}}}}\nsigning: {key_file: k}\n"
    )
    err = io.StringIO()
    code = main(["serve", "--listener-only", "-c", str(file)], stdin=io.StringIO(), stdout=io.StringIO(), stderr=err)
    assert f"{file}:3  signing is checked, but this version does not act on it" in err.getvalue()
    assert code == 2, "no listener is configured"
