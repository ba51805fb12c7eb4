"""Accounts and renewal information of provider ``acme``, through the real library over TLS."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK
from pydantic import ValidationError

from nhisync.spi import AccessMode, CheckState, CredentialState, ErrorKind, Locator, Presence
from nhisync_acme.permissions import dialled
from nhisync_acme.settings import AcmeSettings


def test_a_known_certificate_is_renewable(stage: Any) -> None:
    """The window's end is the next rotation, the authority is a usable issuer, and the chain is verified."""
    where = stage.plant(
        rotated=timedelta(days=10), expires=timedelta(days=80), options={"renew_in": timedelta(days=50)}
    )
    (item,) = stage.look(where)
    assert item.presence is Presence.PRESENT
    assert item.next_rotation is not None
    assert item.next_rotation.at == stage.clock.now().replace(microsecond=0) + timedelta(days=50)
    (issuer,) = item.dependencies
    assert (issuer.kind, issuer.usable, issuer.region) == ("issuer", True, "eu-north-1")
    assert item.chain is not None
    assert item.chain.builds
    assert dict(item.attributes).keys() == {"renewal-from", "renewal-until"}


@pytest.mark.parametrize("status", [404, 400])
def test_a_certificate_of_another_authority_is_not_renewable_here(stage: Any, status: int) -> None:
    """The authority does not know it (Boulder says 404, Pebble 400): present, issuer not usable, nothing is absent."""
    stage.source.authority.unknown_status = status
    (item,) = stage.look(stage.plant(options={"known": False}))
    assert item.presence is Presence.PRESENT
    assert item.dependencies[0].usable is False
    assert item.rotation is not None
    assert item.rotation.enabled is False
    assert item.next_rotation is None


def test_an_authority_without_renewal_information_proves_nothing(stages: Any) -> None:
    """Without RFC 9773 renewability is unknown: neither usable nor not."""
    stage = stages(renewal_information=False)
    (item,) = stage.look(stage.plant())
    assert item.presence is Presence.PRESENT
    assert item.dependencies[0].usable is None
    assert dict(item.attributes) == {"renewal": "not offered"}
    assert stage.checks()["renewal-information"].state is CheckState.WARNING


def test_an_expired_certificate_is_not_asked_about(stage: Any) -> None:
    """RFC 9773 §4.3: clients must not ask after the end of validity."""
    where = stage.plant(rotated=timedelta(days=90), expires=timedelta(days=-1))
    (item,) = stage.look(where)
    assert item.state is CredentialState.DEACTIVATED
    assert stage.source.listener.served == 0


def test_renewal_information_that_is_none_is_not_believed(stage: Any) -> None:
    """A window that ends before it starts, or none at all, is malformed: the item is unknown."""
    where = stage.plant()
    for document in ({}, {"suggestedWindow": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}):
        (key,) = stage.source.authority.windows
        stage.source.authority.windows[key] = document
        (item,) = stage.look(where)
        assert item.presence is Presence.UNKNOWN
        assert item.error is not None
        assert item.error.kind == ErrorKind.MALFORMED.value


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"suggestedWindow": []},
        {"suggestedWindow": {"start": 7, "end": 8}},
        {"suggestedWindow": {"start": "canary"}},
    ],
)
def test_one_odd_window_costs_one_certificate(stage: Any, document: Any) -> None:
    """Whatever stands where the window should be: that certificate is unknown, the next one is answered."""
    where = stage.plant("odd.pem")
    (key,) = stage.source.authority.windows
    stage.source.authority.windows[key] = document
    other = stage.plant("good.pem")
    items = {item.locator: item for item in stage.look(where, other)}
    assert items[where].presence is Presence.UNKNOWN
    assert items[where].error is not None
    assert items[where].error.kind == ErrorKind.MALFORMED.value
    assert "canary" not in str(items[where])
    assert items[other].presence is Presence.PRESENT


def test_the_account_is_looked_up_and_never_made(stage: Any, account: Locator) -> None:
    """A registered key shows its account; an unknown key is ABSENT on the authority's word, and stays unknown there."""
    (item,) = stage.look(account)
    assert item.state is CredentialState.ACTIVE
    assert item.provider_id.endswith("/account/1")
    (spki,) = [one for one in item.ids if one.scheme == "spki-sha256"]
    assert len(spki.value) == 64
    stage.source.authority.accounts.clear()
    (gone,) = stage.look(account)
    assert gone.presence is Presence.ABSENT
    assert stage.source.authority.accounts == {}


