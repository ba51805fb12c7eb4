"""Who may do what: each line of a role and of an access policy opens exactly its calls, and nothing else."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.keys import KeyRotationPolicy
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from requests.adapters import HTTPAdapter

from nhisync.testing.world import Seed
from nhisync_azure.emulator.conditions import Target, holds
from nhisync_azure.emulator.rbac import custom_role

from .conftest import code_of

VAULTS = "Microsoft.KeyVault/vaults"
POLICY = CertificatePolicy("Self", subject="CN=a.example", key_type="EC", key_curve_name="P-256")
Do = Callable[[Any], Any]


def begin(target: Any) -> None:
    """Begin a certificate; that its progress may be read is another line's matter."""
    poller = target.certificates.begin_create_certificate("n", POLICY, _polling_interval=0)
    with contextlib.suppress(HttpResponseError):
        poller.wait()


CALLS: dict[str, tuple[str, str, Do]] = {
    "secrets/list": (
        "secrets/readMetadata/action",
        "secrets/list",
        lambda c: list(c.secrets.list_properties_of_secrets()),
    ),
    "secrets/versions": (
        "secrets/readMetadata/action",
        "secrets/list",
        lambda c: list(c.secrets.list_properties_of_secret_versions("s")),
    ),
    "secrets/list-deleted": (
        "secrets/readMetadata/action",
        "secrets/list",
        lambda c: list(c.secrets.list_deleted_secrets()),
    ),
    "secrets/get": ("secrets/getSecret/action", "secrets/get", lambda c: c.secrets.get_secret("s")),
    "secrets/set": ("secrets/setSecret/action", "secrets/set", lambda c: c.secrets.set_secret("n", "v")),
    "secrets/update": (
        "secrets/update/action",
        "secrets/set",
        lambda c: c.secrets.update_secret_properties("s", tags={"a": "b"}),
    ),
    "secrets/delete": ("secrets/delete", "secrets/delete", lambda c: c.secrets.begin_delete_secret("s")),
    "secrets/recover": (
        "secrets/recover/action",
        "secrets/recover",
        lambda c: c.secrets.begin_recover_deleted_secret("d"),
    ),
    "secrets/purge": ("secrets/purge/action", "secrets/purge", lambda c: c.secrets.purge_deleted_secret("d")),
    "certificates/list": (
        "certificates/read",
        "certificates/list",
        lambda c: list(c.certificates.list_properties_of_certificates()),
    ),
    "certificates/get": ("certificates/read", "certificates/get", lambda c: c.certificates.get_certificate("c")),
    "certificates/get-policy": (
        "certificates/read",
        "certificates/get",
        lambda c: c.certificates.get_certificate_policy("c"),
    ),
    "issuers/list": (
        "certificatecas/read",
        "certificates/listissuers",
        lambda c: list(c.certificates.list_properties_of_issuers()),
    ),
    "issuers/get": ("certificatecas/read", "certificates/getissuers", lambda c: c.certificates.get_issuer("Ca")),
    "certificates/create": (
        "certificates/create/action",
        "certificates/create",
        begin,
    ),
    "certificates/update": (
        "certificates/update/action",
        "certificates/update",
        lambda c: c.certificates.update_certificate_properties("c", enabled=True),
    ),
    "keys/list": ("keys/read", "keys/list", lambda c: list(c.keys.list_properties_of_keys())),
    "keys/get": ("keys/read", "keys/get", lambda c: c.keys.get_key("k")),
    "keys/create": ("keys/create/action", "keys/create", lambda c: c.keys.create_ec_key("n")),
    "keys/rotate": ("keys/rotate/action", "keys/rotate", lambda c: c.keys.rotate_key("k")),
    "keys/update": ("keys/update/action", "keys/update", lambda c: c.keys.update_key_properties("k", enabled=True)),
    "keys/get-policy": (
        "keyrotationpolicies/read",
        "keys/getrotationpolicy",
        lambda c: c.keys.get_key_rotation_policy("k"),
    ),
    "keys/set-policy": (
        "keyrotationpolicies/write",
        "keys/setrotationpolicy",
        lambda c: c.keys.update_key_rotation_policy("k", KeyRotationPolicy()),
    ),
    "keys/sign": (
        "keys/sign/action",
        "keys/sign",
        lambda c: c.crypto(f"{c.vault}/keys/k/{'0' * 32}").sign(SignatureAlgorithm.es256, b"\0" * 32),
    ),
}
"""Operation → data action, word of an access policy, the call."""


@pytest.fixture(params=["rbac", "policies"])
def access(request: pytest.FixtureRequest, open_target: Any, world: Any) -> tuple[str, Any]:
    """A vault of each permission model with something of every kind in it."""
    target = open_target(access=request.param)
    for kind, name in (("secret", "s"), ("certificate", "c"), ("key", "k")):
        options = {"issuer": "Ca"} if kind == "certificate" else {}
        world.seed("primary", "azure", Seed(kind=kind, name=name, options=options))
    world.seed("primary", "azure", Seed(kind="secret", name="d", options={"deleted": timedelta(days=1)}))
    world.source("primary", "azure").vault.keys.get("k").newest.id = "0" * 32
    return request.param, target


