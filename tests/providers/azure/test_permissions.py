"""With exactly the printed documents a mode works; without any one line of them it says which is missing."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm

from nhisync.spi import AccessMode, CheckState, ErrorKind, FieldValue, Presence
from nhisync_azure import AzureSettings
from nhisync_azure.emulator.rbac import custom_role
from nhisync_azure.operations import NEEDS
from nhisync_azure.permissions import VALUE_ACTIONS, documents, grant_text

KINDS = frozenset({"secret", "certificate", "key", "app-secret"})
WANTED = ("secret/pay-one", "secret/pay-two", "certificate/api", "key/signing", "app-secret/payments")
AUTH = {
    "method": "client_secret",
    "tenant": "11111111-2222-3333-4444-555555555555",
    "client_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "secret_file": "x",
}
VAULT_ID = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/r/providers/Microsoft.KeyVault/vaults/v-1"
)


def settings(access):
    """Settings of a vault and a directory."""
    keys = {"vault": "https://v-1.vault.azure.net", "vault_id": VAULT_ID, "directory": True, "access": access}
    return AzureSettings.model_validate({"provider": "azure", "auth": AUTH, **keys})


@lru_cache
def lines(mode, access):
    """Every single permission of a mode's documents."""
    from nhisync.spi import Locator

    wanted = tuple(Locator.parse(f"kv:{name}") for name in WANTED)
    return sorted({a for one in documents(mode, wanted, KINDS, settings(access)) for a in one.actions})


def every_line(*modes):
    """(mode, access, line) for each line of the modes' documents."""
    return [(m, access, line) for m in modes for access in ("rbac", "policies") for line in lines(m, access)]


class Site:
    """A source whose identity holds what a test says, planted with one item of each kind."""

    def __init__(self, source, access):
        self.source, self.access = source, access
        more = {"certificate": {"issuer": "DigiCert"}, "app-secret": {"owned": True}}
        for name in WANTED:
            kind, _, rest = name.partition("/")
            source.seed(kind, rest, **more.get(kind, {}))
        self.wanted = tuple(map(source.locator, WANTED))
        self.place = source.world.source("backup", "kv")

    def printed(self, mode):
        """What `nhisync permissions` prints for this source."""
        return self.source.provider().permissions(mode, self.wanted, KINDS)

    def install(self, mode, without=""):
        """Apply the documents, except for one line."""
        world, vault = self.source.world, self.place.vault.id
        printed = self.printed(mode)
        roles = [json.loads(one.text) for one in printed if one.language == "json"]
        single = [one for one in roles if one["DataActions"] == [VALUE_ACTIONS[0]]]
        graph = [a for one in printed if "admin-consent" in one.text for a in one.actions if a != without]
        policy = [one.text for one in printed if "set-policy" in one.text]
        whole = {"Name": "printed", "Actions": [], "DataActions": []}
        for role in roles:
            if role not in single:
                whole = {**whole, **_cut(role, without)}
        world.install("backup", "kv", role=whole, policy=_words(policy, without), graph_roles=tuple(graph))
        for role in (_cut(role, without) for role in single):
            for name in ("pay-one", "pay-two"):
                world.assign("backup", "kv", role=role, scope=f"{vault}/secrets/{name}")

    def checks(self, mode):
        """What `nhisync doctor` says."""
        return list(self.source.provider().examine(mode, self.wanted, KINDS, self.source.budget()))


def _cut(role, without):
    """The role without one action."""
    return {**role, **{name: [a for a in role[name] if a != without] for name in ("Actions", "DataActions")}}


def _words(policies, without):
    """Kind → words of the printed access policy, without one; None when none was printed."""
    flags = [flag for text in policies for flag in re.findall(r"--(\w+)-permissions ([\w ]+)", text)]
    held = {f"{kind}s": tuple(w for w in found.split() if f"{kind}s/{w}" != without) for kind, found in flags}
    return held or None


