"""Rights of applications: what is read is what Azure says of every request, whatever is assigned.

The emulator's own evaluator (roles, conditions, deny assignments, access policies) is the judge; it shares no code with
what reads and compiles them.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from nhisync.parity.rights import Rights, compare
from nhisync.parity.rights.effect import allowed, terms_of
from nhisync.parity.rights.patterns import matches, tokens
from nhisync.spi import HELD, Effect, ErrorKind, GrantFacts, Locator, Right, Syntax
from nhisync_azure.emulator import kv_certificates, kv_keys, kv_secrets
from nhisync_azure.emulator.conditions import SECRET_NAME, VAULT_NAME, Target, holds
from nhisync_azure.emulator.directory import AppRole, AppRoleAssignment, ServicePrincipal
from nhisync_azure.emulator.grants import ARM_ACTIONS
from nhisync_azure.emulator.kv import by_policy
from nhisync_azure.emulator.rbac import EVERYONE, DenyAssignment, RoleAssignment, Subject, custom_role, settled
from nhisync_azure.emulator.vaults import AccessPolicy, Vault
from nhisync_azure.operations import NEEDS, VAULT
from nhisync_azure.permissions import RIGHTS
from nhisync_azure.policy_words import PARTS, data_actions, in_parts
from nhisync_azure.rights import by_policies, in_applications, in_directory

from .conftest import Source

APP = "app-secret/payments"
GROUP, NESTED = "11111111-aaaa-4aaa-8aaa-111111111111", "22222222-aaaa-4aaa-8aaa-222222222222"
MANAGEMENT = "/providers/Microsoft.Management/managementGroups/platform"
OPERATIONS = (*kv_secrets.OPERATIONS, *kv_keys.OPERATIONS, *kv_certificates.OPERATIONS)
CONDITION = (
    "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/getSecret/action'})) OR "
    "(@Resource[Microsoft.KeyVault/vaults/secrets:name] StringStartsWith 'pay'))"
)
CONTROL = (
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.KeyVault/vaults/delete",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Storage/storageAccounts/listKeys/action",
)
ROLES: tuple[dict[str, Any], ...] = (
    {"Actions": ["*"], "NotActions": ["Microsoft.Authorization/*/Write"]},
    {"Actions": ["*/read"], "DataActions": [f"{VAULT}/*/read", f"{VAULT}/secrets/readMetadata/action"]},
    {"DataActions": [f"{VAULT}/secrets/getSecret/action", f"{VAULT}/SECRETS/readmetadata/action"]},
    {"DataActions": [f"{VAULT}/*"], "NotDataActions": [f"{VAULT}/*/purge/action", f"{VAULT}/keys/read"]},
    {"DataActions": [f"{VAULT}/keys/*", f"{VAULT}/keyrotationpolicies/*"], "NotDataActions": [f"{VAULT}/keys/sign/*"]},
    {"Actions": ["Microsoft.Storage/*"], "DataActions": [f"{VAULT}/certificates/*", f"{VAULT}/certificatecas/read"]},
)
WORDS = {
    "secrets": ("get", "list", "set", "delete", "recover", "purge", "Get"),
    "keys": ("get", "list", "sign", "rotate", "getrotationpolicy", "all"),
    "certificates": ("get", "list", "create", "getissuers", "listissuers", "setissuers", "all"),
}


class Stage:
    """A subscription with a vault by roles and one by policies, an application in it, and an identity that reads."""

    def __init__(self, source: Source) -> None:
        self.source, self.world = source, source.world
        self.place = source.world.source("backup", "kv")
        self.cloud, self.vault = source.world.cloud, self.place.vault
        self.subscription = f"/subscriptions/{self.vault.subscription}"
        self.other = Vault(
            name="kv-by-policies",
            tenant=self.vault.tenant,
            region="northeurope",
            subscription=self.vault.subscription,
            resource_group="rg-other",
            rbac=False,
        )
        self.cloud.vaults[self.other.name] = self.other
        source.seed("app-secret", "payments")
        source.seed("sp-secret", "payments/second")
        self.app = next(one for one in self.place.tenant.principals.values() if one.display_name == "payments")
        self.place.tenant.groups.update({GROUP: {NESTED}, NESTED: {self.app.id}})
        self.cloud.rbac.management[self.subscription] = MANAGEMENT
        self.give(ARM_ACTIONS)

    def give(self, actions: Iterable[str]) -> None:
        """What nhisync's identity may do in the subscription."""
        role = {"Name": "reader of rights", "Actions": list(actions)}
        self.world.install("backup", "kv", role=role, scope=self.subscription)

    def assign(self, role: dict[str, Any], scope: str, principal: str = "", condition: str | None = None) -> None:
        """A role for the application, or for somebody else."""
        definition = custom_role({"Name": "r", **role}, self.cloud.ids.guid())
        self.cloud.rbac.definitions[definition.id] = definition
        self.cloud.rbac.assignments.append(
            RoleAssignment(
                id=self.cloud.ids.guid(),
                principal=principal or self.app.id,
                definition=definition.id,
                scope=scope,
                created=self.cloud.clock.now(),
                condition=condition,
            )
        )

    def deny(self, scope: str, *principals: str, **facts: Any) -> None:
        """A deny assignment that spares nhisync."""
        excluded = frozenset({self.place.identity.principal.id, *facts.pop("excluded", ())})
        made = DenyAssignment(
            id=self.cloud.ids.guid(),
            name="d",
            scope=scope,
            principals=frozenset(principals),
            excluded=excluded,
            **facts,
        )
        self.cloud.rbac.denials.append(made)

    def offer(self, value: str, app_id: str) -> AppRoleAssignment:
        """An application of the tenant that offers a role, which the application holds."""
        role = AppRole(id=self.cloud.ids.guid(), value=value)
        resource = ServicePrincipal(
            id=self.cloud.ids.guid(), app_id=app_id, display_name="api", created=self.cloud.clock.now(), roles=[role]
        )
        self.place.tenant.principals[resource.id] = resource
        made = AppRoleAssignment(
            id=self.cloud.ids.version(), role_id=role.id, resource_id=resource.id, created=self.cloud.clock.now()
        )
        self.app.assignments.append(made)
        return made

    def asked(self, *names: str, **settings: Any) -> list[GrantFacts]:
        """What the adapter says of the rights of these items."""
        wanted = tuple(map(self.source.locator, names or (APP,)))
        provider = self.source.provider(**{"scopes": [self.subscription], **settings})
        return list(provider.grants(wanted, self.source.budget()))

    def arrange(self, dice: random.Random) -> None:
        """Random assignments, deny assignments and access policies."""
        secret = f"{self.vault.id}/secrets/pay-one"
        group = self.vault.id.rpartition("/providers/")[0]
        scopes = ("/", MANAGEMENT, self.subscription, group.upper(), self.vault.id, secret, self.other.id)
        whom = (self.app.id, self.app.id, GROUP, NESTED, self.place.identity.principal.id)
        for _ in range(dice.randrange(1, 6)):
            condition = CONDITION if dice.random() < 0.3 else None
            self.assign(dice.choice(ROLES), dice.choice(scopes), dice.choice(whom), condition)
        for _ in range(dice.randrange(3)):
            block = dice.choice(ROLES)
            self.deny(
                dice.choice(scopes),
                dice.choice((self.app.id, GROUP, EVERYONE, "33333333-aaaa-4aaa-8aaa-333333333333")),
                excluded=dice.choice(((), (), (NESTED,))),
                actions=tuple(block.get("NotActions", ())),
                data_actions=tuple(block.get("DataActions", ())[:1]),
                not_data_actions=dice.choice(((), (f"{VAULT}/secrets/*",))),
                alone=dice.random() < 0.3,
            )
        for vault in (self.vault, self.other):
            for oid in dice.sample(whom, 2):
                words = {kind: tuple(dice.sample(some, dice.randrange(4))) for kind, some in WORDS.items()}
                vault.policies.append(AccessPolicy(oid=oid, permissions=words))

    def requests(self) -> Iterator[tuple[str, str, frozenset[str], bool]]:
        """(action, resource, true conditions, Azure's answer) of everything that is asked."""
        rbac, subject = self.cloud.rbac, Subject(oid=self.app.id, groups=frozenset({GROUP, NESTED}))
        before = settled(self.cloud.clock.now(), 0)
        for scope in (self.subscription, self.vault.id, self.other.id):
            target = Target(id=scope)
            for action in CONTROL:
                true = frozenset({CONDITION} if holds(CONDITION, action, target) else ())
                yield f"control:{action}", scope, true, rbac.allows(subject, action, target, data=False, before=before)
        for vault in (self.vault, self.other):
            for name in ("", "pay-one", "other"):
                for operation in OPERATIONS:
                    kind, word = operation.policy
                    action = f"{VAULT}/{operation.action}"
                    target = _target(vault, kind, name)
                    if vault.rbac:
                        answer = rbac.allows(subject, action, target, data=True, before=before)
                    else:
                        answer = by_policy(vault, subject.ids, kind, word)
                    true = frozenset({CONDITION} if holds(CONDITION, action, target) else ())
                    yield f"data:{_part(action, word)}", target.id, true, answer


