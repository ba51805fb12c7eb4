"""No value anywhere, and a quiet SDK: not in items, errors, logs or output, whatever the environment asks for."""

import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nhisync.spi import AccessMode, ProviderError
from nhisync_gcp.lines import quiet_sdk

from .conftest import REGION
from .test_permissions import KINDS, PRESENT, locators

CANARY = "canary-value-0451"
VALUE_CALLS = ("Access", "Create", "Add")


@pytest.fixture
def planted(gcp):
    """Canaries in every place that holds a value."""
    gcp.seed("secret", "stripe", fields={"v": CANARY})
    gcp.seed("regional-secret", f"{REGION}/ledger", fields={"v": CANARY})
    gcp.seed("service-account-key", "payments")
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{REGION}/pool/cn/api.example.com")
    return gcp


def held(gcp):
    """The planted value, and what nhisync itself holds: a line of its private key."""
    key = json.loads(Path(gcp.document["auth"]["file"]).read_text(encoding="utf-8"))["private_key"]
    return {CANARY, *key.splitlines()[1:4]}


@pytest.mark.requirement("R42")
def test_no_value_leaves_the_inventory(planted, caplog, capfd):
    """Items, coverage, identity, checks, documents, logs at DEBUG and output hold no value and no key."""
    caplog.set_level(logging.DEBUG)
    provider = planted.provider()
    wanted, kinds = locators(*PRESENT), frozenset(KINDS)
    token = provider._connection.token(planted.budget()).text
    told = [repr(one) for one in provider.inventory(planted.request(*PRESENT, kinds=" ".join(KINDS)))]
    told += [repr(provider.identify(planted.budget()))]
    told += [repr(one) for one in provider.examine(AccessMode.READ, wanted, kinds, planted.budget())]
    told += [one.text for mode in AccessMode for one in provider.permissions(mode, wanted, kinds)]
    told += [caplog.text, *capfd.readouterr(), repr(provider.__dict__)]
    assert not [secret for secret in {*held(planted), token} for text in told if secret in text]


@pytest.mark.requirement("R42")
def test_an_inventory_calls_nothing_that_shows_a_value(planted):
    """What reached the services are lists and reads of metadata; no value is asked for, so none can be logged there."""
    planted.see(*PRESENT, kinds=" ".join(KINDS))
    assert not [call for call in planted.calls() if any(word in call for word in VALUE_CALLS)]


@pytest.mark.parametrize("fault", ["internal", "garbage", "unavailable", "drop"])
def test_errors_while_reading_values_hold_none(make, fault):
    """The fault meets the very call whose answer holds the value: the error shows nothing of it."""
    gcp = make(fingerprint=True)
    gcp.seed("secret", "stripe", fields={"v": CANARY})
    gcp.fault(fault, call="SecretManagerService.AccessSecretVersion")
    (found,) = gcp.provider().values(locators("secret/stripe"), gcp.budget())
    assert CANARY not in repr(found)
    assert found[1].kind in {"unreachable", "malformed"}


def test_errors_are_raised_without_the_sdks_own(gcp):
    """An SDK exception holds the request, with the token in it: none is chained to ours."""
    gcp.fault("denied")
    connection = gcp.provider()._connection
    with pytest.raises(ProviderError) as caught:
        connection.call("secretmanager.list_secrets", gcp.budget(), parent="projects/x")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.fixture