def install(world: Any, model: str, names: set[str]) -> None:
    """Exactly what these operations need, in the vault's own notation."""
    if model == "rbac":
        actions = sorted({f"{VAULTS}/{CALLS[name][0]}" for name in names})
        world.install("primary", "azure", role={"Name": "exact", "DataActions": actions})
        return
    policy: dict[str, tuple[str, ...]] = {}
    for kind, word in (CALLS[name][1].split("/") for name in names):
        policy[kind] = (*policy.get(kind, ()), word)
    world.install("primary", "azure", policy=policy)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_needs_its_own_line_and_no_other(access: tuple[str, Any], world: Any, name: str) -> None:
    """With every line but its own the call is refused in words that name the line; with only its own it works."""
    model, target = access
    column = 0 if model == "rbac" else 1
    others = {other for other in CALLS if CALLS[other][column] != CALLS[name][column]}
    install(world, model, others)
    with pytest.raises(HttpResponseError) as refused:
        CALLS[name][2](target)
    inner = "ForbiddenByRbac" if model == "rbac" else "AccessDenied"
    assert code_of(refused.value) == (403, "Forbidden", inner)
    line = f"{VAULTS}/{CALLS[name][0]}" if model == "rbac" else CALLS[name][1].replace("/", " ")
    assert line in str(refused.value)
    install(world, model, {name})
    CALLS[name][2](target)


def test_a_refused_value_never_left_the_server(open_target: Any, world: Any) -> None:
    """In read mode the list works and the value is refused, for a secret and for a certificate's key."""
    target = open_target()
    world.seed("primary", "azure", Seed(kind="secret", name="s", fields={"v": "canary-4711"}))
    world.seed("primary", "azure", Seed(kind="certificate", name="c"))
    assert {row.name for row in target.secrets.list_properties_of_secrets()} == {"s", "c"}
    for name in ("s", "c"):
        with pytest.raises(HttpResponseError) as refused:
            target.secrets.get_secret(name)
        assert refused.value.status_code == 403
        assert "canary" not in refused.value.response.text()


def test_a_condition_on_names_closes_the_list(open_target: Any, world: Any) -> None:
    """The trap: allowed for some names means 403 for the list of all, not a shorter list."""
    target = open_target()
    for name in ("team-a-1", "team-b-1"):
        world.seed("primary", "azure", Seed(kind="secret", name=name))
    condition = (
        "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/getSecret/action'}) AND "
        "!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/readMetadata/action'})) OR "
        "(@Resource[Microsoft.KeyVault/vaults/secrets:name] StringStartsWith 'team-a-'))"
    )
    role = {"Name": "some", "DataActions": [f"{VAULTS}/secrets/*"]}
    world.install("primary", "azure", role=role, condition=condition)
    with pytest.raises(HttpResponseError) as refused:
        list(target.secrets.list_properties_of_secrets())
    assert code_of(refused.value)[0] == 403
    assert target.secrets.get_secret("team-a-1").value
    assert len(list(target.secrets.list_properties_of_secret_versions("team-a-1"))) == 2
    with pytest.raises(HttpResponseError):
        target.secrets.get_secret("team-b-1")


def test_a_role_on_one_secret_reads_that_one(open_target: Any, world: Any) -> None:
    """A role assigned below the vault opens one secret, and not the list."""
    target = open_target()
    world.install("primary", "azure", role={"Name": "none"})
    for name in ("one", "two"):
        world.seed("primary", "azure", Seed(kind="secret", name=name))
    world.assign("primary", "azure", role="Key Vault Secrets User", scope=f"{target.vault_id}/secrets/one")
    assert target.secrets.get_secret("one").value
    for call in (lambda: target.secrets.get_secret("two"), lambda: list(target.secrets.list_properties_of_secrets())):
        with pytest.raises(HttpResponseError):
            call()


def test_a_denial_wins_over_every_role(site: Any, world: Any) -> None:
    """A seed with denied=True is listed but refused by a deny assignment, even to an administrator."""
    world.seed("primary", "azure", Seed(kind="secret", name="locked", options={"denied": True}))
    assert [row.name for row in site.secrets.list_properties_of_secrets()] == ["locked"]
    with pytest.raises(HttpResponseError) as refused:
        site.secrets.get_secret("locked")
    assert "DeniedWithDenyAssignment" in str(refused.value)


def test_a_vault_of_another_tenant_refuses_the_token(open_target: Any) -> None:
    """The vault wants tokens of its own tenant: 401, and the challenge names that tenant."""
    home, other = open_target(source="home"), open_target(source="other")
    home.vault = other.vault
    with pytest.raises(ClientAuthenticationError):
        list(home.client(SecretClient).list_properties_of_secrets())