@pytest.fixture
def site_of(source_of):
    """A factory of sites by permission model."""
    return lambda access: Site(source_of(access=access), access)


@pytest.mark.parametrize("access", ["rbac", "policies"])
@pytest.mark.parametrize("mode", [AccessMode.READ, AccessMode.FINGERPRINT])
def test_the_document_suffices(site_of, access, mode):
    """Everything is seen, nothing is denied, doctor has no complaint and no warning about surplus rights."""
    site = site_of(access)
    site.install(mode)
    seen = site.source.see(*WANTED, kinds=" ".join(KINDS))
    assert set(seen.status.values()) == {"complete"}
    assert {seen[name].presence for name in WANTED} == {Presence.PRESENT}
    assert seen["certificate/api"].dependencies[0].usable is True
    found = [check for check in site.checks(mode) if check.state is not CheckState.OK]
    assert found == []


@pytest.mark.parametrize(("mode", "access", "line"), every_line(AccessMode.READ, AccessMode.FINGERPRINT))
def test_a_missing_line_is_named(site_of, mode, access, line):
    """Doctor fails exactly the check of that permission, with how to grant it in the provider's notation."""
    site = site_of(access)
    site.install(mode, without=line)
    failed = {check.name: check for check in site.checks(mode) if check.state is CheckState.FAILED}
    assert set(failed) == {f"permission:{line}"}
    check = failed[f"permission:{line}"]
    assert (check.error.kind, check.error.action) == (ErrorKind.DENIED.value, line)
    assert line.rpartition("/")[2].removesuffix("action") in check.fix or line in check.fix


@pytest.mark.parametrize(
    ("access", "line"),
    [
        (access, line)
        for access in ("rbac", "policies")
        for line in lines(AccessMode.READ, access)
        if "/vaults/read" not in line and "permissions/read" not in line
    ],
)
def test_the_inventory_names_a_missing_line(site_of, access, line):
    """The same line shows in coverage or items: denied, with the very permission, and nothing is called absent."""
    site = site_of(access)
    site.install(AccessMode.READ, without=line)
    seen = site.source.see(*WANTED, kinds=" ".join(KINDS))
    told = [item.error.action for item in seen.items.values() if item.error is not None]
    told += [coverage.error.action for coverage in seen.coverage.values() if coverage.error is not None]
    issuer = "certificatecas" in line or "getissuers" in line
    assert set(told) == (set() if issuer else {line})
    assert not [name for name in WANTED if seen[name].presence is Presence.ABSENT]
    if issuer:  # whether the issuer works is then simply not known
        assert seen["certificate/api"].dependencies[0].usable is None


@pytest.mark.parametrize("access", ["rbac", "policies"])
def test_reading_mode_is_refused_every_value(site_of, access):
    """The server itself refuses: our word is not the proof."""
    site = site_of(access)
    site.install(AccessMode.READ)
    read = list(site.source.provider().values(site.wanted[:2], site.source.budget()))
    assert {fact.kind for _, fact in read} == {"denied"}
    assert {fact.action for _, fact in read} == {VALUE_ACTIONS[access == "policies"]}


def test_fingerprint_opens_the_paired_secrets_only(site_of):
    """A role can be assigned on single secrets: the neighbour stays closed."""
    site = site_of("rbac")
    site.source.seed("secret", "other")
    site.install(AccessMode.FINGERPRINT)
    wanted = [*site.wanted[:2], site.source.locator("secret/other")]
    read = list(site.source.provider().values(wanted, site.source.budget()))
    assert {one.locator.name for one in read if isinstance(one, FieldValue)} == {"pay-one", "pay-two"}
    assert [locator.name for locator, _ in (one for one in read if isinstance(one, tuple))] == ["other"]


