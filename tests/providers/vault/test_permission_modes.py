"""Probe and rotate policies: each documented call succeeds with the policy and fails without its line; nothing more."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.spi import AccessMode, CheckState, ErrorKind, Locator, ProviderError
from nhisync_vault.emulator.approle_store import SecretIds
from nhisync_vault.emulator.pki_x509 import pem

from .conftest import CANARY
from .exact_policy import ITEMS, Place, covers, grants_of, prints

ACTING = (AccessMode.PROBE, AccessMode.ROTATE)
ROLE = "auth/approle/role/pay"


@pytest.fixture
def place(make_site: Callable[..., Any]) -> Callable[[AccessMode], Place]:
    """A function that makes the place of a mode, with a certificate role that allows two names."""

    def make(mode: AccessMode) -> Place:
        made = Place(make_site(), mode)
        made.apply('path "pki/roles/web" { capabilities = ["create", "update"] }\n' + _COMMON)
        made.call("POST", "pki/roles/web", {"allowed_domains": ["example.com"], "allow_subdomains": True})
        return made

    return make


_COMMON = "".join(f'path "{path}" {{ capabilities = ["read"] }}\n' for path in ("sys/mounts", "sys/auth"))


def _kv_write(place: Place) -> None:
    current = place.call("GET", "secret/metadata/pay/stripe")["data"]["current_version"]
    place.call("POST", "secret/data/pay/stripe", {"data": {"api_key": "next"}, "options": {"cas": current}})


def _issue(place: Place, name: str = "api.example.com") -> dict[str, Any]:
    body = {"common_name": name, "ttl": "24h", "format": "pem"}
    found: dict[str, Any] = place.call("POST", "pki/issue/web", body)["data"]
    return found


def _accessor(place: Place) -> str:
    """The accessor of one of the role's secret IDs, as the server knows it."""
    core = place.site.world.source(place.site.path, "vault").core
    with core.lock:
        view = core.view(core.mounts["auth/approle/"])
        held = SecretIds(view, view.get("role/pay"))
        return held.page("", 1)[0]


def _serial(place: Place) -> str:
    """The planted certificate's serial; a certificate is public."""
    item = ITEMS[4]
    seen = {one.locator: one for one in place.site.observe(item).all if hasattr(one, "locator")}
    serial = str(seen[item].version)
    padded = serial.zfill(len(serial) + len(serial) % 2)
    return ":".join(padded[i : i + 2] for i in range(0, len(padded), 2))


