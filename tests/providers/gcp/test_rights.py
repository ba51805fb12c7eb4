"""Rights of service accounts: what is read is what IAM says of every request, whatever policies there are.

The emulator's own evaluator is the judge; it shares no code with what reads and compiles the policies.
"""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from google.cloud.iam_v2 import types as deny_types
from google.iam.v1 import policy_pb2

from nhisync.parity.rights import Rights, compare
from nhisync.parity.rights.effect import allowed, terms_of
from nhisync.parity.rights.patterns import matches, tokens
from nhisync.spi import HELD, TRUST, AccessMode, Effect, ErrorKind, GrantFacts, Right, Syntax
from nhisync_gcp.emulator.denials import attach
from nhisync_gcp.emulator.iam_roles import RoleMessage
from nhisync_gcp.emulator.roles import PERMISSIONS
from nhisync_gcp.emulator.timeline import Timeline
from nhisync_gcp.permissions import RIGHTS, RIGHTS_ABOVE, bindings, rights_needed
from nhisync_gcp.rights import MOST_PERMISSIONS, Account, Policy, compiled

from .conftest import ACCOUNT, REGION, Gcp

ABOVE = ("folders/7", "folders/8", "organizations/9")
PROJECT = "projects/acme-backup-gcp"
PAY, OTHER = ACCOUNT.format("payments"), ACCOUNT.format("other")
NHISYNC = f"principal://iam.googleapis.com/projects/-/serviceAccounts/{ACCOUNT.format('nhisync-backup-gcp')}"
GROUPS = {"team@acme.example": (PAY,), "ops@acme.example": (OTHER,)}
CONDITIONS = (
    "request.time < timestamp('2027-01-01T00:00:00Z')",
    'resource.name.startsWith("projects/1/secrets/pay")',
    "resource.matchTag('9/env', 'prod')",
)
SECRETS = ("secrets/stripe", "secrets/adyen", f"locations/{REGION}/secrets/ledger")
PLACES = (PROJECT, *ABOVE)
MEMBERS = (
    f"serviceAccount:{PAY}",
    f"serviceAccount:{OTHER}",
    "group:team@acme.example",
    "group:ops@acme.example",
    "allUsers",
    "allAuthenticatedUsers",
    "user:alice@acme.example",
    "domain:acme.example",
    f"deleted:serviceAccount:{PAY}?uid=1",
    "principalSet://cloudresourcemanager.googleapis.com/folders/8",
    "principalSet://cloudresourcemanager.googleapis.com/folders/404/type/ServiceAccount",
    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/main",
)
DENIED_MEMBERS = (
    f"principal://iam.googleapis.com/projects/-/serviceAccounts/{PAY}",
    f"principal://iam.googleapis.com/projects/-/serviceAccounts/{OTHER}",
    "principalSet://goog/public:all",
    "principalSet://goog/group/team@acme.example",
    "principalSet://goog/group/ops@acme.example",
    "principal://goog/subject/alice@acme.example",
    "principalSet://cloudresourcemanager.googleapis.com/organizations/9/type/ServiceAccount",
)
DENIABLE = (
    "secretmanager.googleapis.com/versions.access",
    "secretmanager.googleapis.com/secrets.*",
    "secretmanager.googleapis.com/*.list",
    "iam.googleapis.com/*.*",
    "cloudresourcemanager.googleapis.com/projects.get",
    "storage.googleapis.com/objects.get",
)
ROLES = (
    "roles/viewer",
    "roles/secretmanager.secretAccessor",
    "roles/secretmanager.admin",
    "roles/storage.objectViewer",
    "roles/iam.serviceAccountTokenCreator",
    f"{PROJECT}/roles/own",
    f"{PROJECT}/roles/gone",
    f"{PROJECT}/roles/never",
    "organizations/9/roles/wide",
)


