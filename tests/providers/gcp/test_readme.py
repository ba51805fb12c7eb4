"""The README says what the code does: kinds, methods, settings, families, roles, error kinds."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nhisync.spi import AccessMode, ErrorKind, Locator
from nhisync_gcp import GcpProvider, GcpSettings
from nhisync_gcp.calls import CALLS, RATES
from nhisync_gcp.permissions import (
    ACCESS,
    PROTECTION,
    PROTECTION_ABOVE,
    READ,
    RIGHTS,
    RIGHTS_ABOVE,
    bindings,
)

ROOT = Path(__file__).parents[3] / "providers" / "gcp"
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OURS = {"provider", "region", "auth"}
NEVER_SAID = {"not_propagated", "read_only_side", "quota"}  # minting and replicas: no such answer to a read


@pytest.mark.parametrize("kind", [kind.name for kind in GcpProvider.info.kinds])
def test_every_kind_is_described(kind):
    """A row in the table of kinds, and permissions of its own."""
    assert len(re.findall(rf"^\| `{kind}` \|", README, re.MULTILINE)) == 1
    assert READ[kind]


@pytest.mark.parametrize("name", sorted(set(GcpSettings.model_fields) - NOT_OURS))
def test_every_setting_is_described(name):
    """All keys of a source are in the table of settings."""
    assert re.search(rf"^\| (`\w+`, )?`{name}`", README, re.MULTILINE)


@pytest.mark.parametrize("method", ["service_account_key", "workload_identity", "metadata_server", "access_token_file"])
def test_every_auth_method_is_described(method):
    """All methods, and no other, are in the table of credentials."""
    assert f"| `{method}` |" in README


@pytest.mark.parametrize("family", sorted(RATES))
def test_every_rate_is_true(family):
    """The table of rates holds the defaults."""
    assert f"`{family}` | {RATES[family].per_second:g} |" in README


@pytest.mark.parametrize("kind", sorted({kind.value for kind in ErrorKind} - NEVER_SAID))
def test_every_error_kind_is_described(kind):
    """The table of errors is complete."""
    assert f"| `{kind}` |" in README


@pytest.mark.parametrize("mode", list(AccessMode))
def test_every_role_is_described(mode):
    """The table of modes names the roles that are printed."""
    email = "a@p.iam.gserviceaccount.com"
    accounts = [Locator("gcp", kind, email) for kind in ("service-account", "service-account-key")]
    found = bindings(mode, (Locator("gcp", "secret", "s"), *accounts), frozenset(READ), "p")
    assert {one.role for one in found} <= set(re.findall(r"`(nhisync\w+)`", README))


def test_every_permission_belongs_to_a_call():
    """What the read documents grant is what calls ask for, and the other way round; values are apart."""
    asked = {call.permission for call in CALLS.values() if call.permission}
    rights = {*RIGHTS, *RIGHTS_ABOVE, *PROTECTION, *PROTECTION_ABOVE}
    assert {one for kind in READ.values() for one in kind} | rights == asked - {ACCESS}


def test_documented_source_is_valid():
    """The example of the first lines loads."""
    text = README.partition("```yaml\n")[2].partition("```")[0]
    document = YAML(typ="safe").load(text)["sources"]["google"]
    assert GcpSettings.model_validate(document).auth.method == "service_account_key"
