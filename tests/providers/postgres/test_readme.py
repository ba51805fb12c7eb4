"""The provider's README, held against the code."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import nhisync_postgres
from nhisync.spi import ErrorKind
from nhisync_postgres import settings
from nhisync_postgres.errors import _STATES, _WORDS
from nhisync_postgres.permissions import CATALOGS
from nhisync_postgres.provider import RATES

README = (Path(nhisync_postgres.__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    """Text below one heading."""
    return re.split(r"^#+ ", README.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_setting_is_described() -> None:
    """Each key of a source and of each auth method is named."""
    rows = _section("## Settings")
    assert [n for n in settings.PostgresSettings.model_fields if n != "provider" and f"`{n}`" not in rows] == []
    methods: tuple[type[BaseModel], ...] = (settings.PasswordAuth, settings.CertificateAuth, settings.PeerAuth)
    credentials = _section("## Credentials")
    for method in methods:
        word = method.model_fields["method"].annotation.__args__[0]  # type: ignore[union-attr]
        row = next(line for line in credentials.splitlines() if line.startswith(f"| `{word}`"))
        assert [key for key in method.model_fields if key != "method" and f"`{key}`" not in row] == []


def test_every_error_kind_of_the_code_is_described() -> None:
    """Each kind that a refusal is translated to has its row."""
    used = {meaning[0] for meaning in _STATES.values()} | {meaning[0] for _, meaning in _WORDS}
    table = _section("## When there is no answer")
    assert [kind for kind in {*used, ErrorKind.MALFORMED} if f"| `{kind.value}`" not in table] == []


@pytest.mark.parametrize("family", RATES)
def test_every_rate_is_told(family: str) -> None:
    """The numbers are those of the code."""
    assert f"`{family}` {RATES[family].per_second:g}" in README


def test_catalogs_are_named() -> None:
    """Who reviews the access reads which catalogs are read."""
    assert [name for name in CATALOGS if f"`{name}`" not in README] == []
