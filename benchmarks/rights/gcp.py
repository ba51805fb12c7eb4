"""Allow and deny policies of Google Cloud, their mutants, and the emulator's evaluator as the independent judge."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from google.cloud.iam_v2 import types
from google.iam.v1 import policy_pb2

from benchmarks.rights.case import Mutant, Outcome, outcome, replaced, several, without
from nhisync.parity.rights import Rights, compare
from nhisync.spi import Syntax
from nhisync_gcp.emulator.access import Access
from nhisync_gcp.emulator.denials import attach
from nhisync_gcp.emulator.iam_roles import RoleMessage
from nhisync_gcp.emulator.timeline import Timeline
from nhisync_gcp.rights import Account, compiled
from nhisync_gcp.rights import Policy as Placed

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PROJECT, FOLDER, ORGANISATION = "projects/acme-pay", "folders/7", "organizations/9"
ABOVE = (FOLDER, ORGANISATION)
STRIPE, ADYEN = f"{PROJECT}/secrets/stripe", f"{PROJECT}/secrets/adyen"
LINES = ((PROJECT,), (FOLDER,), (ORGANISATION,), (STRIPE, PROJECT), (ADYEN, PROJECT))
"""What is asked about: a resource and its parents, up to the project."""

EMAIL = "pay@acme-pay.iam.gserviceaccount.com"
ME, OTHER = f"serviceAccount:{EMAIL}", "serviceAccount:other@acme-pay.iam.gserviceaccount.com"
TEAM, OPS = "group:team@acme.example", "group:ops@acme.example"
GROUPS = {TEAM: {ME}, OPS: {OTHER}}
DENIED_ME = f"principal://iam.googleapis.com/projects/-/serviceAccounts/{EMAIL}"
EVERYBODY, DENIED_OPS = "principalSet://goog/public:all", "principalSet://goog/group/ops@acme.example"
UNTIL, TAGGED = "request.time < timestamp('2027-01-01T00:00:00Z')", "resource.matchTag('9/env', 'prod')"
OWN, READER = f"{PROJECT}/roles/pay", f"{ORGANISATION}/roles/reader"


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of an allow policy."""

    place: str
    role: str
    members: tuple[str, ...]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """One rule of a deny policy."""

    place: str
    principals: tuple[str, ...]
    permissions: tuple[str, ...]
    spared: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """All policies that concern one account, and the custom roles they name."""

    bindings: tuple[Binding, ...]
    denials: tuple[Denial, ...]
    roles: tuple[tuple[str, tuple[str, ...]], ...]


ROLES = {
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.viewer": ("secretmanager.secrets.get", "secretmanager.secrets.list"),
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list"),
}
"""Predefined roles, as far as these worlds name them; the same in every mutant."""

BASES = (
    Policy(
        bindings=(
            Binding(STRIPE, "roles/secretmanager.secretAccessor", (ME,)),
            Binding(ADYEN, "roles/secretmanager.secretAccessor", (TEAM, "user:alice@acme.example"), UNTIL),
            Binding(PROJECT, "roles/secretmanager.viewer", (ME, OTHER)),
            Binding(PROJECT, OWN, (ME,), TAGGED),
            Binding(FOLDER, READER, ("allAuthenticatedUsers",)),
        ),
        denials=(
            Denial(
                PROJECT, (EVERYBODY,), ("pubsub.googleapis.com/*.*",), (), ("pubsub.googleapis.com/topics.publish",)
            ),
            Denial(FOLDER, (DENIED_ME, DENIED_OPS), ("storage.googleapis.com/objects.delete",), (), (), TAGGED),
        ),
        roles=(
            (OWN, ("pubsub.topics.publish", "pubsub.topics.get", "storage.objects.create", "storage.objects.delete")),
            (READER, ("resourcemanager.projects.get", "storage.objects.get")),
        ),
    ),
    Policy(
        bindings=(
            Binding(ORGANISATION, READER, (OPS,)),
            Binding(PROJECT, OWN, (OPS, TEAM)),
            Binding(PROJECT, "roles/storage.objectViewer", (ME,), UNTIL),
            Binding(STRIPE, "roles/secretmanager.secretAccessor", ("allUsers",), TAGGED),
        ),
        denials=(
            Denial(ORGANISATION, (EVERYBODY,), ("cloudkms.googleapis.com/*.*",), (DENIED_ME,)),
            Denial(PROJECT, (EVERYBODY,), ("secretmanager.googleapis.com/secrets.*",), (DENIED_OPS,), (), UNTIL),
        ),
        roles=(
            (
                OWN,
                (
                    "cloudkms.cryptoKeyVersions.useToDecrypt",
                    "secretmanager.secrets.get",
                    "secretmanager.secrets.update",
                ),
            ),
            (READER, ("resourcemanager.projects.get",)),
        ),
    ),
)
"""A service with grants on secrets and a guarded project, and an account in a group that a denial spares."""


