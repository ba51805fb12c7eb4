"""Where requests go and with what: configured endpoints only, nothing from the environment, nothing in logs."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from nhisync.spi import ErrorKind, Locator, Presence, ProviderError
from nhisync_vault.transport import quiet_sdk

KV = Locator("vault", "kv", "secret/pay")


def test_a_redirect_to_a_stranger_does_not_get_the_token(site: Any) -> None:
    """307 to an unnamed host is refused; nothing is sent there."""
    site.seed("kv", "secret/pay")
    site.fault("redirect", location="https://192.0.2.1:8200", paths=("secret/",))
    item = site.observe(KV)[KV]
    assert item.error.kind == ErrorKind.MISCONFIGURED.value
    assert item.error.resource == "https://192.0.2.1:8200"


def test_a_redirect_to_a_named_node_is_followed(make_site: Any) -> None:
    """A standby that redirects to the configured active node is fine."""
    site = make_site(standby_lag=0)
    site.seed("kv", "secret/pay")
    site.fault("standby", off=True)
    site.fault("redirect", location=site.document["nodes"][0], paths=("secret/",))
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_redirects_in_a_circle_end(site: Any) -> None:
    """A server that redirects to itself is malformed, at once."""
    site.seed("kv", "secret/pay")
    site.fault("redirect", paths=("secret/",))
    assert site.observe(KV)[KV].error.kind == ErrorKind.MALFORMED.value


@pytest.mark.requirement("R32")
def test_nothing_is_taken_from_the_environment(site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tokens, addresses, namespaces, proxies and CAs of the environment change nothing."""
    (tmp_path / ".vault-token").write_text("from-home")
    for name, value in {
        "HOME": str(tmp_path),
        "VAULT_TOKEN": "from-environment",
        "VAULT_ADDR": "http://192.0.2.1:8200",
        "VAULT_NAMESPACE": "elsewhere",
        "VAULT_SKIP_VERIFY": "1",
        "VAULT_CACERT": "/nonexistent",
        "HTTPS_PROXY": "http://192.0.2.1:3128",
        "HTTP_PROXY": "http://192.0.2.1:3128",
        "REQUESTS_CA_BUNDLE": "/nonexistent",
        "CURL_CA_BUNDLE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    site.seed("kv", "secret/pay")
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_a_client_certificate_of_the_environment_is_not_shown(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hvac reads VAULT_CLIENT_CERT at import; the adapter passes an explicit nothing."""
    monkeypatch.setattr("hvac.v1.VAULT_CLIENT_CERT", "/nonexistent/cert.pem")
    monkeypatch.setattr("hvac.v1.VAULT_CLIENT_KEY", "/nonexistent/key.pem")
    site.seed("kv", "secret/pay")
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_an_untrusted_certificate_is_told_as_such(site: Any) -> None:
    """Without the CA nothing is sent, and the fix names ca_file."""
    with pytest.raises(ProviderError) as caught:
        site.observe(KV, provider=site.provider(ca_file=None))
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert "ca_file" in caught.value.fix
    assert not [one for one in site.node.received if "login" in one]


def test_plain_http_works_on_loopback(make_site: Any) -> None:
    """The plain listener is the same server."""
    site = make_site(tls=False)
    site.seed("kv", "secret/pay")
    assert site.document["address"].startswith("http://127.0.0.1:")
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_namespaces_are_sent_where_they_belong(make_site: Any) -> None:
    """Everything is read in the namespace; health and leader, which refuse it, are asked without."""
    site = make_site(namespace="team-a")
    site.seed("kv", "secret/pay")
    assert site.observe(KV, kinds=("kv",))[KV].presence is Presence.PRESENT
    assert site.provider().identify(site.budget()).authority.endswith("/team-a")


def test_the_sdks_loggers_stay_quiet(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG urllib3 prints request lines; the adapter pins it."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    quiet_sdk()
    site.seed("kv", "secret/pay")
    site.observe(KV)
    assert not [record for record in caplog.records if record.name.startswith(("urllib3", "hvac", "requests"))]


def test_the_token_is_revoked_when_the_source_is_closed(make_site: Any) -> None:
    """A login of ours leaves no living token behind; closing twice is fine."""
    site = make_site()
    site.seed("kv", "secret/pay")
    provider = site.provider()
    site.observe(KV, provider=provider)
    core = site.world.source("primary", "vault").core
    assert any(core.token_view().get(f"id/{key}").display_name == "approle" for key in core.token_view().walk("id/"))
    provider.close()
    provider.close()
    assert not any(
        core.token_view().get(f"id/{key}").display_name == "approle" for key in core.token_view().walk("id/")
    )


def test_a_token_from_a_file_is_left_alone(make_site: Any) -> None:
    """It belongs to whoever wrote the file."""
    site = make_site(auth="token")
    site.seed("kv", "secret/pay")
    for _ in range(2):
        provider = site.provider()
        assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT
        provider.close()


def test_closing_an_unreachable_source_is_quiet(site: Any) -> None:
    """Close never raises."""
    site.seed("kv", "secret/pay")
    provider = site.provider()
    site.observe(KV, provider=provider)
    site.fault("unreachable")
    provider.close()


def test_a_closed_source_can_be_read_again(site: Any) -> None:
    """The next cycle opens what it needs."""
    site.seed("kv", "secret/pay")
    provider = site.provider()
    site.observe(KV, provider=provider)
    provider.close()
    assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT


class _Arrivals(list[str]):
    """What a node received; `came` is set when a transit key is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def append(self, line: str) -> None:
        """Note one request."""
        super().append(line)
        if "transit/" in line:
            self.came.set()


def test_closing_from_another_thread_ends_a_run(site: Any) -> None:
    """A run that hangs is ended by close; every wanted item is still answered."""
    keys = [site.seed("transit", f"transit/k{n}") for n in range(4)]
    site.fault("hang", paths=("transit/",), at_most=5)
    provider = site.provider(read_timeout="300ms", attempts=1, workers=2)
    arrivals = _Arrivals()
    site.node.received = arrivals
    closer = threading.Thread(target=lambda: (arrivals.came.wait(20), provider.close()))
    closer.start()
    seen = site.observe(*keys, provider=provider)
    closer.join()
    assert {seen[key].presence for key in keys} == {Presence.UNREACHABLE}
    site.fault("hang", off=True)


def test_sessions_are_not_shared_between_threads(site: Any) -> None:
    """Many workers read many items; nothing is mixed up."""
    keys = [site.seed("transit", f"transit/k{n:03d}", versions=n % 7 + 1) for n in range(120)]
    seen = site.observe(*keys, provider=site.provider(workers=16))
    assert [seen[key].version for key in keys] == [str(n % 7 + 1) for n in range(120)]


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"no PEM", "no PEM certificate")])
def test_an_unusable_ca_file_is_named(site: Any, tmp_path: Path, content: bytes | None, why: str) -> None:
    """A CA bundle that is missing or holds nothing is a typed error that names the file, not a crash."""
    file = tmp_path / "missing.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProviderError, match=r"missing\.pem") as refused:
        site.provider(ca_file=str(file)).identify(site.budget())
    assert refused.value.kind is ErrorKind.MISCONFIGURED
    assert why in refused.value.message


def test_an_unusable_client_certificate_is_named(make_site: Any, tmp_path: Path) -> None:
    """A missing file and an encrypted key are typed errors that name the files, not a crash and not a prompt."""
    encrypted = tmp_path / "encrypted.pem"
    secret = BestAvailableEncryption(b"canary-passphrase")
    key = ec.generate_private_key(ec.SECP256R1())
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    site = make_site()
    for file in (tmp_path / "missing.pem", encrypted):
        auth = {"method": "cert", "certificate_file": str(file), "key_file": str(file)}
        with pytest.raises(ProviderError, match=file.name) as refused:
            site.provider(auth=auth).identify(site.budget())
        assert refused.value.kind is ErrorKind.MISCONFIGURED
        assert "unencrypted" in refused.value.fix
