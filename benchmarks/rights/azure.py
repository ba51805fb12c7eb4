"""Azure's assignments and access policies, their mutants, and the emulator's evaluators as the independent judge."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.rights.case import Mutant, Outcome, outcome, replaced, several, texts, without
from nhisync.parity.rights import Rights, compare
from nhisync.spi import Syntax
from nhisync_azure.emulator import arm_documents, kv_certificates, kv_keys, kv_secrets
from nhisync_azure.emulator.conditions import Target
from nhisync_azure.emulator.kv import by_policy
from nhisync_azure.emulator.rbac import EVERYONE, DenyAssignment, Rbac, RoleAssignment, RoleDefinition, Subject, within
from nhisync_azure.emulator.vaults import AccessPolicy, Vault
from nhisync_azure.operations import VAULT
from nhisync_azure.rights import Place, assigned, by_policies, denied, has_policies

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ME, GROUP, OTHER = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123")
IDS = frozenset({ME, GROUP})
SUBSCRIPTION = "/subscriptions/44444444-0000-4000-8000-444444444444"
BY_ROLES = Vault(name="kv-pay", tenant="t", region="r", subscription=SUBSCRIPTION[15:], resource_group="pay")
BY_POLICIES = Vault(
    name="kv-old", tenant="t", region="r", subscription=SUBSCRIPTION[15:], resource_group="old", rbac=False
)
RESOURCE_GROUP, SECRET = BY_ROLES.id.rpartition("/providers/")[0], f"{BY_ROLES.id}/secrets/stripe"
SCOPES = (SUBSCRIPTION, RESOURCE_GROUP, BY_ROLES.id, SECRET, BY_POLICIES.id)
PLACES = (*SCOPES, *(f"{scope}/one" for scope in SCOPES), f"{BY_ROLES.id}/keys/one")
"""What is asked about: every scope, and something below each."""

WORDS = sorted({one.policy for one in (*kv_secrets.OPERATIONS, *kv_keys.OPERATIONS, *kv_certificates.OPERATIONS)})
_FILLINGS = ("", "keys", "secrets", f"{VAULT}/secrets", "s")
_ATTRIBUTES = ("x:named", "x:starts")
NAMED, STARTS = ("(@Resource[x:named] StringEquals 'yes')", "(@Resource[x:starts] StringEquals 'yes')")
"""Conditions on facts that say nothing of one another: as words, they are independent."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role of its own for somebody at a scope."""

    scope: str
    who: str = ME
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """A deny assignment."""

    scope: str
    who: str = EVERYONE
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One kind of an access policy of the vault that goes by them."""

    who: str
    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """All that concerns one application."""

    assignments: tuple[Assignment, ...]
    denials: tuple[Denial, ...] = ()
    words: tuple[Words, ...] = ()


BASES = (
    Policy(
        assignments=(
            Assignment(
                BY_ROLES.id,
                data_actions=(f"{VAULT}/secrets/getSecret/action", f"{VAULT}/secrets/readMetadata/action"),
                condition=NAMED,
            ),
            Assignment(RESOURCE_GROUP, GROUP, actions=("*/read",), data_actions=(f"{VAULT}/keys/*", f"{VAULT}/*/read")),
            Assignment(SECRET, data_actions=(f"{VAULT}/secrets/setSecret/action",)),
        ),
        denials=(Denial(SUBSCRIPTION, actions=(f"{VAULT}/delete",), data_actions=(f"{VAULT}/keys/purge/action",)),),
        words=(Words(ME, "secrets", ("get", "list")), Words(GROUP, "keys", ("get", "sign"))),
    ),
    Policy(
        assignments=(
            Assignment(
                SUBSCRIPTION,
                GROUP,
                actions=("*",),
                not_actions=("Microsoft.Authorization/*/Write",),
                data_actions=(f"{VAULT}/*",),
                not_data_actions=(f"{VAULT}/*/purge/action", f"{VAULT}/certificates/read"),
            ),
        ),
        denials=(
            Denial(BY_ROLES.id, GROUP, data_actions=(f"{VAULT}/secrets/*",), spared=(ME,)),
            Denial(RESOURCE_GROUP, ME, data_actions=(f"{VAULT}/keys/*",), not_data_actions=(f"{VAULT}/keys/read",)),
        ),
        words=(Words(ME, "certificates", ("get", "list", "getissuers")),),
    ),
)
"""A service with single secrets, its group's reads and a guard; an operator without purge, in both models of vaults."""