def mutants() -> Iterator[Mutant[Policy]]:
    """Every fault at every place it fits."""
    for base in BASES:
        for operator, bindings in several(base.bindings, _of_binding):
            yield Mutant(operator, base, replace(base, bindings=bindings))
        for operator, denials in several(base.denials, _of_denial):
            yield Mutant(f"deny: {operator}", base, replace(base, denials=denials))
        for index, (name, permissions) in enumerate(base.roles):
            for operator, changed in _of_role(permissions):
                roles = (*base.roles[:index], (name, changed), *base.roles[index + 1 :])
                yield Mutant(f"role: {operator}", base, replace(base, roles=roles))
        for place in (PROJECT, FOLDER, STRIPE):
            added = Binding(place, "roles/storage.objectViewer", (ME,))
            yield Mutant("binding added", base, replace(base, bindings=(*base.bindings, added)))
            if place != STRIPE:
                rule = Denial(place, (DENIED_ME,), ("secretmanager.googleapis.com/versions.access",))
                yield Mutant("deny added", base, replace(base, denials=(*base.denials, rule)))


def _of_binding(one: Binding) -> Iterator[tuple[str, Binding]]:
    for rest in without(one.members):
        yield "member dropped", replace(one, members=rest)
    for member in (ME, OTHER, TEAM, OPS, f"deleted:{ME}?uid=1", "domain:acme.example"):
        yield "member added", replace(one, members=(*one.members, member))
    for some in replaced(one.members, lambda _: OTHER):
        yield "member changed", replace(one, members=some)
    for role in (*ROLES, OWN, READER):
        if role != one.role:
            yield "role changed", replace(one, role=role)
    for place in (PROJECT, FOLDER, ORGANISATION, STRIPE, ADYEN):
        if place != one.place:
            yield "place changed", replace(one, place=place)
    yield from _of_condition(one)


def _of_denial(one: Denial) -> Iterator[tuple[str, Denial]]:
    for name, values in _INSTEAD.items():
        for value in values:
            if value != getattr(one, name):
                changed: Any = {name: value}
                yield f"{name} changed", replace(one, **changed)
    for operator, change in _PERMISSIONS.items():
        yield from ((operator, replace(one, permissions=some)) for some in replaced(one.permissions, change))
    yield from _of_condition(one)


_INSTEAD: dict[str, tuple[Any, ...]] = {
    "principals": ((DENIED_ME,), (DENIED_OPS,), (EVERYBODY,)),
    "spared": ((), (DENIED_ME,), (DENIED_OPS,)),
    "but": ((), ("storage.googleapis.com/objects.get",), ("pubsub.googleapis.com/*.*",)),
    "place": (PROJECT, FOLDER, ORGANISATION),
}
_PERMISSIONS = {
    "widened": lambda text: f"{text.partition('/')[0]}/*.*",
    "narrowed": lambda text: text.replace("*.*", "topics.*").replace("secrets.*", "secrets.get"),
    "of another service": lambda text: text.replace("pubsub", "storage").replace("secretmanager", "cloudkms"),
    "misspelt": lambda text: f"{text}s" if not text.endswith("*") else text,
}


