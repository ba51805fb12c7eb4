"""Permission documents, proven line by line: enough, not too much, and each missing line is reported by name.

These run against a real API server, too (see conftest), but for the lines of cert-manager.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from ruamel.yaml import YAML

from nhisync.spi import AccessMode, CheckState, CoverageStatus, ErrorKind, FieldValue, Locator, Presence
from nhisync_kubernetes.grants import Grant, flow, merge
from nhisync_kubernetes.permissions import documents, needed
from nhisync_kubernetes.resources import CERT_MANAGER
from nhisync_kubernetes.settings import KubernetesSettings

from .conftest import CANARY, KINDS, Adapted, Target

PLACE = "payments"
"""Stands for the namespace of a test until it is known."""

WANTED = (f"secret/{PLACE}/stripe", f"secret/{PLACE}/none", f"service-account/{PLACE}/api")
CERTIFICATE = f"certificate/{PLACE}/tls"
SWEPT = frozenset({"secret", "service-account"})
SETTINGS = {"provider": "kubernetes", "auth": {"method": "in_cluster"}, "namespaces": [PLACE]}


def locators(names: Iterable[str], place: str = PLACE) -> tuple[Locator, ...]:
    """Items of one source."""
    return tuple(Locator.parse(f"cluster:{name.replace(f'/{PLACE}/', f'/{place}/')}") for name in names)


def grants(mode: AccessMode, names: Iterable[str], kinds: frozenset[str] = frozenset(), **settings: Any) -> list[Grant]:
    """The lines of a document."""
    return needed(KubernetesSettings.model_validate({**SETTINGS, **settings}), mode, locators(names), kinds)


READ = grants(AccessMode.READ, WANTED, SWEPT)
WHOLE = grants(AccessMode.READ, (*WANTED, CERTIFICATE), KINDS, namespaces=[])
PROBE = grants(AccessMode.PROBE, WANTED)
ROTATE = [one for one in grants(AccessMode.ROTATE, (*WANTED, CERTIFICATE)) if one.verb in ("create", "patch")]


def said(grant: Grant) -> str:
    """The id of a test."""
    return grant.action


class Stage:
    """A namespace with one of each, an account that holds some lines, and an adapter as that account."""

    def __init__(self, target: Target) -> None:
        self.target, self.place = target, target.namespace()
        target.secret(self.place, "stripe")
        target.secret(self.place, "neighbour")
        target.account(self.place, "api")
        self.token = target.account(self.place, "reader")
        self.subject = f"system:serviceaccount:{self.place}:reader"

    def here(self, grant: Grant) -> Grant:
        """A line with the namespace that there is."""
        names = tuple(self.place if name == PLACE else name for name in grant.names)
        place = self.place if grant.namespace == PLACE else grant.namespace
        return Grant(place, grant.group, grant.resource, grant.verb, names)

    def allow(self, lines: Iterable[Grant]) -> None:
        """Install exactly these lines, from their own text."""
        wanted = merge(map(self.here, lines))
        from nhisync_kubernetes.permissions import objects

        self.target.apply(objects(f"nhisync-{self.place}", self.subject, wanted))

    def adapter(self, **settings: Any) -> Adapted:
        """An adapter as the account."""
        return self.target.adapted(self.token, subject=self.subject, **{"namespaces": [self.place], **settings})

    def wanted(self, *names: str) -> tuple[Locator, ...]:
        """Items of the namespace."""
        return locators(names or WANTED, self.place)


@pytest.fixture
def stage(target: Target) -> Stage:
    """One stage."""
    return Stage(target)


def denials(seen: Any) -> set[tuple[str, str]]:
    """Missing rights that a run named."""
    errors = [one.error for one in (*seen.items.values(), *seen.coverage.values()) if one.error is not None]
    return {(one.action, one.resource) for one in errors if one.kind == ErrorKind.DENIED.value}


@pytest.mark.requirement("R32")
def test_the_read_document_is_enough(stage: Stage) -> None:
    """With exactly its lines everything is read, absences are proven, and the doctor has nothing to add."""
    stage.allow(READ)
    adapter = stage.adapter()
    stripe, none, api = stage.wanted()
    seen = adapter.observe(stripe, none, api, kinds=SWEPT)
    assert [seen[one].presence for one in (stripe, none, api)] == [Presence.PRESENT, Presence.ABSENT, Presence.PRESENT]
    assert {one.status for one in seen.coverage.values()} == {CoverageStatus.COMPLETE}
    checks = adapter.checks(stripe, none, api, kinds=SWEPT)
    assert {name: one.observed for name, one in checks.items() if one.state is not CheckState.OK} == {}
    assert adapter.provider().identify(adapter.budget()).principal == stage.subject


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("line", READ, ids=said)
def test_every_line_of_the_read_document_is_needed(stage: Stage, line: Grant) -> None:
    """Without one line the doctor and the inventory report that very right, and no other."""
    stage.allow(one for one in READ if one != line)
    adapter, missing = stage.adapter(), stage.here(line)
    checks = adapter.checks(*stage.wanted(), kinds=SWEPT)
    failed = [name for name, one in checks.items() if one.state is CheckState.FAILED and name.startswith("permission:")]
    assert failed == [f"permission:{missing.action}"]
    assert flow(missing.rule) in checks[failed[0]].fix
    seen = adapter.observe(*stage.wanted(), kinds=SWEPT)
    wanted = [missing.bare]
    if missing.verb == "get" and missing.resource == "serviceaccounts":
        wanted = []  # the listing told it already: needed only to prove that it is gone
    assert {action for action, _ in denials(seen)} == set(wanted)


@pytest.mark.parametrize("line", [one for one in WHOLE if one.group == CERT_MANAGER], ids=said)
def test_every_line_of_cert_manager_is_needed(site: Any, line: Grant) -> None:
    """Without one line about certificates the doctor names it, and the item says what it could not learn."""
    from nhisync_kubernetes.permissions import objects

    wanted = locators(WANTED)
    site.seed("secret", f"{PLACE}/stripe")
    site.seed("service-account", f"{PLACE}/api")
    from datetime import timedelta

    own_issuer = {"cluster_issuer": False, "issuer": "own"} if line.resource == "issuers" else {}
    certificate = site.seed("certificate", f"{PLACE}/tls", expires=timedelta(days=60), **own_issuer)
    user = site.world.source("primary", "cluster").user
    site.world.apply("primary", "cluster", objects("x", user, [one for one in WHOLE if one != line]))
    checks = site.checks(*wanted, certificate, kinds=KINDS)
    assert [name for name, one in checks.items() if one.state is CheckState.FAILED] == [f"permission:{line.action}"]
    seen = site.observe(*wanted, certificate, kinds=KINDS)
    told = repr(seen.all)
    if line.verb == "get" and line.resource == "certificates":
        assert seen[certificate].presence is Presence.PRESENT  # the listing told it already
    else:
        assert line.bare in told


def test_the_whole_document_is_enough(site: Any) -> None:
    """Swept as a whole, with certificates: nothing is missing and nothing too much."""
    from datetime import timedelta

    from nhisync_kubernetes.permissions import objects

    wanted = [site.seed("secret", f"{PLACE}/stripe"), site.seed("service-account", f"{PLACE}/api")]
    wanted.append(site.seed("certificate", f"{PLACE}/tls", expires=timedelta(days=60)))
    none = locators((f"secret/{PLACE}/none",))[0]
    user = site.world.source("primary", "cluster").user
    site.world.apply("primary", "cluster", objects("x", user, WHOLE))
    seen = site.observe(*wanted, none, kinds=KINDS)
    assert {seen[one].presence for one in wanted} == {Presence.PRESENT}
    assert seen[none].presence is Presence.ABSENT
    assert {one.status for one in seen.coverage.values()} == {CoverageStatus.COMPLETE}
    assert {one.state for one in site.checks(*wanted, none, kinds=KINDS).values()} == {CheckState.OK}


@pytest.mark.requirement("R42")
def test_without_wanted_secrets_no_value_can_be_read(stage: Stage) -> None:
    """Where pairs name accounts alone, the document holds no right on Secrets, and the server refuses every value."""
    lines = grants(AccessMode.READ, (f"service-account/{PLACE}/api", CERTIFICATE), frozenset({"service-account"}))
    assert {one.resource for one in lines} & {"secrets", "*"} == set()
    stage.allow(lines)
    adapter = stage.adapter()
    secret = stage.wanted(f"secret/{PLACE}/stripe")[0]
    answers = list(adapter.provider().values((secret,), adapter.budget()))
    assert [one[1].kind for one in answers if not isinstance(one, FieldValue)] == [ErrorKind.DENIED.value]
    client = stage.target.client(stage.token)
    for path in (f"/api/v1/namespaces/{stage.place}/secrets", "/api/v1/secrets"):
        assert client.get(path).status_code == 403


@pytest.mark.requirement("R42")
def test_a_named_secret_opens_itself_alone(stage: Stage) -> None:
    """The right to a named Secret is the right to its value; its neighbour and the list stay closed."""
    stage.allow(grants(AccessMode.READ, WANTED))
    client = stage.target.client(stage.token)
    root = f"/api/v1/namespaces/{stage.place}/secrets"
    assert client.get(f"{root}/stripe").status_code == 200
    assert client.get(f"{root}/neighbour").status_code == 403
    assert client.get(root).status_code == 403
    adapter = stage.adapter()
    found = adapter.checks(*stage.wanted())["least-privilege"]
    assert found.state is CheckState.OK
    assert "RBAC cannot withhold" in found.observed


@pytest.mark.requirement("R42")
def test_the_fingerprint_document_opens_named_values(stage: Stage) -> None:
    """With it the named value is read; without its line on Secrets that very right is missing."""
    lines = grants(AccessMode.FINGERPRINT, WANTED)
    stage.allow(lines)
    adapter, (stripe, _, _) = stage.adapter(), stage.wanted()
    neighbour = stage.wanted(f"secret/{PLACE}/neighbour")[0]
    found = list(adapter.provider().values((stripe, neighbour), adapter.budget()))
    values = [(one.locator, one.value.reveal()) for one in found if isinstance(one, FieldValue)]
    assert values == [(stripe, CANARY.encode())]
    assert [one[0] for one in found if not isinstance(one, FieldValue)] == [neighbour]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("line", grants(AccessMode.FINGERPRINT, WANTED), ids=said)
def test_every_line_of_the_fingerprint_document_is_needed(stage: Stage, line: Grant) -> None:
    """Without any one the doctor names that very right, and no other."""
    lines = grants(AccessMode.FINGERPRINT, WANTED)
    stage.allow(one for one in lines if one != line)
    adapter, missing = stage.adapter(), stage.here(line)
    assert failing(adapter.checks(*stage.wanted(), mode=AccessMode.FINGERPRINT)) == [f"permission:{missing.action}"]
    found = adapter.checks(*stage.wanted(), mode=AccessMode.FINGERPRINT)[f"permission:{missing.action}"]
    assert flow(missing.rule) in found.fix


@pytest.mark.requirement("R42")
def test_the_fingerprint_document_is_enough(stage: Stage) -> None:
    """With all of its lines the doctor misses no right."""
    stage.allow(grants(AccessMode.FINGERPRINT, WANTED))
    assert failing(stage.adapter().checks(*stage.wanted(), mode=AccessMode.FINGERPRINT)) == []


def failing(checks: Any) -> list[str]:
    """Names of the rights that the doctor misses."""
    return [name for name, one in checks.items() if one.state is CheckState.FAILED and name.startswith("permission:")]


def test_the_fingerprint_document_without_its_line(stage: Stage) -> None:
    """The value is refused, and the missing right is told with the object's name."""
    stage.allow(one for one in grants(AccessMode.FINGERPRINT, WANTED) if one.resource != "secrets")
    adapter, (stripe, _, _) = stage.adapter(), stage.wanted()
    found = list(adapter.provider().values((stripe,), adapter.budget()))
    assert [(one[1].action, one[1].resource) for one in found if not isinstance(one, FieldValue)] == [
        ("get secrets", f"{stage.place}/stripe")
    ]