@pytest.fixture
def stocked(make: Any) -> Gcp:
    """Two accounts, three secrets, folders above, and an identity that reads rights."""
    gcp = make(locations=[REGION], above=list(ABOVE), rights=True)
    for name in ("payments", "other"):
        gcp.seed("service-account", name)
    for secret in SECRETS:
        kind = "regional-secret" if secret.startswith("locations") else "secret"
        name = secret.removeprefix("locations/").replace("/secrets/", "/").removeprefix("secrets/")
        gcp.seed(kind, name, fields={"key": "canary-rights-77"})
    roles = {
        f"{PROJECT}/roles/own": (("secretmanager.versions.access", "storage.objects.create"), False),
        f"{PROJECT}/roles/gone": (("storage.objects.delete",), True),
        "organizations/9/roles/wide": (("resourcemanager.projects.get", "iam.serviceAccounts.actAs"), False),
    }
    for name, (permissions, deleted) in roles.items():
        message = RoleMessage(name=name, included_permissions=permissions, deleted=deleted)
        gcp.world.cloud.access.roles[name] = line = Timeline()
        line.put(gcp.clock.now(), message)
    gcp.world.cloud.access.principals.groups.update(
        {"team@acme.example": {"group:inner@acme.example"}, "inner@acme.example": {f"serviceAccount:{PAY}"}}
    )
    return gcp


def bind(gcp: Gcp, resource: str, role: str, *members: str, condition: str = "") -> None:
    """One more binding on a resource."""
    access, now = gcp.world.cloud.access, gcp.clock.now()
    grown = policy_pb2.Policy()
    grown.CopyFrom(access.policy(resource))
    added = grown.bindings.add(role=role, members=members)
    if condition:
        added.condition.expression = condition
    access.set_policy(resource, grown, now)


def deny(gcp: Gcp, place: str, *rules: dict[str, Any]) -> None:
    """One more deny policy on a place."""
    found = gcp.world.cloud.access.denials.setdefault(place, {})
    name = f"rule-{len(found)}"
    found[name] = attach(place, name, [deny_types.DenyRule.pb(deny_types.DenyRule(**one)) for one in rules])


def asked(gcp: Gcp, *names: str, **settings: Any) -> list[GrantFacts]:
    """What the adapter says of the rights of these items."""
    wanted = tuple(map(Gcp.locator, names or (f"service-account/{PAY}",)))
    return list(gcp.provider(**{"groups": GROUPS, **settings}).grants(wanted, gcp.budget()))


def may(rights: Iterable[Right], permission: str, where: str, true: frozenset[str]) -> bool:
    """What compiled rights say of one request, read as the comparison reads them."""
    fitting = [
        right
        for right in rights
        if right.layer == HELD
        and named(right.actions, permission, Syntax.GLOB)
        and not named(right.but_actions, permission, Syntax.GLOB)
        and named(right.resources, f"{where}/", Syntax.PATH)
    ]
    return allowed(terms_of(fitting), (HELD,), true)


def named(patterns: Iterable[str], text: str, syntax: Syntax) -> bool:
    """Whether a pattern matches."""
    return any(matches(tokens(one, syntax), text) for one in patterns)


def arrange(gcp: Gcp, dice: random.Random) -> None:
    """Random allow and deny policies."""
    resources = (*PLACES, *(f"{PROJECT}/{secret}" for secret in SECRETS))
    for _ in range(dice.randrange(2, 9)):
        condition = dice.choice(CONDITIONS) if dice.random() < 0.3 else ""
        bind(gcp, dice.choice(resources), dice.choice(ROLES), *dice.sample(MEMBERS, 2), condition=condition)
    for _ in range(dice.randrange(4)):
        rule: dict[str, Any] = {
            "denied_principals": dice.sample(DENIED_MEMBERS, 2),
            "denied_permissions": dice.sample(DENIABLE, 2),
        }
        rule["exception_principals"] = [NHISYNC, *dice.sample(DENIED_MEMBERS, dice.choice((0, 0, 1)))]
        if dice.random() < 0.4:
            rule["exception_permissions"] = [dice.choice(DENIABLE)]
        if dice.random() < 0.4:
            rule["denial_condition"] = {"expression": CONDITIONS[2]}
        deny(gcp, dice.choice(PLACES), rule)


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("seed", range(24))
def test_every_request_is_judged_as_iam_judges_it(stocked: Gcp, seed: int) -> None:
    """Inheritance, roles, groups, conditions, deny rules and exceptions: no request comes out otherwise."""
    dice = random.Random(seed)
    arrange(stocked, dice)
    (facts,) = asked(stocked)
    assert facts.error is None
    assert facts.gaps == ()
    access = stocked.world.cloud.access
    everywhere = [*((place,) for place in PLACES), *((f"{PROJECT}/{secret}", PROJECT) for secret in SECRETS)]
    for true in (frozenset(), frozenset(CONDITIONS), frozenset({dice.choice(CONDITIONS)})):
        for line in everywhere:
            for permission in PERMISSIONS:
                judged = access.holds(f"serviceAccount:{PAY}", permission, line, true=true)
                assert may(facts.rights, permission, line[0], true) is judged, (permission, line, true)