@pytest.mark.parametrize("status", ["deactivated", "revoked"])
def test_an_account_that_ended_says_so(stages: Any, account: Locator, status: str) -> None:
    """A deactivated or revoked account is no longer in force, and the doctor fails."""
    stage = stages(status=status)
    (item,) = stage.look(account)
    assert item.state is CredentialState.DEACTIVATED
    assert stage.checks()["identity"].state is CheckState.FAILED


def test_a_status_that_nobody_knows_is_no_answer(stages: Any, account: Locator) -> None:
    """Unknown words are not read as valid: an item without a state would count as one whose provider knows none."""
    (item,) = stages(status="improbable").look(account)
    assert (item.presence, item.state) == (Presence.UNKNOWN, None)
    assert item.error is not None
    assert item.error.kind == "malformed"


def test_without_a_key_the_account_is_unknown_and_certificates_are_not(stage: Any, account: Locator) -> None:
    """Renewal information needs no account: least privilege is to leave the key out."""
    item, certificate = stage.look(account, stage.plant(), account_key_file=None)
    assert item.presence is Presence.UNKNOWN
    assert item.error is not None
    assert item.error.kind == ErrorKind.MISCONFIGURED.value
    assert certificate.presence is Presence.PRESENT
    with stage.adapter(account_key_file=None) as adapter:
        assert "nobody" in adapter.identify(stage.budget()).principal


def test_a_used_nonce_is_repeated_once(stage: Any, account: Locator) -> None:
    """An authority that refuses every nonce ends typed, after two tries."""
    stage.world.fault("backup", "ca", "bad-nonce")
    before = stage.source.listener.served
    (item,) = stage.look(account)
    assert item.presence is Presence.UNKNOWN
    assert stage.source.listener.served - before <= 5


@pytest.mark.parametrize(
    ("fault", "presence", "words"),
    [
        ("unreachable", Presence.UNREACHABLE, "nobody listens"),
        ("fault", Presence.UNREACHABLE, "server fault 503"),
        ("throttled", Presence.THROTTLED, "slow down"),
        ("garbage", Presence.UNKNOWN, "none of an ACME server"),
        ("cut", Presence.UNKNOWN, "cut"),
        ("redirect", Presence.UNKNOWN, "leads elsewhere"),
        ("hang", Presence.UNREACHABLE, "no answer in time"),
    ],
)
def test_reasons_are_told_apart(stage: Any, fault: str, presence: Presence, words: str) -> None:
    """Each trouble has its own word and a fix; a redirect is not followed; nothing is absent."""
    where = stage.plant()
    stage.world.fault("backup", "ca", fault)
    (item,) = stage.look(where, read_timeout="1s")
    assert item.presence is presence
    assert item.error is not None
    assert words in item.error.message