def _signed(place: Place, **changes: str) -> dict[str, Any]:
    """A certificate of the role that a pair names, for a key that is made here."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robot.example.com")])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    body = {"csr": csr, "common_name": "robot.example.com", "ttl": "120s", "format": "pem", **changes}
    found: dict[str, Any] = place.call("POST", "pki/sign/svc", body)["data"]
    return found


def _named(place: Place) -> dict[str, str]:
    """What is revoked: a rotation knows the serial of the old one, a probe what it was given."""
    if place.mode is AccessMode.ROTATE:
        return {"serial_number": _serial(place)}
    core = place.site.world.source(place.site.path, "vault").core
    with core.lock:
        view = core.view(core.mounts["pki/"])
        return {"certificate": pem(view.get(f"issuer/{view.get('default')}").certificate)}


CALLS: Mapping[str, Callable[[Place], Any]] = {
    "auth/token/lookup-self": lambda p: p.call("GET", "auth/token/lookup-self"),
    "auth/token/revoke-self": lambda p: p.call("POST", "auth/token/revoke-self"),
    "sys/auth": lambda p: p.call("GET", "sys/auth"),
    "sys/capabilities-self": lambda p: p.call("POST", "sys/capabilities-self", {"paths": ["sys/mounts"]}),
    "sys/mounts": lambda p: p.call("GET", "sys/mounts"),
    "secret/data/pay/stripe": lambda p: p.call("GET", "secret/data/pay/stripe"),
    "database/static-creds/ledger": lambda p: p.call("GET", "database/static-creds/ledger"),
    "database/creds/app": lambda p: p.call("GET", "database/creds/app"),
    "ldap/static-cred/team/pay": lambda p: p.call("GET", "ldap/static-cred/team/pay"),
    "secret/metadata/pay/stripe": lambda p: p.call("GET", "secret/metadata/pay/stripe"),
    "database/static-roles/ledger": lambda p: p.call("GET", "database/static-roles/ledger"),
    "database/rotate-role/ledger": lambda p: p.call("POST", "database/rotate-role/ledger"),
    "ldap/static-role/team/pay": lambda p: p.call("GET", "ldap/static-role/team/pay"),
    "ldap/rotate-role/team/pay": lambda p: p.call("POST", "ldap/rotate-role/team/pay"),
    "transit/keys/pay": lambda p: p.call("GET", "transit/keys/pay"),
    "transit/keys/pay/rotate": lambda p: p.call("POST", "transit/keys/pay/rotate"),
    ROLE: lambda p: p.call("GET", ROLE),
    f"{ROLE}/secret-id": lambda p: p.call("POST", f"{ROLE}/secret-id", {"metadata": '{"nhisync_op": "7"}'}),
    f"{ROLE}/secret-id/": lambda p: p.call("LIST", f"{ROLE}/secret-id/"),
    f"{ROLE}/secret-id-accessor/lookup": lambda p: p.call(
        "POST", f"{ROLE}/secret-id-accessor/lookup", {"secret_id_accessor": _accessor(p)}
    ),
    f"{ROLE}/secret-id-accessor/destroy": lambda p: p.call(
        "POST", f"{ROLE}/secret-id-accessor/destroy", {"secret_id_accessor": _accessor(p)}
    ),
    "pki/roles/svc": lambda p: p.call("GET", "pki/roles/svc"),
    "pki/sign/svc": _signed,
    "pki/certs/": lambda p: p.call("LIST", "pki/certs/"),
    "pki/issue/+": _issue,
    "pki/revoke": lambda p: p.call("POST", "pki/revoke", _named(p)),
}
"""Line → the call it is there for; `secret/data/…` is read by a probe and written by a rotation."""


def _call(place: Place, path: str) -> None:
    if place.mode is AccessMode.ROTATE and path == "secret/data/pay/stripe":
        _kv_write(place)
    else:
        CALLS[path](place)


def _lines(mode: AccessMode) -> list[str]:
    return [one.path for one in grants_of(mode) if not one.denies]


def _refused(call: Callable[[], Any]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    assert caught.value.kind is ErrorKind.DENIED
    return caught.value


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("mode", ACTING)
def test_every_call_succeeds_with_the_policy(place: Callable[[AccessMode], Place], mode: AccessMode) -> None:
    """All calls of the mode, one after the other, with nothing but the printed policy; the doctor is content."""
    here = place(mode)
    here.apply(here.text)
    assert [one for one in here.checks() if one.state is not CheckState.OK] == []
    for path in _lines(mode):
        _call(here, path)


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(("mode", "path"), [(mode, path) for mode in ACTING for path in _lines(mode)])
def test_every_call_is_refused_without_its_line(
    place: Callable[[AccessMode], Place], mode: AccessMode, path: str
) -> None:
    """One line less: the server refuses the call, the error names it, and the doctor prints the line."""
    here = place(mode)
    (grant,) = [one for one in grants_of(mode) if one.path == path]
    here.apply(here.without(path))
    fact = _refused(lambda: _call(here, path)).fact
    assert fact.action in grant.capabilities
    assert covers(path, fact.resource)
    assert prints(here.checks(), grant)


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "secret/data/pay/stripe", None),
        ("GET", "database/static-creds/ledger", None),
        ("GET", "ldap/static-cred/team/pay", None),
        ("GET", "database/creds/app", None),
        ("DELETE", "secret/data/pay/stripe", None),
        ("DELETE", "secret/metadata/pay/stripe", None),
        ("POST", "secret/destroy/pay/stripe", {"versions": [1]}),
        ("POST", "secret/data/pay/other", {"data": {"api_key": "x"}}),
        ("POST", "database/rotate-root/postgres", None),
        ("POST", f"{ROLE}/custom-secret-id", {"secret_id": "copied"}),
        ("DELETE", ROLE, None),
        ("DELETE", "transit/keys/pay", None),
        ("GET", "transit/export/encryption-key/pay", None),
        ("POST", "pki/issue/web", {"common_name": "other.example.com"}),
        ("POST", "pki/issue/web", {"common_name": "api.example.com", "alt_names": "other.example.com"}),
        ("POST", "pki/sign/web", {"common_name": "api.example.com", "csr": "-"}),
        ("POST", "pki/root/rotate/internal", {"common_name": "api.example.com"}),
        ("POST", "auth/token/create", {}),
    ],
)
def test_rotation_opens_nothing_else(
    place: Callable[[AccessMode], Place], method: str, path: str, body: dict[str, Any] | None
) -> None:
    """No value, no other item, no purge, no root credential, no other name on a certificate."""
    here = place(AccessMode.ROTATE)
    here.apply(here.text)
    _refused(lambda: here.call(method, path, body))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "secret/data/pay/other"),
        ("LIST", "secret/metadata/pay/"),
        ("POST", "secret/data/pay/stripe"),
        ("POST", "database/rotate-role/ledger"),
        ("GET", "database/creds/other"),
    ],
)
def test_probing_opens_nothing_else(place: Callable[[AccessMode], Place], method: str, path: str) -> None:
    """The named values and nothing beside them; nothing is written."""
    here = place(AccessMode.PROBE)
    here.apply(here.text)
    _refused(lambda: here.call(method, path, {} if method == "POST" else None))


@pytest.mark.requirement("R42", "R48")
@pytest.mark.parametrize("changes", [{"ttl": "720h"}, {"common_name": "other.example.com"}, {"ip_sans": "192.0.2.1"}])
def test_a_probes_certificate_is_short_and_of_the_pairs_name(
    place: Callable[[AccessMode], Place], changes: dict[str, str]
) -> None:
    """Under the policy of mode probe the role signs nothing that lasts, and for no other name."""
    here = place(AccessMode.PROBE)
    here.apply(here.text)
    _refused(lambda: _signed(here, **changes))


def test_a_login_needs_no_grant(place: Callable[[AccessMode], Place]) -> None:
    """A probe of a role logs in with what it presents; nhisync's own policy has no part in it."""
    here = place(AccessMode.PROBE)
    here.apply(here.text)
    core = here.site.world.source(here.site.path, "vault").core
    with core.lock:
        role_id = core.view(core.mounts["auth/approle/"]).get("role/pay").role_id
    answer = here.call("POST", "auth/approle/login", {"role_id": role_id, "secret_id": CANARY})
    assert answer["auth"]["policies"] == ["default"]


