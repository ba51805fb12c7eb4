"""nhisync's own identity: the named file and nothing else, and a token service in trouble is not a refusal."""

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from nhisync.spi import ErrorKind, ProviderError

FILES = ["client_secret", "certificate", "workload_identity"]
METHODS = [*FILES, "managed_identity"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_logs_in(source_of, method):
    """The token says who we are and in which tenant."""
    site = source_of(auth=method)
    who = site.provider().identify(site.budget())
    auth = site.document["auth"]
    assert (who.authority, who.principal) == (f"azure:{auth['tenant']}", auth["client_id"])
    assert site.document["vault"].endswith(who.endpoint)


def test_a_tenant_named_by_its_domain_is_known_by_its_id(source_of):
    """Two spellings of one tenant are one authority."""
    site = source_of(tenant="contoso")
    auth = {**site.document["auth"], "tenant": "contoso.onmicrosoft.com"}
    who = site.provider(auth=auth).identify(site.budget())
    assert who.authority == f"azure:{site.document['auth']['tenant']}"
    site.seed("secret", "x")
    assert site.see("secret/x", auth=auth)["secret/x"].version


def test_one_application_on_both_paths_is_one_identity(source_of):
    """The core refuses to read both paths as one and the same principal (exit 5): authority and principal are equal."""
    one, other = source_of("primary", "kv"), source_of("backup", "kv", identity_of="primary/kv")
    mine, theirs = (site.provider().identify(site.budget()) for site in (one, other))
    assert (mine.authority, mine.principal) == (theirs.authority, theirs.principal)
    assert mine.endpoint != theirs.endpoint


def test_a_token_is_asked_for_once(backup):
    """Three kinds of a vault and two of the directory: one token for each service."""
    for kind in ("secret", "key", "certificate", "app-secret", "sp-secret"):
        backup.seed(kind, f"x-{kind}")
    backup.see(kinds="secret key certificate app-secret sp-secret")
    assert backup.calls["sts:token"] == 2


def test_a_token_is_used_until_it_nearly_ends(backup, clock):
    """Ten minutes before its end a new one is asked for; the lifetime is the token's own."""
    provider = backup.provider()
    provider.identify(backup.budget())
    clock.advance(timedelta(minutes=45))
    provider.identify(backup.budget())
    assert backup.calls["sts:token"] == 1
    clock.advance(timedelta(minutes=10))
    provider.identify(backup.budget())
    assert backup.calls["sts:token"] == 2


def test_the_file_is_read_anew(backup):
    """A rotated secret is used by the next login, without a restart."""
    provider, file = backup.provider(), Path(backup.document["auth"]["secret_file"])
    good = file.read_text(encoding="ascii")
    file.write_text("wrong-canary-secret", encoding="ascii")
    with pytest.raises(ProviderError) as caught:
        provider.identify(backup.budget())
    assert caught.value.kind is ErrorKind.AUTH_FAILED
    assert "canary" not in f"{caught.value} {caught.value.fact} {caught.value.fix}"
    file.write_text(good, encoding="ascii")
    assert provider.identify(backup.budget())


@pytest.mark.parametrize(
    ("age", "kind"), [(timedelta(minutes=2), "not_propagated"), (timedelta(hours=2), "auth_failed")]
)
@pytest.mark.parametrize("method", ["client_secret", "certificate"])
def test_a_new_credential_may_not_have_spread(source_of, clock, method, age, kind):
    """AADSTS7000215 and 700027 mean "wrong" or "not yet": the age of the file tells which is likely."""
    site = source_of(auth=method)
    auth = site.document["auth"]
    file = auth.get("secret_file") or auth["certificate_file"]
    written = (clock.now() - age).timestamp()
    os.utime(file, (written, written))
    site.fault("secret-lag", attempts=5)
    with pytest.raises(ProviderError) as caught:
        site.provider().identify(site.budget())
    assert caught.value.kind == kind
    assert "AADSTS" in caught.value.message


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("unavailable", {}, "unreachable"),
        ("unavailable", {"status": 500}, "unreachable"),
        ("drop", {}, "unreachable"),
        ("drop-before", {}, "unreachable"),
        ("throttled", {}, "throttled"),
        ("garbage", {}, "malformed"),
        ("cut", {}, "malformed"),
        ("denied", {"operations": "token"}, "auth_failed"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_an_outage_of_the_token_service_is_no_invalid_credential(source_of, fault, options, kind, method):
    """Whatever azure-identity calls it, with every kind of credential (issue item 6)."""
    site = source_of(auth=method)
    site.fault(fault, surface="sts", **options)
    with pytest.raises(ProviderError) as caught:
        site.see("secret/x", kinds="secret")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("authority", "words"),
    [("https://127.0.0.1:1", "refused"), ("https://no-such-host.invalid", "no address")],
)
@pytest.mark.parametrize("method", FILES)
def test_a_token_service_that_is_not_there_is_unreachable(source_of, authority, words, method):
    """A refused port and a missing name: the cause counts, not the class of the exception."""
    site = source_of(auth=method)
    with pytest.raises(ProviderError, match=words) as caught:
        site.provider(authority=authority).identify(site.budget())
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert caught.value.fact.resource == authority


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"tenant": "00000000-1111-2222-3333-444444444444"}, "misconfigured", "no such tenant"),
        ({"client_id": "00000000-1111-2222-3333-444444444444"}, "auth_failed", "no such application"),
    ],
)
def test_what_the_configuration_got_wrong_is_named(backup, change, kind, words):
    """A tenant and an application that do not exist."""
    with pytest.raises(ProviderError, match=words) as caught:
        backup.provider(auth={**backup.document["auth"], **change}).identify(backup.budget())
    assert caught.value.kind == kind


