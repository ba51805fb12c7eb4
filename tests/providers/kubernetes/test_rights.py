"""Rights of service accounts: what we read is what the API server says of every request, whatever roles are bound.

These run against a real API server, too (see conftest); the server's own access review is the judge.
"""

import random
from typing import Any

import pytest

from nhisync.parity.rights.patterns import matches, tokens
from nhisync.spi import AccessMode, ErrorKind, GrantFacts, Locator, ProviderError, Syntax
from nhisync_kubernetes.granting import bound, rights_of, subjects_of
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.permissions import RULED_BY, needed, objects, rights_needed

from .conftest import CANARY, Adapted, Target

VERBS = ("get", "list", "create", "delete")
RESOURCES = (("", "secrets"), ("", "pods"), ("apps", "deployments"), ("", "nodes"))
SUBS = ("", "log", "scale")
NAMES = ("", "one", "two")
SUBJECT = "system:serviceaccount:{}:reader"


class Stage:
    """Two namespaces, an account whose rights are read, and one that reads."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.place, self.other = target.namespace(), target.namespace()
        self.own = target.client(target.account(self.place, "api"))
        self.token = target.account(self.place, "reader")
        self.api = Locator.parse(f"cluster:service-account/{self.place}/api")

    def allow(self) -> None:
        """Give the reader the printed manifest, and sight of the account."""
        subject = SUBJECT.format(self.place)
        (document,) = self.reader().provider().grant_permissions((self.api,), frozenset())
        assert {one.action for one in rights_needed()} <= set(document.actions)
        self.target.apply(list(objects(f"rights-{self.place}", subject, rights_needed())))
        self.see()

    def see(self) -> None:
        """What the READ document holds for the account."""
        grants = [Grant(self.place, "", "serviceaccounts", "get", ("api",)), Grant("", "", "namespaces", "get", ())]
        self.target.apply(list(objects(f"see-{self.place}", SUBJECT.format(self.place), grants)))

    def reader(self) -> Adapted:
        """An adapter as the reading account."""
        return self.target.adapted(self.token, subject=SUBJECT.format(self.place))

    def rights(self, *wanted: Locator) -> list[GrantFacts]:
        """What it reads."""
        reader = self.reader()
        return list(reader.provider().grants(wanted or (self.api,), reader.budget()))

    def bind(self, dice: random.Random) -> None:
        """Some roles, bound somewhere to the account or to one of its groups."""
        subjects = [
            {"kind": "ServiceAccount", "namespace": self.place, "name": "api"},
            {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": f"system:serviceaccounts:{self.place}"},
            {"kind": "ServiceAccount", "namespace": self.other, "name": "api"},
            {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "api"},
        ]
        for number in range(dice.randrange(1, 5)):
            name = f"{self.place}-{number}"
            namespace = dice.choice([self.place, self.other, ""])
            kind = dice.choice(["Role", "ClusterRole"]) if namespace else "ClusterRole"
            place = {"namespace": namespace} if kind == "Role" else {}
            about = {"name": name, **({"namespace": namespace} if namespace else {})}
            version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
            rules = [rule(dice) for _ in range(dice.randrange(1, 3))]
            self.target.apply([{**version, "kind": kind, "metadata": {"name": name, **place}, "rules": rules}])
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
            whom = dice.sample(subjects, dice.randrange(1, 3))
            bound = "RoleBinding" if namespace else "ClusterRoleBinding"
            self.target.apply([{**version, "kind": bound, "metadata": about, "roleRef": reference, "subjects": whom}])

    def says(self, verb: str, where: str, group: str, resource: str, sub: str, name: str) -> bool:
        """Whether the API server would let the account do it."""
        attributes = {"verb": verb, "namespace": where, "group": group, "resource": resource, "subresource": sub}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, "name": name}},
        }
        answer = self.own.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body)
        return bool(answer.json()["status"]["allowed"])


def rule(dice: random.Random) -> dict[str, Any]:
    """A rule with and without wildcards, subresources and names; RBAC knows no wildcard in names, nor within verbs."""
    main = dice.choice(["secrets", "pods", "deployments", "nodes", "*"])
    sub = dice.choice(["", "", "/log", "/scale"])
    made: dict[str, Any] = {
        "verbs": dice.sample((*VERBS, "Get", "de*"), dice.randrange(1, 3)) if dice.random() < 0.8 else ["*"],
        "apiGroups": dice.choice([[""], ["apps"], ["", "apps"], ["*"]]),
        "resources": [f"{main}{sub}" if main != "*" or sub != "/log" else "*"],
    }
    return (
        {**made, "resourceNames": dice.sample(["one", "two", "three", "*", "t*", "+"], 2)}
        if dice.random() < 0.4
        else made
    )


def holds(facts: GrantFacts, verb: str, where: str, group: str, resource: str, sub: str, name: str) -> bool:
    """What our patterns say of one request, read as the comparison reads them: the case of actions is folded."""
    text = f"{where}/{group or 'core'}/{resource}/{sub or '-'}/{name or 'nobody'}"
    fitting = [
        right for right in facts.rights if any(matches(tokens(a.casefold(), Syntax.GLOB), verb) for a in right.actions)
    ]
    return any(matches(tokens(one, facts.syntax), text) for right in fitting for one in right.resources)


@pytest.fixture
def stage(target: Target) -> Stage:
    """The stage."""
    return Stage(target)


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("seed", range(12))
def test_every_request_is_judged_as_the_server_judges_it(stage: Stage, seed: int) -> None:
    """Groups, namespaces, wildcards, subresources, names: no request comes out otherwise."""
    dice = random.Random(seed)
    stage.bind(dice)
    stage.allow()
    (facts,) = stage.rights()
    assert facts.error is None
    for _ in range(60):
        group, resource = dice.choice(RESOURCES)
        where = dice.choice([stage.place, stage.other])
        asked = (dice.choice(VERBS), where, group, resource, dice.choice(SUBS), dice.choice(NAMES))
        assert holds(facts, *asked) is stage.says(*asked), asked


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("missing", RULED_BY, ids=lambda one: one.plural)
def test_each_line_of_the_document_is_needed(stage: Stage, missing: Any) -> None:
    """Without any one line the rights are unknown, with the very permission that is missing; never empty."""
    kept = [one for one in rights_needed() if one.resource != missing.plural]
    stage.bind(random.Random(3))
    stage.target.apply(list(objects(f"rights-{stage.place}", SUBJECT.format(stage.place), kept)))
    stage.see()
    (facts,) = stage.rights()
    if facts.error is None:  # no binding of this arrangement names such a role, so that it was not asked for
        assert missing.plural in {"roles", "clusterroles"}
        return
    assert facts.error.kind == ErrorKind.DENIED.value
    assert missing.plural in facts.error.action
    assert facts.rights == ()


def test_the_printed_documents_show_the_rights_behind_a_legacy_token(make_site: Any) -> None:
    """The token is a Secret that names its account; no locator names that one, and nobody need be let at it."""
    site = make_site()
    token = site.seed("service-account-token", "payments/ci", account="deployer")
    name = {"name": "deploys", "namespace": "payments"}
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    may = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["update"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deploys"}
    whom = [{"kind": "ServiceAccount", "namespace": "payments", "name": "deployer"}]
    settings = site.settings()
    site.world.apply(site.path, "cluster", [
        *objects("nhisync-read", settings.subject, needed(settings, AccessMode.READ, [token], frozenset())),
        *objects("nhisync-rights", settings.subject, rights_needed()),
        {**version, "kind": "Role", "metadata": name, "rules": may},
        {**version, "kind": "RoleBinding", "metadata": name, "roleRef": reference, "subjects": whom},
    ])  # fmt: skip
    (facts,) = site.provider().grants((token,), site.budget())
    assert facts.error is None
    assert [(right.actions, right.resources) for right in facts.rights] == [
        (("update",), ("payments/apps/deployments/-/+",))
    ]
    assert CANARY not in str(facts)


def test_the_account_behind_a_legacy_token_is_the_one_that_holds_rights(stage: Stage) -> None:
    """The token is a Secret; what it opens is its account's."""
    about = {"name": "old", "namespace": stage.place, "annotations": {"kubernetes.io/service-account.name": "api"}}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}
    stage.target.create(
        f"/api/v1/namespaces/{stage.place}/secrets", {**kind, "metadata": about, "stringData": {"note": CANARY}}
    )
    api = f"system:serviceaccount:{stage.place}:api"
    stage.target.apply(list(objects(f"api-{stage.place}", api, [Grant(stage.place, "", "pods", "get", ("one",))])))
    stage.allow()
    subject = SUBJECT.format(stage.place)
    stage.target.apply(
        list(objects(f"old-{stage.place}", subject, [Grant(stage.place, "", "secrets", "get", ("old",))]))
    )
    token, account = stage.rights(Locator.parse(f"cluster:service-account-token/{stage.place}/old"), stage.api)
    assert token.error is None
    assert token.rights == account.rights != ()
    assert CANARY not in str(token)