@pytest.mark.parametrize("access", ["rbac", "policies"])
def test_doctor_warns_of_rights_that_nobody_needs(site_of, access):
    """An administrator that only takes inventory: values open, changes possible, Graph writable."""
    site = site_of(access)
    world = site.source.world
    site.install(AccessMode.READ)
    world.assign("backup", "kv", role="Key Vault Administrator")
    world.install("backup", "kv", graph_roles=("Application.Read.All", "Application.ReadWrite.All"))
    if access == "policies":
        world.install("backup", "kv", policy={"secrets": ("list", "get", "purge"), "keys": ("all",)})
    checks = {check.name: check for check in site.checks(AccessMode.READ)}
    warned = {name for name, check in checks.items() if check.state is CheckState.WARNING}
    assert warned == {"values-closed", "vault-rights", "graph-rights"}
    assert "Application.ReadWrite.All" in checks["graph-rights"].observed
    more = f"{'secrets/purge' if access == 'policies' else 'Microsoft.KeyVault/vaults/secrets/setSecret/action'}"
    assert more in checks["vault-rights"].observed


@pytest.mark.parametrize("access", ["rbac", "policies"])
def test_doctor_sees_that_the_model_was_switched(site_of, access):
    """A vault made anew authorises by roles: documents of the other model open nothing there."""
    site = site_of(access)
    site.install(AccessMode.READ)
    site.place.vault.rbac = not site.place.vault.rbac
    checks = {check.name: check for check in site.checks(AccessMode.READ)}
    assert checks["access-model"].state is CheckState.FAILED
    assert "access:" in checks["access-model"].fix


ROTATE = AccessMode.ROTATE


def rotation_calls(site):
    """Call of reference §2 → doing it with the SDK; each as issue 5 will."""
    connection = site.source.provider()._connection
    secrets, keys, certificates = (connection._client(one, mint=True) for one in ("secrets", "keys", "certificates"))
    version = site.place.vault.secrets.get("pay-one").newest.id
    old = site.place.vault.certificates.get("api").newest.id
    end = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    body = {"passwordCredential": {"displayName": "nhisync:op-1", "endDateTime": end}}
    app = next(a for a in site.place.tenant.applications.values() if a.display_name == "payments")

    def add_password():
        url = f"{site.source.document['graph']}/v1.0/applications/{app.id}/addPassword"
        response = connection._client("graph", mint=True).send_request(HttpRequest("POST", url, json=body))
        if response.status_code != 200:
            raise HttpResponseError(response=response)

    return {
        "secrets.get_secret": lambda: secrets.get_secret("pay-one"),
        "secrets.set_secret": lambda: secrets.set_secret("pay-one", "canary-new", tags={"nhisync-op": "1"}),
        "secrets.update_secret_properties": lambda: secrets.update_secret_properties("pay-one", version, enabled=False),
        "certificates.begin_create_certificate": lambda: certificates.begin_create_certificate(
            "api", CertificatePolicy.get_default()
        ),
        "certificates.update_certificate_properties": lambda: certificates.update_certificate_properties(
            "api", old, enabled=False
        ),
        "keys.rotate_key": lambda: keys.rotate_key("signing"),
        "keys.update_key_properties": lambda: keys.update_key_properties("signing", enabled=True),
        "graph.addPassword": add_password,
    }


def probe_calls(site):
    """The live checks of reference §2: sign and verify with the vault's key, read the secret to log in with it."""
    connection = site.source.provider()._connection
    secrets, keys = (connection._client(one, mint=True) for one in ("secrets", "keys"))
    digest = b"\1" * 32

    def client():
        found = keys.get_cryptography_client("signing")
        assert isinstance(found, CryptographyClient)
        return found

    return {
        "secrets.get_secret": lambda: secrets.get_secret("pay-one"),
        "keys.sign": lambda: client().sign(SignatureAlgorithm.es256, digest),
        "keys.verify": lambda: connection._made(
            "keyvault",
            "keys.verify",
            site.source.budget(),
            lambda: keys.send_request(_verify(site, digest)).raise_for_status(),
        ),
    }