@pytest.mark.parametrize("mode", ACTING)
def test_a_mode_without_work_has_no_policy(make_site: Callable[..., Any], mode: AccessMode) -> None:
    """A token by accessor is neither presented nor replaced: no document, and the doctor says so."""
    site = make_site()
    token = Locator("vault", "token", "job-accessor")
    assert site.provider().permissions(mode, (token,), frozenset({"token"})) == ()
    checks = {one.name: one for one in site.provider().examine(mode, (token,), frozenset(), site.budget())}
    assert checks["permissions"].state is CheckState.OK
    assert "nothing to do" in checks["permissions"].observed


def test_the_doctor_warns_of_what_another_mode_needs(place: Callable[[AccessMode], Place]) -> None:
    """An identity that may rotate is broader than reading; so is one that writes where it reads."""
    here = place(AccessMode.READ)
    for more in (
        'path "database/rotate-role/ledger" { capabilities = ["update"] }',
        'path "secret/data/pay/stripe" { capabilities = ["create", "update"] }',
        'path "transit/keys/pay" { capabilities = ["delete"] }',
    ):
        here.apply(here.text, more)
        (check,) = [one for one in here.checks() if one.state is not CheckState.OK]
        assert (check.name, check.state) == ("least-privilege", CheckState.WARNING)