def _of_condition(one: Any) -> Iterator[tuple[str, Any]]:
    for condition in ("", UNTIL, TAGGED, "resource.type == 'x'"):
        if condition != one.condition:
            yield "condition changed", replace(one, condition=condition)


def _of_role(permissions: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rest in without(permissions):
        yield "permission dropped", rest
    for some in replaced(permissions, lambda text: f"{text}s"):
        yield "permission misspelt", some
    for more in ("iam.serviceAccounts.actAs", "secretmanager.versions.access", "pubsub.topics.delete", permissions[0]):
        yield "permission added", (*permissions, more)
    yield "reordered", permissions[::-1]


def judged(mutant: Mutant[Policy]) -> Outcome:
    """The comparison beside brute force over all requests that base and mutant could tell apart."""
    policies = (mutant.base, mutant.policy)
    names = {one for policy in policies for _, held in policy.roles for one in held}
    permissions = sorted(names | {one for held in ROLES.values() for one in held})
    conditions = sorted({one.condition for p in policies for one in (*p.bindings, *p.denials) if one.condition})
    asked = list(itertools.product(permissions, LINES, _truths(conditions)))
    before, after = (_allowed(policy, asked) for policy in policies)
    return outcome(mutant.operator, before, after, compare(_rights(mutant.base), _rights(mutant.policy)))


def _truths(conditions: list[str]) -> list[frozenset[str]]:
    sizes = range(len(conditions) + 1)
    return [frozenset(some) for size in sizes for some in itertools.combinations(conditions, size)]


def _allow(policy: Policy) -> dict[str, Any]:
    """Place → its allow policy as IAM keeps it."""
    found: dict[str, Any] = {}
    for one in policy.bindings:
        made = found.setdefault(one.place, policy_pb2.Policy())
        binding = made.bindings.add(role=one.role, members=one.members)
        if one.condition:
            binding.condition.expression = one.condition
    return found


def _deny(policy: Policy) -> list[tuple[str, Any]]:
    """Places and deny policies, a rule each."""
    return [(one.place, attach(one.place, f"rule-{i}", [_rule(one)])) for i, one in enumerate(policy.denials)]


def _rule(one: Denial) -> Any:
    rule = types.DenyRule(
        denied_principals=one.principals,
        exception_principals=one.spared,
        denied_permissions=one.permissions,
        exception_permissions=one.but,
    )
    if one.condition:
        rule.denial_condition = {"expression": one.condition}
    return types.DenyRule.pb(rule)


def _rights(policy: Policy) -> Rights:
    where = {
        PROJECT: (f"{PROJECT}/*",),
        FOLDER: (f"{PROJECT}/*", f"{FOLDER}/*"),
        ORGANISATION: (f"{PROJECT}/*", f"{FOLDER}/*", f"{ORGANISATION}/*"),
    }
    groups = {
        name.partition(":")[2]: frozenset(m.partition(":")[2] for m in members) for name, members in GROUPS.items()
    }
    roles = {**ROLES, **dict(policy.roles)}
    found, gaps = compiled(
        Account(EMAIL, groups=groups),
        [Placed(where.get(place, (f"{place}/*",)), text) for place, text in _allow(policy).items()],
        [Placed(where[place], text) for place, text in _deny(policy)],
        roles.__getitem__,
    )
    return Rights(0, "gcp", Syntax.PATH, found, gaps=gaps)


def _allowed(policy: Policy, asked: list[tuple[str, tuple[str, ...], frozenset[str]]]) -> list[bool]:
    access = Access()
    access.principals.parents = dict(itertools.pairwise((PROJECT, *ABOVE)))
    access.principals.groups = {name.partition(":")[2]: members for name, members in GROUPS.items()}
    for name, permissions in (*ROLES.items(), *policy.roles):
        access.roles[name] = line = Timeline()
        line.put(NOW, RoleMessage(name=name, included_permissions=permissions))
    for place, text in _allow(policy).items():
        access.set_policy(place, text, NOW)
    for place, text in _deny(policy):
        access.denials.setdefault(place, {})[text.name] = text
    return [access.holds(ME, permission, line, true=true) for permission, line, true in asked]