def _verify(site, digest):
    """The request itself: the SDK verifies locally when it can."""
    import base64

    def text(raw):
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    version = site.place.vault.keys.get("signing").newest.id
    body = {"alg": "ES256", "digest": text(digest), "value": text(b"\1" * 64)}
    return HttpRequest("POST", f"{{vaultBaseUrl}}/keys/signing/{version}/verify", json=body)


CALLS = {AccessMode.ROTATE: rotation_calls, AccessMode.PROBE: probe_calls}


def attempt(site, call, act):
    """None, or the typed refusal."""
    from nhisync.spi import ProviderError

    connection = site.source.provider()._connection
    family = "graph" if call.startswith("graph") else "keyvault"
    try:
        connection._made(family, call, site.source.budget(), act)
    except ProviderError as error:
        return error
    return None


@pytest.mark.parametrize("access", ["rbac", "policies"])
@pytest.mark.parametrize("mode", [AccessMode.PROBE, AccessMode.ROTATE])
def test_every_call_of_a_mode_succeeds_with_its_document(site_of, access, mode):
    """Probe and rotate have no code yet; their documents are held against the calls that they will make."""
    site = site_of(access)
    site.install(mode)
    refused = {call: attempt(site, call, act) for call, act in CALLS[mode](site).items()}
    assert {call: error for call, error in refused.items() if error is not None} == {}
    assert {NEEDS[call].of(access) for call in refused} <= set(lines(mode, access))


@pytest.mark.parametrize(
    ("mode", "access", "line"),
    [
        (mode, access, line)
        for mode, access, line in every_line(AccessMode.PROBE, AccessMode.ROTATE)
        if line not in lines(AccessMode.READ, access)
    ],
)
def test_a_call_fails_without_its_line(site_of, mode, access, line):
    """Exactly the calls that need the line fail, and they name it."""
    site = site_of(access)
    site.install(mode, without=line)
    refused = {call: attempt(site, call, act) for call, act in CALLS[mode](site).items()}
    denied = {call: error for call, error in refused.items() if error is not None}
    assert set(denied) == {call for call in refused if NEEDS[call].of(access) == line}
    assert {(error.kind, error.fact.action) for error in denied.values()} == {(ErrorKind.DENIED, line)}


@pytest.mark.parametrize("call", NEEDS)
@pytest.mark.parametrize("access", ["rbac", "policies"])
def test_every_call_can_be_granted(call, access):
    """A fix exists for each call, in the notation of the model, with our own identity in it."""
    text = grant_text(call, settings(access))
    assert AUTH["client_id"] in text
    assert NEEDS[call].of(access).rpartition("/")[2] in text or "api-permissions" in text


def test_what_is_not_touched_is_not_granted():
    """A source that only names a secret gets nothing for keys, certificates and the directory."""
    from nhisync.spi import Locator

    found = documents(AccessMode.READ, (Locator.parse("kv:secret/x"),), frozenset(), settings("rbac"))
    assert [one.language for one in found] == ["json", "sh"]
    assert json.loads(found[0].text)["DataActions"] == ["Microsoft.KeyVault/vaults/secrets/readMetadata/action"]


def test_a_role_is_assignable_where_azure_takes_it_and_assigned_where_it_is_needed():
    """AssignableScopes names a resource group, never a resource; the assignment names the vault itself."""
    role, line = (one for one in documents(AccessMode.READ, (), frozenset({"secret"}), settings("rbac")))
    (scope,) = json.loads(role.text)["AssignableScopes"]
    vault = settings("rbac").vault_id
    assert vault.startswith(f"{scope}/providers/Microsoft.KeyVault/vaults/")
    assert f"--scope '{vault}'" in line.text
    with pytest.raises(ValueError, match="names a resource"):
        custom_role({**json.loads(role.text), "AssignableScopes": [vault]}, "id")
