"""The provider's README, held against the code."""

import re
from pathlib import Path

import pytest

import nhisync_acme
from nhisync.spi import ErrorKind
from nhisync_acme.emulator.listener import FAULTS
from nhisync_acme.errors import _PROBLEMS
from nhisync_acme.provider import RATES, AcmeProvider
from nhisync_acme.settings import AcmeSettings

README = (Path(nhisync_acme.__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    """Text below one heading."""
    return re.split(r"^#+ ", README.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_setting_is_described() -> None:
    """Each key of a source is named."""
    rows = _section("## Settings")
    assert [name for name in AcmeSettings.model_fields if name != "provider" and f"`{name}`" not in rows] == []


def test_every_kind_is_described() -> None:
    """Each kind has its row."""
    table = _section("## Kinds and locators")
    assert [kind.name for kind in AcmeProvider.info.kinds if f"| `{kind.name}` |" not in table] == []


def test_every_error_kind_is_described() -> None:
    """Each kind that a problem is translated to has its row."""
    table = _section("## When there is no answer")
    kinds = {meaning[0] for meaning in _PROBLEMS.values()} | {ErrorKind.UNREACHABLE, ErrorKind.MALFORMED}
    assert [kind for kind in kinds if f"| `{kind.value}` |" not in table] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_described(fault: str) -> None:
    """Each trouble of the emulator is named."""
    assert f"`{fault}`" in README


@pytest.mark.parametrize("family", RATES)
def test_every_rate_is_told(family: str) -> None:
    """The numbers are those of the code."""
    assert f"`{family}` {RATES[family].per_second:g}" in README