@pytest.mark.parametrize("content", [None, b"", b" \n", b"x" * 300_000])
def test_a_file_that_cannot_be_a_credential_is_named(backup, tmp_path, content):
    """Missing, empty, huge: the configuration's mistake, and nothing is sent."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProviderError, match="cannot be used") as caught:
        backup.provider(auth={**backup.document["auth"], "secret_file": str(file)}).identify(backup.budget())
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert backup.calls == {}


@pytest.mark.parametrize(
    "content", [b"no certificate", b"-----BEGIN PRIVATE KEY-----\ncanary-key\n-----END PRIVATE KEY-----"]
)
def test_a_certificate_file_without_one_is_named(source_of, tmp_path, content):
    """azure-identity's ValueError is our MISCONFIGURED, without a word of the file."""
    site, file = source_of(auth="certificate"), tmp_path / "c.pem"
    file.write_bytes(content)
    with pytest.raises(ProviderError, match="PEM certificate with its RSA key") as caught:
        site.provider(auth={**site.document["auth"], "certificate_file": str(file)}).identify(site.budget())
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert "canary" not in f"{caught.value} {caught.value.fact}"


def test_a_secret_that_is_no_text_is_named(backup, tmp_path):
    """Bytes that are no UTF-8 are no client secret."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProviderError, match="one line of text"):
        backup.provider(auth={**backup.document["auth"], "secret_file": str(file)}).identify(backup.budget())


def test_the_surroundings_are_not_asked(backup, monkeypatch):
    """AZURE_* variables, proxies and trust stores of the environment change nothing."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST"):
        monkeypatch.setenv(name, "https://evil.example")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    backup.seed("secret", "x")
    assert backup.see("secret/x")["secret/x"].version


def test_the_sdks_come_with_the_first_call_and_alone():
    """Documents and settings import no azure package; one kind imports only its own (issue: import guard)."""
    code = """
import json, sys
import nhisync_azure.settings
import nhisync_azure
early = sorted(m for m in sys.modules if m.split(".")[0] in ("azure", "msal", "requests"))
from nhisync_azure import AzureProvider
others = ("msal", "boto3", "botocore", "hvac", "google", "grpc", "httpx")
late = sorted(m for m in sys.modules if m.split(".")[0] in others)
vaults = sorted(m for m in sys.modules if m.startswith("azure.keyvault"))
print(json.dumps([early, late, vaults]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [[], [], []]


def test_own_files_are_private(source_of):
    """What the world writes is what an operator should write."""
    site = source_of()
    assert stat.S_IMODE(Path(site.document["auth"]["secret_file"]).stat().st_mode) == 0o600