def _target(vault: Vault, kind: str, name: str) -> Target:
    """What a request to a vault names, as the vault sees it."""
    if not name:
        return Target(id=vault.id, attributes={VAULT_NAME: vault.name})
    attributes = {VAULT_NAME: vault.name, **({SECRET_NAME: name} if kind == "secrets" else {})}
    return Target(id=f"{vault.id}/{kind}/{name}", attributes=attributes)


def _part(action: str, word: str) -> str:
    """The part of a data action that one operation is."""
    return f"{action}/{'list' if word.startswith('list') else 'get'}" if action in PARTS else action


def may(rights: Iterable[Right], action: str, scope: str, true: frozenset[str]) -> bool:
    """What compiled rights say of one request, read as the comparison reads them."""
    where = f"{scope.lower()}/"
    fitting = [
        right
        for right in rights
        if named(right.actions, action, Syntax.GLOB)
        and not named(right.but_actions, action, Syntax.GLOB)
        and named(right.resources, where, Syntax.PATH)
        and not named(right.but_resources, where, Syntax.PATH)
    ]
    return allowed(terms_of(fitting), (HELD,), true)


def named(patterns: Iterable[str], text: str, syntax: Syntax) -> bool:
    """Whether a pattern matches; the case of actions is folded."""
    fold = str.casefold if syntax is Syntax.GLOB else str
    return any(matches(tokens(fold(one), syntax), fold(text)) for one in patterns)