def call(target: Target, client: Any, place: str, grant: Grant) -> int:
    """The call that a line of the probe or rotate document is there for; its status code."""
    root = f"/api/v1/namespaces/{place}"
    calls: dict[str, Callable[[], Any]] = {
        "get secrets": lambda: client.get(f"{root}/secrets/stripe"),
        "get namespaces": lambda: client.get("/api/v1/namespaces/kube-system"),
        "create serviceaccounts/token": lambda: client.post(
            f"{root}/serviceaccounts/api/token", json={"spec": {"expirationSeconds": 600}}
        ),
        f"patch certificates.{CERT_MANAGER}/status": lambda: client.patch(
            f"/apis/{CERT_MANAGER}/v1/namespaces/{place}/certificates/tls/status",
            json={"status": {"conditions": [{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"}]}},
            headers={"Content-Type": "application/merge-patch+json"},
        ),
    }
    return int(calls[grant.bare]().status_code)


@pytest.mark.parametrize("line", PROBE, ids=said)
def test_every_line_of_the_probe_document_is_needed(stage: Stage, line: Grant) -> None:
    """The call of each line succeeds with the document and is refused without the line."""
    stage.allow(one for one in PROBE if one != line)
    client, target = stage.target.client(stage.token), stage.target
    answers = {one.bare: call(target, client, stage.place, one) for one in PROBE}
    assert answers.pop(line.bare) == 403
    assert set(answers.values()) <= {200, 201}


def test_the_probe_document_is_enough(stage: Stage) -> None:
    """Nothing else is needed to read a stored credential, or to ask for a short-lived token."""
    stage.allow(PROBE)
    client = stage.target.client(stage.token)
    assert {call(stage.target, client, stage.place, one) for one in PROBE} <= {200, 201}


@pytest.mark.parametrize("line", ROTATE, ids=said)
def test_every_line_of_the_rotate_document_is_needed(site: Any, line: Grant) -> None:
    """The call of each line succeeds with the document, and is refused without the line."""
    from datetime import timedelta
    from pathlib import Path

    from nhisync_kubernetes.permissions import objects

    site.seed("service-account", f"{PLACE}/api")
    site.seed("certificate", f"{PLACE}/tls", expires=timedelta(days=60))
    user, token = site.world.source("primary", "cluster").user, Path(site.document["auth"]["token_file"])
    target = Target(document=site.document, folder=token.parent, clock=site.clock, emulated=True)
    for lines, expected in ((ROTATE, {200, 201}), ([one for one in ROTATE if one != line], {403})):
        site.world.apply("primary", "cluster", objects("x", user, lines))
        assert call(target, target.admin, PLACE, line) in expected
    target.close()


def test_a_patched_certificate_is_issued_again(site: Any) -> None:
    """What the line on certificates/status is for: the controller honours Issuing."""
    from datetime import timedelta

    from nhisync_kubernetes.emulator.definitions import CERTIFICATES

    site.seed("certificate", f"{PLACE}/tls", expires=timedelta(days=60))
    file = site.world._directory / "admin"
    file.write_text(site.world.admin_token("primary", "cluster"), encoding="ascii")
    document = {**site.document, "auth": {"method": "token_file", "token_file": str(file)}}
    target = Target(document=document, folder=file.parent, clock=site.clock, emulated=True)
    assert call(target, target.admin, PLACE, ROTATE[-1]) == 200
    target.close()
    found = site.cluster.store.get(CERTIFICATES, PLACE, "tls")
    assert found["status"]["revision"] == 3
    assert [one["type"] for one in found["status"]["conditions"]] == ["Ready"]


def test_modes_without_use_have_no_document() -> None:
    """Where nothing is wanted that a mode can do something with, there is nothing to grant."""
    settings = KubernetesSettings.model_validate(SETTINGS)
    assert documents(settings, AccessMode.PROBE, locators((CERTIFICATE,)), frozenset()) == ()
    assert documents(settings, AccessMode.ROTATE, locators((f"secret/{PLACE}/stripe",)), frozenset({"secret"})) == ()
    for mode in AccessMode:
        assert documents(settings, mode, locators((*WANTED, CERTIFICATE)), frozenset())


@pytest.mark.parametrize("mode", list(AccessMode))
def test_documents_are_manifests(mode: AccessMode) -> None:
    """The text is YAML that says what the lines say: every rule once, every action listed, names that stay texts."""
    odd = ("secret/0/1e3", "secret/on/true", "secret/on/0x1f", f"service-account/{PLACE}/null", CERTIFICATE)
    settings = KubernetesSettings.model_validate(SETTINGS)
    lines = needed(settings, mode, locators(odd), frozenset({"certificate"}))
    document = documents(settings, mode, locators(odd), frozenset({"certificate"}))[0]
    manifests = [dict(one) for one in YAML(typ="safe", pure=True).load_all(document.text)]
    rules = [rule for one in manifests for rule in one.get("rules", ())]
    assert sorted(map(flow, rules)) == sorted(flow(one.rule) for one in lines)
    assert all(isinstance(name, str) for rule in rules for name in rule.get("resourceNames", ()))
    assert sorted(document.actions) == sorted(one for line in lines for one in line.actions)
    roles = [one for one in manifests if "rules" in one]
    bindings = [one for one in manifests if "subjects" in one]
    assert [one["metadata"] for one in roles] == [one["metadata"] for one in bindings]
    assert all(one["subjects"] == bindings[0]["subjects"] for one in bindings)


def test_users_are_subjects_too() -> None:
    """A client certificate's user is bound by name."""
    settings = KubernetesSettings.model_validate({**SETTINGS, "subject": "nhisync"})
    text = documents(settings, AccessMode.READ, (), frozenset())[0].text
    assert 'subjects: [{kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "nhisync"}]' in text


def test_the_issuer_as_identity_needs_no_namespace() -> None:
    """Chosen by settings, the right to the system namespace is not asked for."""
    settings = KubernetesSettings.model_validate({**SETTINGS, "identify_by": "issuer"})
    assert needed(settings, AccessMode.READ, (), frozenset()) == []
    assert documents(settings, AccessMode.READ, (), frozenset()) == ()


def test_wider_lines_cover_narrower_ones() -> None:
    """A right in the whole cluster makes the same right in a namespace superfluous, but not one on names."""
    wide, narrow = Grant("", "", "secrets", "list"), Grant("a", "", "secrets", "list")
    named = Grant("", "", "namespaces", "get", ("x",))
    assert merge([narrow, wide, named, narrow]) == [named, wide]
    assert merge([Grant("a", "", "secrets", "get", ("x",)), Grant("a", "", "secrets", "get", ("y",))]) == [
        Grant("a", "", "secrets", "get", ("x", "y"))
    ]