def mutants() -> Iterator[Mutant[Policy]]:
    """Every fault at every place it fits."""
    for base in BASES:
        for operator, assignments in several(base.assignments, _of_assignment):
            yield Mutant(f"role: {operator}", base, replace(base, assignments=assignments))
        for operator, denials in several(base.denials, _of_denial):
            yield Mutant(f"deny: {operator}", base, replace(base, denials=denials))
        for operator, words in several(base.words, _of_words):
            yield Mutant(f"access policy: {operator}", base, replace(base, words=words))
        added = Assignment(BY_ROLES.id, data_actions=(f"{VAULT}/secrets/delete",))
        yield Mutant("role: added", base, replace(base, assignments=(*base.assignments, added)))
        yield Mutant("deny: added", base, replace(base, denials=(*base.denials, Denial(SECRET, ME, actions=("*",)))))


def _of_assignment(one: Assignment) -> Iterator[tuple[str, Assignment]]:
    yield from _instead(one, "scope", (*SCOPES, BY_ROLES.id.upper()))
    yield from _instead(one, "who", (ME, GROUP, OTHER))
    yield from _instead(one, "condition", (None, NAMED, STARTS))
    for name in ("actions", "not_actions", "data_actions", "not_data_actions"):
        yield from _of_patterns(one, name)


def _of_denial(one: Denial) -> Iterator[tuple[str, Denial]]:
    yield from _instead(one, "scope", SCOPES)
    yield from _instead(one, "who", (ME, GROUP, OTHER, EVERYONE))
    yield from _instead(one, "spared", ((), (ME,), (OTHER,)))
    yield from _instead(one, "alone", (not one.alone,))
    for name in ("actions", "data_actions", "not_data_actions"):
        yield from _of_patterns(one, name)


def _of_words(one: Words) -> Iterator[tuple[str, Words]]:
    yield from _instead(one, "who", (ME, GROUP, OTHER))
    yield from _instead(one, "words", (("all",), ("Get", "List"), *without(one.words)))
    for word in ("delete", "purge", "list", "get", one.words[0]):
        yield "word added", replace(one, words=(*one.words, word))