@pytest.fixture
def stage(source_of: Callable[..., Source]) -> Stage:
    """The stage."""
    return Stage(source_of())


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("seed", range(24))
def test_every_request_is_judged_as_azure_judges_it(stage: Stage, seed: int) -> None:
    """Scopes, groups, exceptions, conditions, deny assignments, both models of vaults: nothing comes out otherwise."""
    stage.arrange(random.Random(seed))
    (facts,) = stage.asked()
    assert facts.error is None
    assert facts.gaps == ()
    for action, scope, true, answer in stage.requests():
        assert may(facts.rights, action, scope, true) is answer, (action, scope, true)


LINES = sorted({NEEDS[call].role for call in RIGHTS})


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("lost", ["", *LINES])
def test_the_printed_role_suffices_line_by_line(stage: Stage, lost: str) -> None:
    """With exactly the printed role the rights are known; with one line less the denial names it, and none is known."""
    stage.assign(ROLES[1], stage.subscription)
    wanted = (stage.source.locator(APP),)
    printed, where = stage.source.provider(scopes=[stage.subscription]).grant_permissions(wanted, frozenset())
    role = json.loads(printed.text)
    assert (role["AssignableScopes"], where.actions) == ([stage.subscription], printed.actions)
    assert f"--scope '{stage.subscription}'" in where.text
    stage.give(one for one in role["Actions"] if one != lost)
    stage.world.install("backup", "kv", graph_roles=("Application.Read.All",))
    (facts,) = stage.asked()
    assert (facts.error.action if facts.error else "") == lost
    if lost:
        assert facts.error is not None
        assert facts.error.kind == ErrorKind.DENIED.value
        assert stage.subscription in facts.error.fix
        assert facts.rights == ()