def test_an_account_that_is_not_there_has_no_list(stage: Stage) -> None:
    """Not an empty list: nothing is known of it."""
    stage.allow()
    gone = Locator.parse(f"cluster:service-account/{stage.place}/nobody")
    try:
        (facts,) = stage.rights(gone)
    except ProviderError as failure:
        pytest.fail(f"one account ended the run: {failure}")
    assert facts.error is not None
    assert facts.rights == ()


def test_other_kinds_hold_no_rights(stage: Stage) -> None:
    """A Secret is no identity."""
    (facts,) = stage.rights(Locator.parse(f"cluster:secret/{stage.place}/stripe"))
    assert facts.error is not None
    assert facts.error.kind == ErrorKind.UNSUPPORTED.value


@pytest.mark.requirement("R20")
def test_a_star_is_a_wildcard_only_where_rbac_has_one() -> None:
    """A role limited to names like `app-*` opens no Secret at all; a plus is a character; paths end in one star."""
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["app-*", "*", "+", "a/b"]}
    urls = {"verbs": ["get"], "nonResourceURLs": ["/metrics/+/x", "/logs/*"]}
    (named,), (paths,) = rights_of([rule], "shop"), rights_of([urls], "")
    for name in ("app-one", "anything", "one"):
        text = f"shop/core/secrets/-/{name}"
        assert not any(matches(tokens(one, Syntax.PATH), text) for one in named.resources), name
    assert not any(matches(tokens(one, Syntax.PATH), "url:/metrics/a/x") for one in paths.resources)
    assert any(matches(tokens(one, Syntax.PATH), "url:/logs/today") for one in paths.resources)


@pytest.mark.requirement("R20")
def test_an_account_without_a_namespace_is_one_of_the_bindings_own() -> None:
    """As the authorizer reads it: a RoleBinding need not repeat its namespace, and a ClusterRoleBinding has none."""
    subjects = [{"kind": "ServiceAccount", "name": "api"}]
    binding = {"metadata": {"namespace": "shop"}, "subjects": subjects}
    assert bound(binding, subjects_of("shop", "api"))
    assert not bound(binding, subjects_of("other", "api"))
    assert not bound({"metadata": {}, "subjects": subjects}, subjects_of("shop", "api"))
