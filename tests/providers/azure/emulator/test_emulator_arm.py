"""Azure Resource Manager: what the vault is, who may do what there, what the caller itself holds."""

from typing import Any

import pytest

from nhisync_azure.emulator import grants
from nhisync_azure.emulator.rbac import EVERYONE, DenyAssignment

from .conftest import REAL_VAULT

AUTHORIZATION = "/providers/Microsoft.Authorization"
emulated = pytest.mark.skipif(bool(REAL_VAULT), reason="needs the emulator's own roles")


def rows(answer: Any) -> list[dict[str, Any]]:
    """The rows of a page."""
    assert answer.status_code == 200, answer.text()
    return list(answer.json()["value"])


def error_of(answer: Any) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


def need_vault_id(cloud: Any) -> str:
    """The vault's resource id, or no test."""
    if not cloud.vault_id:
        pytest.skip("NHISYNC_AZURE_VAULT_ID names no vault")
    return str(cloud.vault_id)


def test_the_vaults_settings(cloud: Any) -> None:
    """Permission model, retention, tenant and address of the vault."""
    found = cloud.arm(need_vault_id(cloud), version="2022-07-01").json()
    properties = found["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["vaultUri"].rstrip("/") == cloud.vault
    assert properties["tenantId"]
    assert found["location"]


def test_own_permissions(cloud: Any) -> None:
    """The caller sees which actions and data actions it holds on the vault."""
    held = rows(cloud.arm(f"{need_vault_id(cloud)}{AUTHORIZATION}/permissions"))
    data = {action for row in held for action in row["dataActions"]}
    assert "Microsoft.KeyVault/vaults/*" in data


def test_assignments_and_their_roles(cloud: Any) -> None:
    """Every assignment names a definition that can be read at the same scope."""
    vault = need_vault_id(cloud)
    for row in rows(cloud.arm(f"{vault}{AUTHORIZATION}/roleAssignments")):
        role = row["properties"]["roleDefinitionId"].rpartition("/")[2]
        answer = cloud.arm(f"{vault}{AUTHORIZATION}/roleDefinitions/{role}")
        assert answer.json()["properties"]["permissions"][0].keys() >= {"actions", "dataActions"}


def test_a_vault_that_does_not_exist_is_a_404(cloud: Any) -> None:
    """With rights on the subscription a missing vault is said to be missing."""
    missing = need_vault_id(cloud).rpartition("/")[0] + "/no-such-vault-0"
    assert error_of(cloud.arm(missing, version="2022-07-01")) == (404, "ResourceNotFound")


@emulated
@pytest.mark.parametrize("missing", grants.ARM_ACTIONS)
def test_every_action_opens_exactly_its_read(open_target: Any, world: Any, missing: str) -> None:
    """Without one line of the role exactly that read is refused, in the words that name the line."""
    site = open_target()
    world.install("primary", "azure", role={"Name": "r", "Actions": [a for a in grants.ARM_ACTIONS if a != missing]})
    paths = {"Microsoft.KeyVault/vaults/read": site.vault_id}
    paths |= {action: f"{site.vault_id}{AUTHORIZATION}/{action.split('/')[1]}" for action in grants.ARM_ACTIONS[1:]}
    for action, path in paths.items():
        answer = site.arm(path)
        assert answer.status_code == (403 if action == missing else 200)
        if action == missing:
            assert error_of(answer) == (403, "AuthorizationFailed")
            assert f"'{action}'" in answer.json()["error"]["message"]


@emulated
def test_assigned_to_includes_groups(open_target: Any, world: Any) -> None:
    """The filter assignedTo finds assignments of the principal's groups, nested ones, too; principalId does not."""
    site = open_target()
    place = world.source("primary", "azure")
    place.tenant.groups |= {"inner": {place.identity.principal.id}, "outer": {"inner"}}
    world.assign("primary", "azure", role="Key Vault Secrets User", principal="outer")
    oid, base = place.identity.principal.id, f"{site.vault_id}{AUTHORIZATION}/roleAssignments"
    wide = {row["properties"]["principalId"] for row in rows(site.arm(f"{base}?$filter=assignedTo('{oid}')"))}
    narrow = {row["properties"]["principalId"] for row in rows(site.arm(f"{base}?$filter=principalId eq '{oid}'"))}
    assert (wide, narrow) == ({oid, "outer"}, {oid})
    world.source("primary", "azure").vault.secrets.add("s", _secret(world))
    assert site.secrets.get_secret("s").value == "by group"


@emulated
def test_conditions_and_denials_are_shown(open_target: Any, world: Any) -> None:
    """An assignment shows its condition and version, a deny assignment its principals and actions."""
    site = open_target()
    text = "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'x'"
    world.assign("primary", "azure", role="Key Vault Secrets User", condition=text)
    place = world.source("primary", "azure")
    actions = ("Microsoft.KeyVault/vaults/secrets/getSecret/action",)
    denial = DenyAssignment(
        id="d", name="locked", scope=site.vault_id, principals=frozenset({"p"}), data_actions=actions
    )
    world.cloud.rbac.denials.append(denial)
    base = f"{site.vault_id}{AUTHORIZATION}"
    conditions = [row["properties"]["condition"] for row in rows(site.arm(f"{base}/roleAssignments"))]
    assert text in conditions
    assert text in [row.get("condition") for row in rows(site.arm(f"{base}/permissions"))]
    shown = rows(site.arm(f"{base}/denyAssignments"))[0]["properties"]
    assert (shown["denyAssignmentName"], shown["principals"][0]["id"]) == ("locked", "p")
    assert place.vault.rbac


@emulated
def test_policies_are_shown_with_their_permissions(open_target: Any) -> None:
    """A vault of the older model shows its access policies and no RBAC."""
    site = open_target(access="policies")
    properties = site.arm(site.vault_id).json()["properties"]
    assert properties["enableRbacAuthorization"] is False
    assert properties["accessPolicies"][0]["permissions"]["secrets"] == ["list"]


@emulated
def test_a_token_of_another_tenant_or_none_is_a_401(open_target: Any, world: Any) -> None:
    """A subscription belongs to one tenant; tokens of others are refused before any role is looked at."""
    home, other = open_target(source="home"), open_target(source="other")
    answer = home.arm(other.vault_id)
    assert error_of(answer) == (401, "InvalidAuthenticationTokenTenant")
    assert "WWW-Authenticate" in answer.headers


@emulated
def test_a_missing_version_is_refused(site: Any) -> None:
    """Resource Manager wants api-version on every request."""
    assert error_of(site.arm(f"{site.vault_id}?x=1", version=""))[0] == 400


@emulated
def test_vaults_of_a_subscription_are_those_that_may_be_read(site: Any) -> None:
    """The list of vaults holds the vault itself, and leaves out the others without a word."""
    subscription = "/".join(site.vault_id.split("/")[:3])
    found = rows(site.arm(f"{subscription}/providers/Microsoft.KeyVault/vaults"))
    assert [row["id"] for row in found] == [site.vault_id]


def _secret(world: Any) -> Any:
    """A secret's version that stands there already."""
    from nhisync_azure.emulator.vaults import SecretVersion

    now = world.cloud.clock.now()
    return SecretVersion(id="0" * 32, created=now, updated=now, value="by group")


@emulated
def test_a_management_group_and_everybody_are_known(open_target: Any, world: Any) -> None:
    """What is assigned over the subscription holds in it; a denial of all spares whom it excludes, and only them."""
    site = open_target()
    place, rbac = world.source("primary", "azure"), world.cloud.rbac
    subscription, group = (
        f"/subscriptions/{place.vault.subscription}",
        "/providers/Microsoft.Management/managementGroups/m",
    )
    rbac.management[subscription] = group
    world.assign("primary", "azure", role="Reader", scope=group)
    base = f"{subscription}{AUTHORIZATION}"
    assert group in {row["properties"]["scope"] for row in rows(site.arm(f"{base}/roleAssignments"))}
    own = place.identity.principal.id
    shut = {"id": "1", "name": "d", "scope": group, "principals": frozenset({EVERYONE}), "actions": ("*/read",)}
    rbac.denials.append(DenyAssignment(**shut, excluded=frozenset({own})))
    (row,) = rows(site.arm(f"{base}/denyAssignments"))
    assert row["properties"]["principals"] == [{"id": EVERYONE, "type": "SystemDefined"}]
    rbac.denials[:] = [DenyAssignment(**shut)]
    assert error_of(site.arm(f"{base}/denyAssignments")) == (403, "AuthorizationFailed")
    rbac.denials[:] = [DenyAssignment(**shut, alone=True)]
    assert rows(site.arm(f"{base}/denyAssignments")) != []