@pytest.mark.requirement("R42")
def test_without_sight_of_the_directory_nothing_is_known(stage: Stage) -> None:
    """Groups and application roles come from Graph: without its permission the answer names it."""
    stage.world.install("backup", "kv", graph_roles=())
    (facts,) = stage.asked()
    assert facts.error is not None
    assert (facts.error.kind, facts.error.action) == (ErrorKind.DENIED.value, "Application.Read.All")


def test_a_role_is_printed_where_rights_are_read(stage: Stage) -> None:
    """None for a vault's own kinds, none for the directory alone; without scopes the vault, by its group's role."""
    wanted = (stage.source.locator(APP),)
    assert stage.source.provider(scopes=[]).grant_permissions(wanted, frozenset()) == ()
    assert stage.source.provider().grant_permissions((stage.source.locator("secret/x"),), frozenset({"key"})) == ()
    printed, where = stage.source.provider().grant_permissions((), frozenset({"app-secret"}))
    assert json.loads(printed.text)["AssignableScopes"] == [stage.vault.id.partition("/providers/")[0]]
    assert f"--scope '{stage.vault.id}'" in where.text


@pytest.mark.requirement("R20")
def test_application_roles_are_compared_by_value(stage: Stage) -> None:
    """Ids of roles differ from tenant to tenant; the application and the value do not."""
    stage.offer("Orders.Read.All", "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa")
    (facts,) = stage.asked(scopes=[])
    assert facts.rights == (
        Right(Effect.ALLOW, ("role:Orders.Read.All",), ("app:aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa",)),
    )
    assert not [call for call in stage.source.calls if call.startswith("arm:")]


def test_a_role_of_the_directory_is_a_right(stage: Stage) -> None:
    """Global Administrator through a group is seen; one whose name is not shown is a gap."""
    stage.place.tenant.directory_roles["Global Administrator"] = {GROUP}
    (facts,) = stage.asked(scopes=[])
    assert Right(Effect.ALLOW, ("directory:Global Administrator",), ("directory",)) in facts.rights
    rights, gaps = in_directory([{"@odata.type": "#microsoft.graph.directoryRole", "id": "x", "displayName": None}])
    assert (rights, len(gaps)) == ([], 1)


def test_both_models_of_a_vault_are_comparable(stage: Stage) -> None:
    """A role with the two actions of reading secrets equals the policy get, list; get alone lacks the list."""

    def of(actions: Iterable[str]) -> Rights:
        found = tuple(f"data:{one}" for one in sorted(actions))
        return Rights(0, "azure", Syntax.PATH, (Right(Effect.ALLOW, found, ("/v/*",)),))

    role = of(in_parts((f"{VAULT}/secrets/getSecret/action", f"{VAULT}/secrets/readMetadata/action")))
    assert compare(role, of(data_actions({"secrets": ["Get", "List"]}))) == ((), (), (), ())
    less = compare(role, of(data_actions({"secrets": ["get"]})))
    assert less.surplus == ()
    assert any("readMetadata/action/list" in one.words for one in less.lacks)
    officer = of(in_parts((f"{VAULT}/secrets/*",)))
    assert compare(officer, of(data_actions({"secrets": ["all"]}))) == ((), (), (), ())


def test_an_unset_model_means_access_policies(stage: Stage) -> None:
    """`enableRbacAuthorization` that is null is false; roles on such a vault open no data."""
    stage.assign(ROLES[2], stage.other.id)
    stage.other.policies.append(AccessPolicy(oid=NESTED, permissions={"secrets": ("get",)}))
    (facts,) = stage.asked()
    assert may(facts.rights, f"data:{VAULT}/secrets/getSecret/action", f"{stage.other.id}/secrets/a", frozenset())
    listed = f"data:{VAULT}/secrets/readMetadata/action/list"
    assert not may(facts.rights, listed, stage.other.id, frozenset())