def levels():
    """Loggers as they were, afterwards."""
    names = ("google", "grpc", "requests", "urllib3", "google.cloud.secretmanager_v1")
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("levels")
def test_debug_loggers_are_forced_off(monkeypatch):
    """Neither a logger set to DEBUG nor the SDK's and gRPC's own switches survive."""
    monkeypatch.setenv("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google")
    monkeypatch.setenv("GRPC_TRACE", "http")
    logging.getLogger("google.cloud.secretmanager_v1").setLevel(logging.DEBUG)
    quiet_sdk()
    assert "GOOGLE_SDK_PYTHON_LOGGING_SCOPE" not in os.environ
    assert "GRPC_TRACE" not in os.environ
    for name in ("google", "google.cloud.secretmanager_v1", "requests", "urllib3"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert not logging.getLogger("grpc._common").isEnabledFor(logging.ERROR)


def test_the_sdks_own_switch_prints_no_value(planted, tmp_path):
    """With the environment that makes Google's SDK print every answer, a read of a value prints none of it."""
    grants = {
        f"projects/{planted.document['project']}": ["secretmanager.versions.access", "secretmanager.versions.list"]
    }
    planted.world.grant("backup", "gcp", grants)
    (tmp_path / "source.json").write_text(json.dumps(planted.document), encoding="utf-8")
    program = textwrap.dedent(
        """
        import json, logging, sys
        from pathlib import Path
        from nhisync.spi import Budget, Locator, SourceContext, SystemClock, SystemRandomness
        from nhisync_gcp import GcpProvider, GcpSettings
        logging.basicConfig(level=logging.DEBUG)
        settings = GcpSettings.model_validate(json.loads(Path(sys.argv[1]).read_text()))
        context = SourceContext(path="p", source="gcp", region="r", base=Path(), clock=SystemClock(),
                                randomness=SystemRandomness())
        provider = GcpProvider(settings, context)
        found = list(provider.values([Locator("gcp", "secret", "stripe")], Budget(SystemClock(), seconds=20)))
        provider.close()
        print("read", len(found), type(found[0]).__name__)
        """
    )
    noisy = {"GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google", "GRPC_TRACE": "http,call_error", "GRPC_VERBOSITY": "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "source.json")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **noisy},
        timeout=60,
    )
    assert "read 1 FieldValue" in done.stdout
    said = done.stdout + done.stderr
    assert CANARY not in said
    assert "Bearer" not in said
    assert not [line for line in held(planted) if line in said]


SDKS = ("boto3", "botocore", "azure", "hvac", "httpx", "psycopg", "moto", "acme")
EMULATOR = "nhisync_gcp.emulator"


def test_one_providers_run_imports_no_other_sdk(gcp, tmp_path):
    """An inventory of this source loads Google's SDK alone, of it the services that it asks, and no emulator."""
    gcp.seed("secret", "stripe")
    (tmp_path / "source.json").write_text(json.dumps(gcp.document), encoding="utf-8")
    program = textwrap.dedent(
        """
        import json, sys
        from pathlib import Path
        from nhisync.spi import Budget, InventoryRequest, SourceContext, SystemClock, SystemRandomness
        import nhisync_gcp
        before = sorted(m for m in sys.modules if m.split(".")[0] in ("google", "grpc", "requests"))
        from nhisync_gcp import GcpProvider, GcpSettings
        settings = GcpSettings.model_validate(json.loads(Path(sys.argv[1]).read_text()))
        context = SourceContext(path="p", source="gcp", region="r", base=Path(), clock=SystemClock(),
                                randomness=SystemRandomness())
        provider = GcpProvider(settings, context)
        request = InventoryRequest(budget=Budget(SystemClock(), seconds=20), kinds=frozenset({"secret"}))
        found = list(provider.inventory(request))
        provider.close()
        print(json.dumps([before, len(found), sorted(sys.modules)]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "source.json")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    before, found, modules = json.loads(done.stdout)
    assert before == []
    assert found == 2
    assert not [name for name in modules if name.split(".")[0] in SDKS]
    assert not [name for name in modules if name.startswith((EMULATOR, "nhisync_aws", "nhisync_vault"))]
    clouds = {".".join(name.split(".")[:3]) for name in modules if name.startswith("google.cloud.")}
    assert "google.cloud.secretmanager_v1" in clouds
    assert not clouds & {"google.cloud.iam_admin_v1", "google.cloud.certificate_manager_v1", "google.cloud.security"}