def _instead(one: Any, name: str, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for value in values:
        if value != getattr(one, name):
            changed: Any = {name: value}
            yield f"{name} changed", replace(one, **changed)


def _of_patterns(one: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Faults in one list of patterns."""
    patterns: tuple[str, ...] = getattr(one, name)
    changes: list[tuple[str, tuple[str, ...]]] = [(f"{name} dropped", rest) for rest in without(patterns)]
    for operator, change in _PATTERNS.items():
        changes += [(f"{name} {operator}", some) for some in replaced(patterns, change)]
    for more in (f"{VAULT}/secrets/*", f"{VAULT}/keys/read", f"{VAULT}/delete"):
        changes.append((f"{name} added", (*patterns, more)))
    for operator, some in changes:
        changed: Any = {name: some}
        yield operator, replace(one, **changed)


_PATTERNS = {
    "widened": lambda text: f"{text.rpartition('/')[0]}/*" if "/" in text else "*",
    "narrowed": lambda text: text.replace("*", "keys", 1),
    "misspelt": lambda text: text if text.endswith("*") else f"{text}s",
    "in other case": str.swapcase,
    "of other objects": lambda text: text.replace("/secrets/", "/certificates/").replace("/keys/", "/secrets/"),
}


def judged(mutant: Mutant[Policy]) -> Outcome:
    """The comparison beside brute force over all requests that base and mutant could tell apart."""
    asked = list(_requests(mutant.base, mutant.policy))
    before, after = (list(_allowed(policy, asked)) for policy in (mutant.base, mutant.policy))
    return outcome(mutant.operator, before, after, compare(_rights(mutant.base), _rights(mutant.policy)))


def _requests(*policies: Policy) -> Iterator[tuple[str, Target, bool]]:
    """Action, target, and whether it is one of data; nobody asks a vault that goes by policies for data by a role."""
    every = [one for policy in policies for one in (*policy.assignments, *policy.denials)]
    control = {pattern for one in every for name in ("actions", "not_actions") for pattern in getattr(one, name, ())}
    data = {p for one in every for name in ("data_actions", "not_data_actions") for p in getattr(one, name, ())}
    conditions = any(getattr(one, "condition", None) for one in every)
    contexts = [dict(zip(_ATTRIBUTES, values, strict=True)) for values in itertools.product(("yes", "no"), repeat=2)]
    targets = [Target(id=place, attributes=own) for place in PLACES for own in (contexts if conditions else [{}])]
    for target in targets:
        yield from ((action, target, False) for action in texts(control | {f"{VAULT}/read"}, _FILLINGS, "*"))
        if not within(target.id, BY_POLICIES.id):
            yield from ((action, target, True) for action in texts(data, _FILLINGS, "*"))


def _rbac(policy: Policy) -> Rbac:
    rbac = Rbac()
    for index, one in enumerate(policy.assignments):
        definition = RoleDefinition(
            id=f"{index:08d}-0000-4000-8000-000000000000",
            name="r",
            actions=one.actions,
            not_actions=one.not_actions,
            data_actions=one.data_actions,
            not_data_actions=one.not_data_actions,
        )
        rbac.definitions[definition.id] = definition
        rbac.assignments.append(
            RoleAssignment(
                id=definition.id,
                principal=one.who,
                definition=definition.id,
                scope=one.scope,
                created=NOW,
                condition=one.condition,
            )
        )
    for index, each in enumerate(policy.denials):
        rbac.denials.append(
            DenyAssignment(
                id=str(index),
                name="d",
                scope=each.scope,
                principals=frozenset({each.who}),
                excluded=frozenset(each.spared),
                actions=each.actions,
                data_actions=each.data_actions,
                not_data_actions=each.not_data_actions,
                alone=each.alone,
            )
        )
    return rbac


def _old(policy: Policy) -> Vault:
    """The vault that goes by policies, with these."""
    made = replace(BY_POLICIES, policies=[])
    made.policies.extend(AccessPolicy(oid=one.who, permissions={one.kind: one.words}) for one in policy.words)
    return made


def _rights(policy: Policy) -> Rights:
    """Through the documents that Resource Manager answers with."""
    rbac, vault = _rbac(policy), arm_documents.vault(_old(policy))
    closed = tuple(str(one["id"]).lower() for one in (vault,) if has_policies(one))
    place = Place(SUBSCRIPTION.lower(), closed)
    found, gaps = by_policies(vault, IDS)
    for one in rbac.assignments:
        if one.principal in IDS:  # Resource Manager answers only these
            definition = arm_documents.definition(rbac.definitions[one.definition], SUBSCRIPTION)
            found += assigned(place, arm_documents.assignment(one, SUBSCRIPTION), definition)
    for each in rbac.denials:
        found += denied(place, arm_documents.denial(each), IDS)
    return Rights(0, "azure", Syntax.PATH, tuple(sorted(set(found))), gaps=tuple(gaps))


def _allowed(policy: Policy, asked: list[tuple[str, Target, bool]]) -> Iterator[bool]:
    rbac, subject, old = _rbac(policy), Subject(oid=ME, groups=frozenset({GROUP})), _old(policy)
    yield from (rbac.allows(subject, action, target, data=data, before=NOW) for action, target, data in asked)
    yield from (by_policy(old, subject.ids, kind, word) for kind, word in WORDS)