@pytest.mark.parametrize("wait", ["\u00b2", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -1200", "-1", "soon"])
def test_a_wait_that_is_none_ends_nothing(stage: Any, wait: str) -> None:
    """A Retry-After without a meaning leaves "slow down" what it is: typed, and without a wait."""
    where = stage.plant()
    stage.source.listener.retry_after = wait
    stage.world.fault("backup", "ca", "throttled")
    (item,) = stage.look(where)
    assert item.presence is Presence.THROTTLED
    assert item.error is not None
    assert item.error.retry_after is None


def test_only_a_missing_file_is_absent(stage: Any, tmp_path: Path) -> None:
    """The file system's word is absence; a folder, a text and a path that leads out are not."""
    (stage.source.folder / "folder.pem").mkdir()
    (stage.source.folder / "text.pem").write_text("no certificate", encoding="utf-8")
    names = ("none.pem", "folder.pem", "text.pem", "../account.key", "/etc/passwd")
    seen = stage.look(*(Locator("ca", "certificate", name) for name in names))
    assert [one.presence for one in seen] == [
        Presence.ABSENT,
        Presence.UNREACHABLE,
        Presence.UNKNOWN,
        Presence.UNKNOWN,
        Presence.UNKNOWN,
    ]


def test_an_untrusted_authority_is_not_asked(stage: Any, account: Locator, tmp_path: Path) -> None:
    """TLS is verified: with the system's roots, or an unusable ca_file, nothing is sent."""
    for change, words in ((None, "TLS"), (str(tmp_path / "none.pem"), "cannot be used")):
        (item,) = stage.look(account, ca_file=change)
        assert item.presence in {Presence.UNREACHABLE, Presence.UNKNOWN}
        assert item.error is not None
        assert words in item.error.message
    assert stage.source.authority._nonces == set()


@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_keys_of_clients_are_read_as_they_are(stage: Any, account: Locator, form: str) -> None:
    """PEM of most clients, JWK of certbot; P-384 signs with its own algorithm."""
    secret = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = JWK.load(secret)
    stage.source.authority.register(key)
    file = stage.folder / "other.key"
    file.write_bytes(secret if form == "pem" else json.dumps(key.fields_to_partial_json() | {"kty": "EC"}).encode())
    (item,) = stage.look(account, account_key_file=str(file))
    assert item.state is CredentialState.ACTIVE


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_an_unreadable_key_says_which_file(stage: Any, account: Locator, content: bytes) -> None:
    """No content of the file is repeated."""
    file = stage.folder / "bad.key"
    file.write_bytes(content)
    (item,) = stage.look(account, account_key_file=str(file))
    assert item.error is not None
    assert item.error.kind == ErrorKind.MISCONFIGURED.value
    assert "bad.key" in item.error.message


def test_a_doctor_names_open_keys_and_skew(stage: Any) -> None:
    """An account key that others can read, and clocks that differ, are told."""
    checks = stage.checks()
    assert {one.name for one in checks.values() if one.state is not CheckState.OK} == set()
    file = Path(stage.document["account_key_file"])
    file.chmod(0o644)
    stage.source.listener.skew = timedelta(minutes=-10)
    checks = stage.checks()
    assert checks["credential-file"].state is CheckState.WARNING
    assert checks["clock"].state is CheckState.FAILED
    assert "10m" in checks["clock"].observed


def test_settings_that_cannot_work_are_refused() -> None:
    """ACME knows https only; a proxy carries no password."""
    good = {"provider": "acme", "directory": "https://ca.example/directory"}
    for change in ({"directory": "http://ca.example/"}, {"proxy": "http://user:word@proxy.example"}, {"attempts": 0}):
        with pytest.raises(ValidationError):
            AcmeSettings.model_validate({**good, **change})


def test_permissions_name_connection_and_files(stage: Any) -> None:
    """One opening, and the modes of exactly these files, as absolute paths; nothing for fingerprint or outside root."""
    wanted = [Locator("ca", "certificate", name) for name in ("certs/api.pem", "../out.pem")]
    with stage.adapter(
        directory="https://ca.example/directory", account_key_file="an account.key", trust_file=None, ca_file=None
    ) as adapter:
        egress, files = adapter.permissions(AccessMode.READ, wanted, frozenset())
        assert adapter.permissions(AccessMode.FINGERPRINT, wanted, frozenset()) == ()
    root = stage.folder / stage.document["root"]
    assert egress.actions == ("connect:ca.example:443",)
    assert set(files.actions) == {f"read:{root / 'certs/api.pem'}", f"read:{stage.folder / 'an account.key'}"}
    assert f"chmod 0600 '{stage.folder / 'an account.key'}'" in files.text


@pytest.mark.requirement("R32")
@pytest.mark.parametrize(
    ("directory", "opened"),
    [
        ("https://ca.example/directory", "ca.example:443"),
        ("https://[2001:db8::1]/directory", "[2001:db8::1]:443"),
        ("https://[2001:db8::1]:14000/directory", "[2001:db8::1]:14000"),
    ],
)
def test_the_opening_is_named_as_firewalls_write_it(directory: str, opened: str) -> None:
    """The port of an IPv6 address is told apart from the address."""
    assert dialled(AcmeSettings(provider="acme", directory=directory)) == opened


def test_the_one_opening_is_needed(stage: Any) -> None:
    """With it sweep and doctor work; without it both name that very permission, and nothing is called absent."""
    where = stage.plant()
    with stage.adapter() as adapter:
        (opening,) = adapter.permissions(AccessMode.READ, [where], frozenset())[0].actions
    assert stage.look(where)[0].error is None
    assert {check.state for check in stage.checks().values()} == {CheckState.OK}
    stage.world.fault("backup", "ca", "unreachable")
    (item,) = stage.look(where)
    assert item.presence is Presence.UNREACHABLE
    assert item.error.action == opening
    closed = stage.checks()["reachable"]
    assert closed.error is not None
    assert closed.error.action == opening
    assert opening in closed.fix


def test_only_this_library_is_imported() -> None:
    """A run of this provider loads no other provider's SDK."""
    code = "import sys, nhisync_acme; assert not {'boto3', 'hvac', 'grpc', 'httpx', 'psycopg'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