def without(line: str, *, inherited: bool = True) -> dict[str, list[str]]:
    """Resource → permissions of the printed documents, less one line."""
    role, _, lost = line.partition(" ")
    project, organisation = rights_needed(inherited=inherited)
    wanted = [Gcp.locator(f"service-account/{PAY}")]
    read = [one for b in bindings(AccessMode.READ, wanted, frozenset(), "p") for one in b.permissions]
    here = [one for one in project if (role, one) != ("project", lost)]
    above = [one for one in organisation if (role, one) != ("above", lost)]
    return {PROJECT: [*read, *here], "organizations/9": above}


HERE, ABOVE_IT = rights_needed(inherited=True)
LINES = (*(f"project {one}" for one in HERE), *(f"above {one}" for one in ABOVE_IT))


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("lost", ["", *LINES])
def test_the_printed_documents_suffice_line_by_line(stocked: Gcp, lost: str) -> None:
    """With exactly the printed roles the rights are known; with one line less the denial names it."""
    bind(stocked, PROJECT, f"{PROJECT}/roles/own", f"serviceAccount:{PAY}")
    bind(stocked, "folders/7", "organizations/9/roles/wide", f"serviceAccount:{PAY}")
    deny(stocked, "folders/8", {"denied_principals": list(DENIED_MEMBERS[:1]), "denied_permissions": [DENIABLE[0]]})
    stocked.world.grant("backup", "gcp", without(lost))
    (facts,) = asked(stocked)
    assert (facts.error.action if facts.error else "") == lost.partition(" ")[2]
    if lost:
        assert facts.error is not None
        assert facts.error.kind == ErrorKind.DENIED.value
        assert facts.rights == ()


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("lost", ["", *(f"project {one}" for one in RIGHTS)])
def test_without_what_is_inherited_the_project_alone_is_asked(stocked: Gcp, lost: str) -> None:
    """`inherited: false` needs one role of the project, each line of it, and reads nothing of what stands above."""
    bind(stocked, PROJECT, f"{PROJECT}/roles/own", f"serviceAccount:{PAY}")
    bind(stocked, "folders/7", "roles/viewer", f"serviceAccount:{PAY}")
    stocked.world.grant("backup", "gcp", {PROJECT: without(lost, inherited=False)[PROJECT]})
    (facts,) = asked(stocked, inherited=False)
    assert (facts.error.action if facts.error else "") == lost.partition(" ")[2]
    if not lost:
        assert {one for right in facts.rights for one in right.resources} == {f"{PROJECT}/*"}
        assert not [call for call in stocked.calls() if "Folders" in call or "ListPolicies" in call]


def test_the_documents_are_what_gcloud_takes(stocked: Gcp) -> None:
    """A file for each role, and a script that binds the second one at the organisation; none without accounts."""
    wanted = (Gcp.locator(f"service-account/{PAY}"),)
    files = stocked.provider().grant_permissions(wanted, frozenset())
    assert [one.actions for one in files[:2]] == [HERE, RIGHTS_ABOVE]
    assert 'gcloud organizations add-iam-policy-binding "$ORGANIZATION"' in files[2].text
    alone = stocked.provider(inherited=False).grant_permissions(wanted, frozenset())
    assert [one.actions for one in alone[:1]] == [RIGHTS]
    assert "rganization" not in "".join(one.text for one in alone)
    assert stocked.provider().grant_permissions((Gcp.locator("secret/stripe"),), frozenset({"secret"})) == ()


