"""A configuration that uses every key, and helpers that load texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhisync.config import Configuration, Offered, load
from nhisync.errors import ConfigurationError, Problem
from nhisync.spi import KindInfo, ProviderInfo, SourceSettings

DATA = Path(__file__).parent / "data"

SMALL = """\
version: 1
paths:
  primary:
    region: eu-west-1
    sources:
      vault: {provider: vault}
      edge: {provider: tls}
  backup:
    region: eu-north-1
    sources:
      aws: {provider: aws}
      edge: {provider: tls}
apps:
  payments:
    tier: critical
    pairs:
      - {name: stripe-api, kind: api-key, primary: "vault:kv/secret/stripe#key", backup: "aws:secret/stripe#key"}
"""
"""The smallest sensible configuration."""


def offering(settings_of: Callable[[str], type[SourceSettings]], **kinds: tuple[str, ...]) -> Offered:
    """Any provider, with the settings class that `settings_of` says for its name, and the kinds given by its name."""

    def declared(name: str) -> ProviderInfo:
        known = tuple(
            KindInfo(name=kind, title=kind, locator=f"{kind}/x") for kind in kinds.get(name, ("kv", "secret"))
        )
        return ProviderInfo(name=name, title=name, capabilities=frozenset(), kinds=known, settings=settings_of(name))

    return lambda _allow: declared


@pytest.fixture
def full() -> str:
    """A configuration with every key of the contract."""
    return (DATA / "full.yaml").read_text(encoding="utf-8")


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Configuration]:
    """Load a text as ``nhisync.yaml`` in an empty folder."""

    def loader(text: str | bytes, **options: Any) -> Configuration:
        file = tmp_path / "nhisync.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, **options)

    return loader


@pytest.fixture
def problems_of(load_text: Callable[..., Configuration]) -> Callable[..., tuple[Problem, ...]]:
    """The problems of a text; () when it can be used."""

    def finder(text: str | bytes, **options: Any) -> tuple[Problem, ...]:
        try:
            load_text(text, **options)
        except ConfigurationError as error:
            return error.problems
        return ()

    return finder
