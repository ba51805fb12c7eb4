"""The provider's README, held against the code: no key, kind, option, fault or error that it does not name."""

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel

import nhisync_vault
from nhisync.spi import ErrorKind
from nhisync_vault import settings
from nhisync_vault.emulator.faults import NAMES
from nhisync_vault.emulator.seeding import (
    AppRoleOptions,
    DynamicOptions,
    KvOptions,
    StaticOptions,
    TransitOptions,
)
from nhisync_vault.emulator.seeding_pki import PkiOptions
from nhisync_vault.emulator.seeding_tokens import TokenOptions
from nhisync_vault.emulator.source_faults import database_down, expire_tokens, make_unreachable, refuse_logins
from nhisync_vault.emulator.world import SourceOptions
from nhisync_vault.source import RATES

README = (Path(nhisync_vault.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
WORDS = frozenset(re.findall(r"`([^`\n]+)`", README))
SEEDS = {
    "kv": KvOptions,
    "db-static": StaticOptions,
    "db-dynamic": DynamicOptions,
    "approle": AppRoleOptions,
    "token": TokenOptions,
    "transit": TransitOptions,
    "pki": PkiOptions,
}


def _section(title: str) -> str:
    """Text below one heading, as far as the next heading of any level."""
    return re.split(r"^#+ ", README.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def _row(section: str, name: str) -> str:
    """The line of a table that begins with `name`."""
    return next(line for line in _section(section).splitlines() if line.startswith(f"| `{name}`"))


def test_every_setting_is_described() -> None:
    """Each key of a source has its row; each auth method has one with its own keys."""
    common = {"provider", "region", "auth"}
    rows = _section("## Settings")
    assert [
        name for name in settings.VaultSettings.model_fields if name not in common and f"`{name}`" not in rows
    ] == []
    methods: tuple[type[BaseModel], ...] = (
        settings.TokenAuth,
        settings.AppRoleAuth,
        settings.JwtAuth,
        settings.KubernetesAuth,
        settings.CertAuth,
    )
    for method in methods:
        name = method.model_fields["method"].annotation.__args__[0]  # type: ignore[union-attr]
        row = _row("## Credentials", name)
        assert [key for key in method.model_fields if key != "method" and f"`{key}`" not in row] == []


@pytest.mark.parametrize("kind", settings.KINDS)
def test_every_kind_is_described(kind: str) -> None:
    """Each kind has its row, with an example that is a locator of the kind."""
    assert f"`{kind}/" in _row("## Kinds", kind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_error_is_described(kind: ErrorKind) -> None:
    """Each error kind stands in the table."""
    assert _row("## Errors", kind.value)


@pytest.mark.parametrize("family", RATES)
def test_every_rate_is_told(family: str) -> None:
    """The numbers are those of the code."""
    assert f"`{family}` {RATES[family].per_second:g}" in README


@pytest.mark.parametrize("kind", SEEDS)
def test_every_seed_option_is_described(kind: str) -> None:
    """Each option of a seed kind stands in its row."""
    row = _row("### Seeds", kind)
    missing = [option.name for option in fields(SEEDS[kind]) if f"`{option.name}`" not in row]
    assert [name for name in missing if name != "dn"] == []
    assert "`dn`" in README


def test_every_source_option_is_described() -> None:
    """Each option of an emulated source is named."""
    assert [option.name for option in fields(SourceOptions) if option.name not in WORDS] == []


def test_every_fault_is_described() -> None:
    """Each fault is named, and no other is."""
    table = set(re.findall(r"`([a-z-]+)`", " ".join(line.split("|")[1] for line in _faults())))
    assert table == {*NAMES, "denied", "token-expired", "login-refused", "unreachable", "database-down"}
    for special in (expire_tokens, refuse_logins, make_unreachable, database_down):
        assert "off" in signature(special).parameters


def _faults() -> list[str]:
    lines = [line for line in _section("### Faults").splitlines() if line.startswith("| `")]
    assert lines
    return lines