def test_a_key_holds_its_accounts_rights_and_a_secret_none(stocked: Gcp) -> None:
    """What cannot be asked comes first; the rest is read once for all, and no value with it."""
    bind(stocked, PROJECT, "roles/viewer", f"serviceAccount:{PAY}")
    key = f"service-account-key/{PAY}/{'0' * 40}"
    secret, account, of_key = asked(stocked, f"service-account/{PAY}", key, "secret/stripe")
    assert secret.error is not None
    assert secret.error.kind == ErrorKind.UNSUPPORTED.value
    assert account.rights == of_key.rights != ()
    assert stocked.calls()["Projects.GetIamPolicy"] == 1
    assert "SecretManagerService.AccessSecretVersion" not in stocked.calls()
    assert "canary" not in str([secret, account, of_key])


def test_an_account_that_is_not_there_has_no_rights_known(stocked: Gcp) -> None:
    """Not an empty list: nothing is known of it, and its neighbour is answered."""
    gone, here = asked(stocked, f"service-account/{ACCOUNT.format('nobody')}", f"service-account/{PAY}")
    assert gone.error is not None
    assert gone.error.kind == ErrorKind.NOT_FOUND.value
    assert here.error is None


def test_a_group_that_nobody_explains_leaves_the_rights_unknown(stocked: Gcp) -> None:
    """IAM does not say who is in a group: that is a gap, in allow and in deny policies, never "no"."""
    bind(stocked, "folders/8", "roles/viewer", "group:somebody@acme.example")
    deny(stocked, PROJECT, {"denied_principals": ["principalSet://goog/group/x@y.example"], "denied_permissions": []})
    (facts,) = asked(stocked)
    assert facts.gaps == (
        "whether a deny policy's principalSet://goog/group/x@y.example is the account is not known",
        "whether the account is in group:somebody@acme.example is not known",
    )
    told = {**GROUPS, "Somebody@acme.example": (), "x@y.example": ()}
    assert asked(stocked, groups=told)[0].gaps == ()


@pytest.mark.parametrize("member", ["projectEditor:p", "principalSet://goog/cloudIdentityCustomerId/C01", "robots:all"])
def test_a_member_of_another_form_is_a_gap(member: str) -> None:
    """What is not understood may mean the account."""
    policy = policy_pb2.Policy(bindings=[{"role": "roles/viewer", "members": [member]}])
    rights, gaps = compiled(Account(PAY), [Policy(("p/*",), policy)], (), lambda _: ("a.b.c",))
    assert rights == ()
    assert member in gaps[0]


def test_an_account_of_another_project_is_not_placed(stocked: Gcp) -> None:
    """Whether a set "all accounts of folder 8" holds it cannot be said: where it is at home was not asked."""
    member = "principalSet://cloudresourcemanager.googleapis.com/folders/8"
    policy = policy_pb2.Policy(bindings=[{"role": "roles/viewer", "members": [member]}])
    assert compiled(Account(PAY), [Policy(("p/*",), policy)], (), lambda _: ("a.b.c",))[1] != ()


def test_a_condition_that_was_left_out_is_a_gap() -> None:
    """A server that answers in version 1 renames the role: without its condition the binding says nothing."""
    mark = "_withcond_0123456789abcdef0123"
    binding = {"role": f"roles/viewer{mark}", "members": [f"serviceAccount:{PAY}"]}
    policy = policy_pb2.Policy(bindings=[binding])
    rights, gaps = compiled(Account(PAY), [Policy(("p/*",), policy)], (), lambda _: ("a.b.c",))
    assert rights == ()
    assert gaps == ("a binding of roles/viewer came without its condition",)


