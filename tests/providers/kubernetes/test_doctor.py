"""`nhisync doctor`: what it tells apart, what it warns of, and that it never raises."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import AccessMode, Budget, CheckState, ErrorKind, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.permissions import objects

from .conftest import KINDS, Site


def bind(site: Site, *grants: Grant) -> None:
    """Let nhisync hold exactly these rights."""
    site.world.apply("primary", "cluster", objects("x", site.world.source("primary", "cluster").user, grants))


def test_a_healthy_source_has_nothing_but_good_news(site: Site) -> None:
    """Reachability, trust, clock, identity and every right, in this order."""
    secret = site.seed("secret", "payments/stripe")
    found = site.checks(secret, kinds=KINDS)
    assert {one.state for one in found.values()} == {CheckState.OK}
    assert list(found)[:4] == ["reachable", "tls", "clock", "identity"]
    assert "permission:get secrets -n payments: stripe" in found
    assert found["identity"].observed.startswith("system:serviceaccount:nhisync:primary-cluster at kubernetes:")


@pytest.mark.parametrize(
    ("fault", "name", "kind"),
    [
        ("unreachable", "reachable", ErrorKind.UNREACHABLE),
        ("garbage", "reachable", ErrorKind.MALFORMED),
        ("token-refused", "identity", ErrorKind.AUTH_FAILED),
    ],
)
def test_the_doctor_stops_where_nothing_more_can_be_asked(site: Site, fault: str, name: str, kind: ErrorKind) -> None:
    """The failing check carries the typed error and a next step; what cannot be asked is left out."""
    site.fault(fault)
    found = site.checks()
    assert found[name].state is CheckState.FAILED
    assert found[name].fix
    assert found[name].error.kind == kind.value
    assert list(found)[-1] == name
    if name == "identity":
        assert found["reachable"].state is CheckState.OK


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"address": "https://nowhere.invalid"}, "resolved"),
        ({"server_name": "other"}, "another name"),
        ({"ca_file": "/nowhere.pem"}, "cannot be used"),
        (
            {"auth": {"method": "kubeconfig", "file": "/nowhere", "context": "x"}, "address": None, "ca_file": None},
            "cannot",
        ),
    ],
)
def test_causes_are_told_apart(site: Site, settings: dict[str, Any], said: str) -> None:
    """DNS, trust and files of our own are different causes with different next steps."""
    check = site.checks(**settings)["reachable"]
    assert check.state is CheckState.FAILED
    assert said in check.observed
    assert check.fix


def test_the_doctor_compares_clocks(site: Site) -> None:
    """Ages mean nothing between clocks that disagree."""
    ahead = FakeClock(site.clock.now() + timedelta(minutes=10))
    site_ahead = type(site).__mro__[1](site.document, ahead)
    found = {
        one.name: one
        for one in site_ahead.provider().examine(AccessMode.READ, (), frozenset(), Budget(ahead, seconds=60))
    }
    assert found["clock"].state is CheckState.FAILED
    assert "10m" in found["clock"].observed


def test_the_doctor_looks_at_credential_files(make_site: Any) -> None:
    """Files that others can read are shared identities: token, kubeconfig and what it names, key."""
    for path, auth, key in (
        ("primary", "token_file", "token_file"),
        ("backup", "client_certificate", "key_file"),
        ("third", "kubeconfig", "file"),
    ):
        site = make_site(path, auth=auth)
        Path(site.document["auth"][key]).chmod(0o644)
        check = site.checks()["credential-file"]
        assert check.state is CheckState.WARNING
        assert check.fix.startswith("chmod 0600")


def test_the_doctor_tells_when_a_token_ends(site: Site) -> None:
    """A token in a file that ends within a day needs somebody who renews it; the kubelet does in a pod."""
    assert "identity:expiry" not in site.checks()
    site.step(timedelta(days=29, hours=12))
    assert site.checks()["identity:expiry"].state is CheckState.WARNING


def test_the_doctor_sees_a_token_without_an_end(make_site: Any) -> None:
    """A legacy token of our own is the finding that nhisync reports of others."""
    import base64

    from nhisync_kubernetes.emulator.definitions import SECRETS

    site = make_site()
    site.seed("service-account-token", "nhisync/own", account="primary-cluster", fields={})
    site.cluster.reconcile()
    secret = site.cluster.store.get(SECRETS, "nhisync", "own")
    token = base64.b64decode(secret["data"]["token"]).decode()
    Path(site.document["auth"]["token_file"]).write_text(token, encoding="ascii")
    check = site.checks()["identity:expiry"]
    assert check.state is CheckState.WARNING
    assert "never ends" in check.observed


def test_members_of_masters_are_warned_of(make_site: Any) -> None:
    """What no RBAC limits is more than any mode needs."""
    site = make_site(masters=True)
    secret = site.seed("secret", "payments/stripe")
    found = site.checks(secret)
    assert found["identity:masters"].state is CheckState.WARNING
    assert found["least-privilege"].state is CheckState.WARNING
    assert "everything" in found["least-privilege"].observed


@pytest.mark.parametrize(
    "grant",
    [
        Grant("payments", "", "secrets", "get"),
        Grant("payments", "", "secrets", "get", ("other",)),
        Grant("payments", "", "secrets", "watch"),
        Grant("", "", "secrets", "list"),
        Grant("payments", "", "secrets", "delete", ("stripe",)),
        Grant("payments", "", "serviceaccounts/token", "create", ("api",)),
        Grant("payments", "cert-manager.io", "certificates/status", "patch"),
    ],
    ids=lambda one: one.action,
)
def test_rights_beyond_need_are_warned_of(site: Site, grant: Grant) -> None:
    """Reading mode needs the named Secret and nothing else: each further right is told in words."""
    secret = site.seed("secret", "payments/stripe")
    bind(
        site,
        Grant("", "", "namespaces", "get", ("kube-system", "payments")),
        Grant("payments", "", "secrets", "get", ("stripe",)),
        grant,
    )
    found = site.checks(secret)["least-privilege"]
    assert found.state is CheckState.WARNING
    assert grant.verb in found.observed
    assert "nhisync permissions" in found.fix


def test_a_server_that_does_not_know_its_rules(site: Site) -> None:
    """Where a webhook decides, rules reviews are incomplete: each right is asked for by itself."""
    secret = site.seed("secret", "payments/stripe")
    site.fault("incomplete-rules")
    found = site.checks(secret)
    assert {one.state for name, one in found.items() if name.startswith("permission:")} == {CheckState.OK}
    bind(site, Grant("", "", "namespaces", "get", ("kube-system", "payments")))
    assert site.checks(secret)["permission:get secrets -n payments: stripe"].state is CheckState.FAILED


def test_missing_names_are_told(site: Site) -> None:
    """Of several named objects exactly those without a right are listed."""
    one, two = site.seed("secret", "payments/a"), site.seed("secret", "payments/b")
    bind(
        site,
        Grant("", "", "namespaces", "get", ("kube-system", "payments")),
        Grant("payments", "", "secrets", "get", ("a",)),
    )
    check = site.checks(one, two)["permission:get secrets -n payments: a, b"]
    assert (check.state, check.observed) == (CheckState.FAILED, "missing for b")


def test_the_cluster_that_may_not_be_known(site: Site) -> None:
    """A denied look at the system namespace fails the identity, says what to grant or to set, and ends nothing."""
    bind(site, Grant("", "", "secrets", "list"))
    found = site.checks(kinds={"secret"})
    assert found["identity"].state is CheckState.FAILED
    assert "identify_by: issuer" in found["identity"].fix
    assert found["permission:list secrets -A"].state is CheckState.OK


def test_the_issuer_as_identity(make_site: Any) -> None:
    """Chosen by settings, issuer and keys tell clusters apart, whose issuers have one name; it may be hidden."""
    here, there = make_site("primary"), make_site("backup")
    ids = [one.provider(identify_by="issuer").identify(one.budget()).authority for one in (here, there, here)]
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]
    assert "kubernetes.default.svc" in ids[0]
    here.fault("issuer-hidden")
    with pytest.raises(ProviderError) as caught:
        here.provider(identify_by="issuer").identify(here.budget())
    assert caught.value.kind is ErrorKind.DENIED


def test_an_old_server_does_not_review_selves(make_site: Any) -> None:
    """Without SelfSubjectReview our own token says who we are, and the doctor says that nobody confirmed it."""
    site = make_site(reviews=False)
    assert site.provider().identify(site.budget()).principal == "system:serviceaccount:nhisync:primary-cluster"
    found = site.checks()["identity"]
    assert found.state is CheckState.WARNING
    assert "own word" in found.observed


def test_one_cluster_on_both_paths(make_site: Any) -> None:
    """Two sources of one cluster have one authority and one cluster, whoever they are there: such paths are refused."""
    here, there = make_site("primary"), make_site("backup", cluster_of="primary/cluster")
    one, two = (place.provider().identify(place.budget()) for place in (here, there))
    assert one.authority == two.authority
    assert one.cluster == two.cluster == one.authority
    assert one.principal != two.principal
    other = make_site("elsewhere")
    assert other.provider().identify(other.budget()).cluster != one.cluster


def test_modes_without_needs_examine_without_rights(site: Site) -> None:
    """A mode that needs nothing here has no rights to check, and finds nothing too much."""
    found = site.checks(mode=AccessMode.PROBE)
    assert not [name for name in found if name.startswith("permission:")]
    assert {one.state for one in found.values()} == {CheckState.OK}
