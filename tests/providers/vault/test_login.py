"""How nhisync gets its own token, and what happens when it does not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import ErrorKind, InventoryRequest, Locator, Presence, ProviderError
from nhisync_vault.answers import Answer
from nhisync_vault.errors import Called
from nhisync_vault.login import Login
from nhisync_vault.settings import VaultSettings
from nhisync_vault.transport import Ask

KV = Locator("vault", "kv", "secret/pay")


class RecordingTransport:
    """Answers every login with one token and keeps what was sent."""

    def __init__(self, status: int = 200, body: dict[str, Any] | None = None) -> None:
        self.asked: list[Ask] = []
        self._status = status
        self._body = (
            {"auth": {"client_token": "t", "lease_duration": 600, "token_type": "service"}} if body is None else body
        )

    def send(self, endpoint: str, ask: Ask, budget: Any) -> Answer:
        """Remember and answer."""
        self.asked.append(ask)
        return Answer(self._status, self._body, {}, Called(ask.method, ask.path))


def login(site: Any, auth: dict[str, Any], transport: RecordingTransport) -> Login:
    """A Login with this auth over a recording transport."""
    provider = site.provider()
    settings = VaultSettings.model_validate({**site.document, "auth": auth})
    return Login(settings, provider._source._context, transport)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Credential files with one word each."""
    made = {}
    for name in ("jwt", "sa", "role-id", "secret-id", "cert", "key"):
        (tmp_path / name).write_text(f"{name}-word\n")
        made[name] = str(tmp_path / name)
    return made


@pytest.mark.parametrize("method", ["approle", "jwt", "kubernetes", "cert"])
def test_each_method_sends_its_proof_to_its_mount(site: Any, files: dict[str, str], method: str) -> None:
    """The proof comes from files and goes to auth/<mount>/login, once."""
    auths: dict[str, dict[str, Any]] = {
        "approle": {"role_id_file": files["role-id"], "secret_id_file": files["secret-id"]},
        "jwt": {"role": "nhisync", "jwt_file": files["jwt"]},
        "kubernetes": {"role": "nhisync", "token_file": files["sa"]},
        "cert": {"role": "nhisync", "certificate_file": files["cert"], "key_file": files["key"]},
    }
    bodies: dict[str, dict[str, Any]] = {
        "approle": {"role_id": "role-id-word", "secret_id": "secret-id-word"},
        "jwt": {"role": "nhisync", "jwt": "jwt-word"},
        "kubernetes": {"role": "nhisync", "jwt": "sa-word"},
        "cert": {"name": "nhisync"},
    }
    transport = RecordingTransport()
    opened = login(site, {"method": method, "mount": "team/x", **auths[method]}, transport)
    assert [opened.token("https://x", site.budget()) for _ in range(2)] == ["t", "t"]
    assert [(one.path, one.body, one.repeatable) for one in transport.asked] == [
        ("auth/team/x/login", bodies[method], False)
    ]


def test_a_token_file_is_read_anew(make_site: Any) -> None:
    """A token that an agent renewed in place is used by the next provider."""
    site = make_site(auth="token")
    site.seed("kv", "secret/pay")
    file = Path(site.document["auth"]["token_file"])
    good = file.read_text()
    file.write_text("rotten\n")
    with pytest.raises(ProviderError) as caught:
        site.observe(KV)
    assert caught.value.kind is ErrorKind.AUTH_FAILED
    file.write_text(good)
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_an_expired_token_file_is_read_again_within_a_run(make_site: Any) -> None:
    """When the token in memory dies and the file holds a new one, the run goes on."""
    site = make_site(auth="token")
    site.seed("kv", "secret/pay")
    provider = site.provider()
    site.observe(KV, provider=provider)
    site.clock.advance(timedelta(seconds=5))
    site.fault("token-expired")
    place = site.world.source("primary", "vault")
    Path(site.document["auth"]["token_file"]).write_text(place.core.root_token)
    assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT


@pytest.mark.requirement("R4b")
def test_a_login_refused_within_a_run_is_not_repeated(make_site: Any) -> None:
    """Servers count failed logins and lock out; every item still gets its answer, and the next cycle tries again."""
    site = make_site()
    keys = [site.seed("transit", f"transit/k{n:02d}") for n in range(30)]
    provider = site.provider(workers=1)
    run = provider.inventory(InventoryRequest(budget=site.budget(), wanted=tuple(keys)))
    first = next(run)
    site.fault("token-expired")
    site.fault("login-refused")
    site.node.received.clear()
    rest = {one.locator: one for one in run}
    assert first.presence is Presence.PRESENT
    failed = [one for one in rest.values() if one.presence is not Presence.PRESENT]
    assert len(rest) == 29
    assert len(failed) >= 27
    assert {one.error.kind for one in failed} == {ErrorKind.AUTH_FAILED.value}
    assert len([line for line in site.node.received if line.endswith("/login")]) == 1
    assert len(site.node.received) < 12
    site.fault("login-refused", off=True)
    assert site.observe(keys[0], provider=provider)[keys[0]].presence is Presence.PRESENT


@pytest.mark.requirement("R4b")
def test_a_dead_token_file_is_asked_about_once(make_site: Any) -> None:
    """When the token in the file stays dead, the remaining items are answered without asking."""
    site = make_site(auth="token")
    keys = [site.seed("transit", f"transit/k{n:02d}") for n in range(30)]
    run = site.provider(workers=1).inventory(InventoryRequest(budget=site.budget(), wanted=tuple(keys)))
    next(run)
    site.fault("token-expired")
    site.node.received.clear()
    rest = list(run)
    assert len(rest) == 29
    assert rest[-1].error.kind == ErrorKind.AUTH_FAILED.value
    assert len(site.node.received) < 12


@pytest.mark.parametrize("content", ["", "two words", "\xff\xfe", "line\nline"])
def test_unreadable_credential_files_are_misconfigured(make_site: Any, content: str) -> None:
    """An empty, broken or many-worded file is named, not quoted."""
    site = make_site(auth="token")
    Path(site.document["auth"]["token_file"]).write_bytes(content.encode("latin-1"))
    with pytest.raises(ProviderError) as caught:
        site.observe(KV)
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert "words" not in str(caught.value).replace("one word", "")


def test_a_missing_credential_file_is_misconfigured(make_site: Any) -> None:
    """The path is told, since it is what has to be corrected."""
    site = make_site()
    Path(site.document["auth"]["secret_id_file"]).unlink()
    with pytest.raises(ProviderError) as caught:
        site.observe(KV)
    assert caught.value.kind is ErrorKind.MISCONFIGURED


@pytest.mark.parametrize(
    "body", [{}, {"auth": None}, {"auth": {}}, {"auth": {"client_token": ""}}, {"auth": {"client_token": 5}}]
)
def test_a_login_without_a_token_is_malformed(site: Any, files: dict[str, str], body: dict[str, Any]) -> None:
    """A proxy's 200 is no login."""
    auth = {"method": "approle", "role_id_file": files["role-id"], "secret_id_file": files["secret-id"]}
    opened = login(site, auth, RecordingTransport(body=body))
    with pytest.raises(ProviderError) as caught:
        opened.token("https://x", site.budget())
    assert caught.value.kind is ErrorKind.MALFORMED


def test_batch_tokens_are_not_revoked(site: Any, files: dict[str, str]) -> None:
    """They cannot be; the server would answer 400."""
    body = {"auth": {"client_token": "b", "lease_duration": 600, "token_type": "batch"}}
    auth = {"method": "approle", "role_id_file": files["role-id"], "secret_id_file": files["secret-id"]}
    transport = RecordingTransport(body=body)
    opened = login(site, auth, transport)
    opened.token("https://x", site.budget())
    opened.close("https://x", site.budget())
    assert len(transport.asked) == 1


@pytest.mark.requirement("R32")
def test_both_paths_can_never_be_one_identity_by_accident(make_site: Any) -> None:
    """Two sources have two authorities and two principals."""
    here, there = make_site("primary"), make_site("backup")
    one, two = (site.provider().identify(site.budget()) for site in (here, there))
    assert one.authority != two.authority
    assert one.principal.startswith("approle/nhisync-primary-vault")
    assert two.principal.startswith("approle/nhisync-backup-vault")