def test_conditions_are_compared_without_their_line_breaks() -> None:
    """Two spellings of one expression are the same; what stands in quotes is kept as it is."""

    def held(expression: str) -> Rights:
        policy = policy_pb2.Policy()
        added = policy.bindings.add(role="roles/viewer", members=["allUsers"])
        added.condition.expression = expression
        rights, gaps = compiled(Account(PAY), [Policy(("p/*",), policy)], (), lambda _: ("a.b.c",))
        return Rights(0, "gcp", Syntax.PATH, rights, gaps=gaps)

    one, broken = held('a == "x  y" && b'), held('  a ==\n    "x  y" &&\tb ')
    assert compare(one, broken) == ((), (), (), ())
    assert compare(one, held('a == "x y" && b')).changed
    assert compare(held(r'a == "\"  " && b'), held(r'a == "\" " && b')).changed


def test_a_huge_role_is_compared_by_its_name() -> None:
    """Editor holds many thousands: equal to itself; beside a deny policy nobody knows what is left of it."""
    many = tuple(f"service.things.verb{number}" for number in range(MOST_PERMISSIONS + 1))
    policy = policy_pb2.Policy(bindings=[{"role": "roles/editor", "members": ["allUsers"]}])
    (right,), gaps = compiled(Account(PAY), [Policy(("p/*",), policy)], (), lambda _: many)
    assert right == Right(Effect.ALLOW, ("role:roles/editor",), ("p/*",))
    assert gaps == ()
    rule = deny_types.DenyRule(denied_principals=["principalSet://goog/public:all"], denied_permissions=[DENIABLE[0]])
    denial = attach("projects/p", "one", [deny_types.DenyRule.pb(rule)])
    _, gaps = compiled(Account(PAY), [Policy(("p/*",), policy)], [Policy(("p/*",), denial)], lambda _: many)
    assert gaps == ("role:roles/editor is too large to be compared beside a deny policy",)


def test_who_may_act_as_the_account_is_a_layer_of_its_own(stocked: Gcp) -> None:
    """The account's own policy: its members become resources of the trust layer, the gone ones do not count."""
    account = f"{PROJECT}/serviceAccounts/{PAY}"
    pool = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*"
    gone = f"deleted:serviceAccount:{OTHER}?uid=2"
    bind(stocked, account, "roles/iam.workloadIdentityUser", pool, gone, condition=CONDITIONS[2])
    (facts,) = asked(stocked)
    trust = Right(
        Effect.ALLOW, ("iam.serviceAccounts.getAccessToken",), (pool,), (), (), (CONDITIONS[2],), TRUST
    )  # fmt: skip
    assert facts.rights == (trust,)


def test_a_secret_that_goes_meanwhile_is_no_failure(stocked: Gcp) -> None:
    """Lists lag behind: one that is gone when its policy is asked for grants nothing any more."""
    bind(stocked, f"{PROJECT}/secrets/stripe", "roles/secretmanager.secretAccessor", f"serviceAccount:{PAY}")
    stocked.clock.advance(timedelta(hours=1))
    with stocked.client("secretmanager") as (client, metadata):
        client.delete_secret(request={"name": f"{PROJECT}/secrets/stripe"}, metadata=metadata, timeout=20)
    stocked.world.cloud.knobs.list_lag = timedelta(minutes=5)
    stocked.forget()
    (facts,) = asked(stocked)
    assert (facts.error, facts.rights) == (None, ())
    assert stocked.calls()["SecretManagerService.GetIamPolicy"] == len(SECRETS)


@pytest.mark.parametrize(
    "fault",
    [("garbage", "IAM.GetRole"), ("unavailable", "Projects.GetProject"), ("exhausted", "Policies.ListPolicies")],
)
def test_whatever_is_lost_leaves_the_rights_unknown(stocked: Gcp, fault: tuple[str, str]) -> None:
    """A part of the policies is never taken for all of them."""
    bind(stocked, PROJECT, "roles/viewer", f"serviceAccount:{PAY}")
    stocked.fault(fault[0], call=fault[1])
    (facts,) = asked(stocked)
    assert facts.error is not None
    assert facts.rights == ()