def test_what_is_not_clear_is_a_gap() -> None:
    """A policy on behalf of somebody else, and an application that no longer names the role that is held."""
    policy = {"objectId": "A", "applicationId": "B", "permissions": {"secrets": ["get"]}}
    rights, gaps = by_policies({"id": "/v", "properties": {"accessPolicies": [policy]}}, frozenset({"a"}))
    assert (rights, len(gaps)) == ([], 1)
    held = [{"resourceId": "r", "appRoleId": "gone"}, {"resourceId": "r", "appRoleId": EVERYONE}]
    rights, gaps = in_applications(held, {"r": {"appId": "X", "appRoles": []}})
    assert rights == [Right(Effect.ALLOW, ("role:default",), ("app:x",))]
    assert gaps == ["application x names no value of a role that is held on it"]


def test_credentials_of_one_application_hold_its_rights(stage: Stage) -> None:
    """Whatever names it; what stands in a vault holds none, and is said first."""
    stage.assign(ROLES[0], stage.subscription)
    by_id = f"app-secret/{stage.app.app_id}"
    secret, *found = stage.asked(APP, "sp-secret/payments/second", by_id, "secret/pay-one")
    assert secret.error is not None
    assert secret.error.kind == ErrorKind.UNSUPPORTED.value
    assert len({one.rights for one in found}) == 1
    assert found[0].rights != ()
    assert stage.source.calls["arm:denyAssignments/list"] == 1


@pytest.mark.parametrize(
    ("name", "settings", "kind"),
    [
        ("app-secret/nobody", {}, ErrorKind.NOT_FOUND),
        ("app-secret/payments", {"scopes": None, "vault_id": None}, ErrorKind.MISCONFIGURED),
        ("app-secret/payments", {"directory": False}, ErrorKind.UNSUPPORTED),
    ],
)
def test_what_cannot_be_asked_has_no_list(stage: Stage, name: str, settings: Any, kind: ErrorKind) -> None:
    """An application that is not there, a source without scopes, one that leaves the directory alone: never empty."""
    (facts,) = stage.asked(name, **settings)
    assert facts.error is not None
    assert facts.error.kind == kind.value
    assert facts.rights == ()


def test_two_applications_of_one_name_are_not_mixed_up(stage: Stage) -> None:
    """A display name that two carry means neither."""
    stage.source.seed("app-secret", "twin")
    twin = next(one for one in stage.place.tenant.applications.values() if one.display_name == "twin")
    twin.display_name = "payments"
    (facts,) = stage.asked()
    assert facts.error is not None
    assert facts.error.kind == ErrorKind.MISCONFIGURED.value


@pytest.mark.parametrize("fault", ["garbage", "throttled", "endless-paging"])
@pytest.mark.parametrize("surface", ["arm", "graph"])
def test_whatever_is_lost_leaves_the_rights_unknown(stage: Stage, fault: str, surface: str) -> None:
    """A part of the assignments is never taken for all of them."""
    stage.assign(ROLES[0], stage.subscription)
    stage.source.fault(fault, surface=surface)
    (facts,) = stage.asked()
    assert facts.error is not None
    assert facts.rights == ()


def test_many_pages_are_one_list(stage: Stage) -> None:
    """Two assignments on two pages are both held."""
    stage.assign(ROLES[2], stage.subscription)
    stage.assign(ROLES[4], stage.subscription)
    whole = stage.asked()[0].rights
    stage.source.fault("short-pages", surface="arm", size=1)
    assert stage.asked()[0].rights == whole
    assert len(whole) == 2


def test_locators_name_what_is_meant(stage: Stage) -> None:
    """One answer for each item, however often it is wanted."""
    one = stage.source.locator(APP)
    provider = stage.source.provider(scopes=[])
    found = list(provider.grants((one, Locator(one.source, one.kind, one.name, "value")), stage.source.budget()))
    assert [facts.locator for facts in found] == [one]
