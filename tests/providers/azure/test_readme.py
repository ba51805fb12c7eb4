"""The README says what the code does: kinds, methods, settings, rates, errors, permissions, seeds and faults."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from nhisync.spi import AccessMode, ErrorKind, Locator
from nhisync_azure import AzureProvider, AzureSettings
from nhisync_azure.connection import RATES
from nhisync_azure.emulator import seeding, seeding_directory, seeding_vault
from nhisync_azure.emulator.faults import FAULTS, SURFACES, WORLD_FAULTS
from nhisync_azure.emulator.sources import SourceOptions
from nhisync_azure.permissions import documents
from nhisync_azure.settings import KINDS, CertificateAuth, ClientSecretAuth, ManagedIdentityAuth, WorkloadIdentityAuth

ROOT = Path(__file__).parents[3]
README = (ROOT / "providers" / "azure" / "README.md").read_text(encoding="utf-8")
WORDS = frozenset(re.findall(r"`([^`\n]+)`", README))
NOT_OURS = {"provider", "region", "auth"}


def section(title):
    """Text below one heading, as far as the next heading of any level."""
    return re.split(r"^#+ ", README.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def row(title, name):
    """The line of a table that begins with `name`."""
    return next(line for line in section(title).splitlines() if line.startswith(f"| `{name}`"))


@pytest.mark.parametrize("kind", [kind.name for kind in AzureProvider.info.kinds])
def test_every_kind_is_described(kind):
    """A row in the table of kinds, with an example, and one in the table of seeds."""
    assert f"`{kind}/" in row("## Kinds", kind)
    assert row("### Seeds", kind)


@pytest.mark.parametrize("name", sorted(set(AzureSettings.model_fields) - NOT_OURS))
def test_every_setting_is_described(name):
    """All keys of a source are in the table of settings."""
    assert f"`{name}`" in section("## Settings")


@pytest.mark.parametrize("auth", [ClientSecretAuth, CertificateAuth, WorkloadIdentityAuth, ManagedIdentityAuth])
def test_every_auth_method_is_described(auth):
    """Each method has its row with all its keys."""
    line = row("## Credentials", auth.model_fields["method"].annotation.__args__[0])
    assert [key for key in auth.model_fields if key != "method" and f"`{key}`" not in line] == []


@pytest.mark.parametrize("family", sorted(RATES))
def test_every_rate_is_true(family):
    """The table of rates holds the defaults."""
    assert row("### Calls and rates", family).split("|")[2].strip() == f"{RATES[family].per_second:g}"


@pytest.mark.parametrize("kind", [kind.value for kind in ErrorKind])
def test_every_error_kind_is_described(kind):
    """The mapping names every kind of the SPI."""
    assert row("## Errors", kind)


@pytest.mark.parametrize("access", ["rbac", "policies"])
@pytest.mark.parametrize("mode", list(AccessMode))
def test_every_permission_is_told(mode, access):
    """The table of permissions holds what each mode's documents grant, and its row nothing else."""
    auth = {"method": "client_secret", "tenant": "t", "client_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12}
    made = AzureSettings.model_validate(
        {
            "provider": "azure",
            "vault": "https://v.vault.azure.net",
            "directory": True,
            "access": access,
            "auth": {**auth, "secret_file": "x"},
        }
    )
    wanted = tuple(Locator.parse(f"kv:{kind}/x/y") for kind in KINDS)
    granted = {a for one in documents(mode, wanted, frozenset(KINDS), made) for a in one.actions}
    cells = next(line for line in section("## Permissions").splitlines() if line.startswith(f"| {mode.value} |"))
    read = next(line for line in section("## Permissions").splitlines() if line.startswith("| read |"))
    text = " ".join(one.split("|")[2 if access == "rbac" else 3] for one in (cells, read))
    graph = " ".join(one.split("|")[4] for one in (cells, read))
    for permission in granted:
        if permission.startswith("Application."):
            assert permission in graph
        elif access == "rbac":
            word = permission.removeprefix("Microsoft.KeyVault/vaults/").removesuffix("/action")
            assert word in text or word.rpartition("/")[2] in text
        else:
            kind, word = permission.split("/")
            assert re.search(rf"{kind} [\w, ]*\b{word}\b", text), permission


def test_every_source_option_is_described():
    """Each option of an emulated source is named."""
    assert [one.name for one in fields(SourceOptions) if f"`{one.name}`" not in section("## The emulator")] == []


def test_every_seed_option_is_described():
    """Each option of a seed stands in its row, or above the table for all kinds."""
    text = section("### Seeds")
    assert [name for name in (*seeding.COMMON, *seeding_directory._OPTIONS) if f"`{name}`" not in text] == []
    for kind, options in (("key", seeding_vault._KEY_OPTIONS), ("certificate", seeding_vault._CERTIFICATE_OPTIONS)):
        assert [name for name in options if f"`{name}`" not in row("### Seeds", kind)] == []


def test_every_fault_is_described():
    """Each fault is in the table, and no other is; surfaces are named."""
    table = [line for line in section("### Faults").splitlines() if line.startswith("| `")]
    assert {line.split("`")[1] for line in table} == {*FAULTS, *WORLD_FAULTS}
    assert set(SURFACES) <= WORDS


def test_variables_of_the_contract_tests_are_named():
    """What points the contract tests at another server is in the README, and nothing else is."""
    text = (ROOT / "tests/providers/azure/emulator/conftest.py").read_text(encoding="utf-8")
    assert set(re.findall(r"NHISYNC_[A-Z_]+", text)) == set(
        re.findall(r"NHISYNC_[A-Z_]+", section("### Other servers"))
    )
