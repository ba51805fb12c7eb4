"""The provider's README, held against the code: no key, kind, option, fault or error that it does not name."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import BaseModel

import nhisync_kubernetes
from nhisync.spi import AccessMode, ErrorKind
from nhisync_kubernetes import metadata, settings
from nhisync_kubernetes.emulator.faults import NAMES
from nhisync_kubernetes.emulator.seeding import AccountOptions, CertificateOptions, SecretOptions, TokenOptions
from nhisync_kubernetes.emulator.world import SourceOptions
from nhisync_kubernetes.permissions import documents
from nhisync_kubernetes.provider import RATES
from nhisync_kubernetes.resources import KINDS

README = (Path(nhisync_kubernetes.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SEEDS = {
    "secret": SecretOptions,
    "service-account": AccountOptions,
    "service-account-token": TokenOptions,
    "certificate": CertificateOptions,
}
SPECIAL = {"authorizer", "denied", "unreachable", "incomplete-rules", "issuer-hidden"}


def section(title: str) -> str:
    """Text below one heading, as far as the next heading of any level."""
    return re.split(r"^#+ ", README.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def row(title: str, name: str) -> str:
    """The line of a table that begins with `name`."""
    return next(line for line in section(title).splitlines() if line.startswith(f"| `{name}`"))


def test_every_setting_is_described() -> None:
    """Each key of a source has its row; each auth method has one with its own keys."""
    common = {"provider", "region", "auth"}
    rows = section("## Settings")
    keys = settings.KubernetesSettings.model_fields
    assert [name for name in keys if name not in common and f"`{name}`" not in rows] == []
    methods: tuple[type[BaseModel], ...] = (
        settings.TokenFileAuth,
        settings.ClientCertificateAuth,
        settings.KubeconfigAuth,
        settings.InClusterAuth,
    )
    for method in methods:
        name = method.model_fields["method"].annotation.__args__[0]  # type: ignore[union-attr]
        text = row("## Credentials", name)
        assert [key for key in method.model_fields if key != "method" and f"`{key}`" not in text] == []


@pytest.mark.parametrize(
    "name", ["skip_types", "identify_by", "subject", "owner_key", "page_size", "workers", "attempts"]
)
def test_defaults_are_those_of_the_code(name: str) -> None:
    """A default in the table is the one in force."""
    default = settings.KubernetesSettings.model_fields[name].default
    assert str(default[0] if isinstance(default, tuple) else default) in row("## Settings", name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described(kind: str) -> None:
    """Each kind has its row, with an example that is a locator of the kind."""
    assert f"`{kind}/" in row("## Kinds", kind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_error_is_described(kind: ErrorKind) -> None:
    """Each error kind stands in the table."""
    assert row("## Errors", kind.value)


@pytest.mark.parametrize("family", RATES)
def test_every_rate_is_told(family: str) -> None:
    """The numbers are those of the code."""
    assert f"`{family}` {RATES[family].per_second:g}" in README


@pytest.mark.parametrize("key", [metadata.LIFECYCLE_KEY, metadata.INTERVAL_KEY, metadata.NAME_KEY])
def test_annotations_are_described(key: str) -> None:
    """What annotations mean to us is told."""
    assert f"`{key}`" in README


@pytest.mark.parametrize("mode", list(AccessMode))
def test_every_mode_is_described(mode: AccessMode) -> None:
    """Each permission mode has its row, and the rule lines of the example are what a document prints."""
    assert re.search(rf"^\| {mode.value} \|", section("## Permissions"), re.MULTILINE)


def test_the_example_is_what_is_printed() -> None:
    """The three lines of the example stand in the document of the configuration that they are of."""
    from nhisync.spi import Locator

    chosen = settings.KubernetesSettings.model_validate({"provider": "kubernetes", "auth": {"method": "in_cluster"}})
    wanted = [Locator.parse(f"x:{name}") for name in ("secret/payments/stripe", "certificate/payments/api-tls")]
    text = documents(chosen, AccessMode.READ, wanted, frozenset())[0].text
    example = re.search(r"```yaml\n(- .*?)```", section("## Permissions"), re.DOTALL)
    assert example is not None
    assert [line for line in example[1].splitlines() if line not in text] == []


@pytest.mark.parametrize("kind", SEEDS)
def test_every_seed_option_is_described(kind: str) -> None:
    """Each option of a seed kind stands in its row."""
    text = row("### Seeds", kind)
    assert [option.name for option in fields(SEEDS[kind]) if f"`{option.name}`" not in text] == []


def test_every_source_option_is_described() -> None:
    """Each option of an emulated source is named."""
    text = section("## The emulator")
    assert [option.name for option in fields(SourceOptions) if f"`{option.name}`" not in text] == []


def test_every_fault_is_described() -> None:
    """Each fault is named, and no other is."""
    lines = [line for line in section("### Faults").splitlines() if line.startswith("| `")]
    assert {match for line in lines for match in re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])} == NAMES | SPECIAL