def test_the_challenge_names_tenant_and_resource(open_target: Any, world: Any) -> None:
    """Without a token nothing is told but where to get one; a body sent along is not applied."""
    target = open_target(mode="rotate")
    url, ca = f"{target.vault}/secrets/x?api-version=7.4", target.document["ca_file"]
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = requests.put(url, json={"value": "v"}, headers=headers, verify=ca, timeout=10)
        assert answer.status_code == 401
        tenant = f"{target.document['authority']}/{target.auth['tenant']}"
        challenge = f'Bearer authorization="{tenant}", resource="https://vault.azure.net"'
        assert answer.headers["WWW-Authenticate"] == challenge
    assert len(world.source("primary", "azure").vault.secrets) == 0


@pytest.mark.parametrize("version", ["", "2015-06-01"])
def test_the_version_is_required_and_known(site: Any, version: str) -> None:
    """A missing or unknown api-version is a 400."""
    token = site.credential.get_token("https://vault.azure.net/.default").token
    url = f"{site.vault}/secrets" + (f"?api-version={version}" if version else "")
    ca, headers = site.document["ca_file"], {"Authorization": f"Bearer {token}"}
    answer = requests.get(url, headers=headers, verify=ca, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_the_listeners_certificate_is_verified(site: Any) -> None:
    """Without the world's CA no client gets through."""
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(site.vault, timeout=10)


class Loopback(HTTPAdapter):
    """Dials loopback for any host name, and verifies the certificate against that name."""

    def __init__(self, port: int, name: str) -> None:
        self._port, self._name = port, name
        super().__init__()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """The pool to dial, and the name to verify."""
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        options |= {"server_hostname": self._name, "assert_hostname": self._name}
        return {**host, "host": "127.0.0.1", "port": self._port}, options

    def add_headers(self, request: Any, **_: Any) -> None:
        """The name travels in the Host header, which the connection would fill with its own address."""
        request.headers["Host"] = self._name


def test_a_vault_answers_to_its_public_name_with_every_check_on(site: Any, world: Any) -> None:
    """Dialled by NAME.vault.azure.net, both TLS and the challenge's resource are verified as in production."""
    name = f"{world.source('primary', 'azure').vault.name}.vault.azure.net"
    session = requests.Session()
    session.mount("https://", Loopback(int(site.document["authority"].rpartition(":")[2]), name))
    session.trust_env = False
    transport = RequestsTransport(session=session, session_owner=False, connection_verify=site.document["ca_file"])
    with SecretClient(f"https://{name}", site.credential, transport=transport, retry_total=0) as client:
        made = client.set_secret("by-name", "v")
        assert made.id == f"https://{name}/secrets/by-name/{made.properties.version}"
    session.close()


@pytest.mark.parametrize(
    ("text", "action", "name", "wanted"),
    [
        ("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'a'", "x/get", "a", True),
        ("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'a'", "x/get", "A", False),
        ("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEqualsIgnoreCase 'a'", "x/get", "A", True),
        (
            "@Resource[Microsoft.KeyVault/vaults/secrets:name] ForAnyOfAnyValues:StringLike {'b*', 'a*'}",
            "x",
            "ab",
            True,
        ),
        ("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringNotEquals 'a'", "x/get", "", False),
        ("ActionMatches{'x/*'} AND !(ActionMatches{'x/set'})", "x/get", "", True),
        ("ActionMatches{'y'} || (ActionMatches{'x/get'} && ActionMatches{'X/*'})", "x/get", "", True),
    ],
)
def test_conditions_mean_what_they_say(text: str, action: str, name: str, wanted: bool) -> None:
    """Operators, negation and precedence; an attribute that is not there makes a comparison false."""
    attributes = {"microsoft.keyvault/vaults/secrets:name": name} if name else {}
    assert holds(text, action, Target(id="/v", attributes=attributes)) is wanted


@pytest.mark.parametrize(
    "text", ["", "(", "x", "@Resource[a] StringEquals", "ActionMatches{'a'} AND", "@Request[a] X 'b'"]
)
def test_what_is_no_condition_is_an_error(text: str) -> None:
    """A broken condition grants nothing silently: it is refused."""
    with pytest.raises(ValueError, match="no condition"):
        holds(text, "a", Target(id="/v"))


def test_both_forms_of_a_role_document_are_read() -> None:
    """The CLI's form and the REST form give the same role; a wrong one is refused."""
    plain = custom_role({"Name": "n", "Actions": ["a"], "DataActions": ["d"], "NotDataActions": ["x"]}, "1")
    inner = {"roleName": "n", "permissions": [{"actions": ["a"], "dataActions": ["d"], "notDataActions": ["x"]}]}
    assert custom_role({"properties": inner}, "1") == plain
    assert plain.grants("D", data=True)
    assert not plain.grants("x", data=True)
    with pytest.raises(ValueError, match="no string"):
        custom_role({"Name": "n", "Actions": [1]}, "1")
