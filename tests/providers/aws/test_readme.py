"""The README says what the code does: kinds, methods, settings, families, error kinds, seeds and faults."""

import re
from pathlib import Path

import pytest

from nhisync.spi import ErrorKind
from nhisync_aws import AwsProvider, AwsSettings
from nhisync_aws.connection import RATES
from nhisync_aws.emulator.faults import FAULTS

ROOT = Path(__file__).parents[3] / "providers" / "aws"
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OURS = {"provider", "region", "auth"}
NEVER_SAID = {"not_propagated", "scope_missing"}  # minting and mounts: no such thing in an AWS inventory


@pytest.mark.parametrize("kind", [kind.name for kind in AwsProvider.info.kinds])
def test_every_kind_is_described(kind):
    """A row in the table of kinds, and one in the table of seeds."""
    for title in ("## Kinds", "### Seeds"):
        table = README.partition(f"\n{title}\n")[2].partition("\n#")[0]
        assert len(re.findall(rf"^\| `{kind}` \|", table, re.MULTILINE)) == 1, title


@pytest.mark.parametrize("name", sorted(set(AwsSettings.model_fields) - NOT_OURS))
def test_every_setting_is_described(name):
    """All keys of a source are in the table of settings."""
    assert f"`{name}`" in README


@pytest.mark.parametrize("method", ["keys_file", "assume_role", "web_identity", "profile", "instance_role"])
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


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_is_described(name):
    """The table of faults is complete."""
    assert f"| `{name}` |" in README


def test_every_seed_option_is_described():
    """Every option that the emulator's seeds read is named in the README."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nhisync_aws" / "emulator").glob("seed*.py"))
    used = set(re.findall(r'options(?:\.get\(|\[)"(\w+)"', source)) | set(re.findall(r'"(\w+)" in options', source))
    assert used
    assert not {name for name in used if f"`{name}`" not in README}


def test_documented_source_is_valid():
    """The example of the first lines loads."""
    from ruamel.yaml import YAML

    text = README.partition("```yaml\n")[2].partition("```")[0]
    document = YAML(typ="safe").load(text)["sources"]["aws"]
    assert AwsSettings.model_validate(document).auth.method == "assume_role"
