"""What is told of each kind: facts that the rules read, from metadata and public parts alone."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import CredentialState, ErrorKind, Lifecycle, Moment, Precision, Presence, PublicId
from nhisync_kubernetes.kinds.certificate import EXPOSED
from nhisync_kubernetes.kinds.secret import ENDLESS
from nhisync_kubernetes.metadata import LAST_APPLIED, read_meta

from .conftest import CANARY, KINDS, Site

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def scheme(item: Any, name: str) -> list[str]:
    """Public ids of one scheme."""
    return [one.value for one in item.ids if one.scheme == name]


def test_a_secret_by_its_metadata(site: Site) -> None:
    """Age, last write, field names and owner come from the metadata; no body with data is ever asked for."""
    secret = site.seed(
        "secret", "payments/stripe", tags={"nhisync:name": "payments/stripe"}, created=60 * DAY, rotated=3 * DAY
    )
    item = site.observe(secret)[secret]
    now = site.clock.now()
    assert item.created is not None
    assert item.rotated is not None
    assert (item.created.at, item.rotated.at) == (now - 60 * DAY, now - 3 * DAY)
    assert item.rotated.precision is Precision.UPPER_BOUND
    assert item.fields == ("api_key",)
    assert (item.owner, item.logical_name) == ("platform-oncall", "payments/stripe")
    assert (item.lifecycle, item.state) == (Lifecycle.UNKNOWN, CredentialState.ACTIVE)
    assert scheme(item, "cluster-id")


def test_a_secret_that_nobody_touched(site: Site) -> None:
    """Written once, it was never rotated; without the book neither rotation nor fields are known."""
    once, unbooked = site.seed("secret", "p/once", rotated=None), site.seed("secret", "p/unbooked", unbooked=True)
    seen = site.observe(once, unbooked)
    assert (seen[once].rotated, seen[once].fields) == (None, ("api_key",))
    assert seen[unbooked].rotated == Moment(site.clock.now(), Precision.UPPER_BOUND)
    assert seen[unbooked].fields is None


def test_a_secret_without_data_has_no_fields(site: Site) -> None:
    """The book proves it: there are fields to know, and none is there."""
    empty = site.seed("secret", "p/empty", fields={})
    assert site.observe(empty)[empty].fields == ()


@pytest.mark.parametrize(
    ("annotations", "lifecycle", "interval"),
    [
        ({"nhisync/lifecycle": "own", "nhisync/rotation-interval": "30d"}, Lifecycle.OWN, 30 * DAY),
        ({"nhisync/lifecycle": "static"}, Lifecycle.STATIC, None),
        ({"nhisync/lifecycle": "shared", "nhisync/rotation-interval": "monthly"}, Lifecycle.SHARED, None),
        ({"nhisync/lifecycle": "replica"}, Lifecycle.UNKNOWN, None),
    ],
)
def test_what_annotations_declare(site: Site, annotations: dict[str, str], lifecycle: Any, interval: Any) -> None:
    """The cluster rotates no Secret; who does may say so, and a nonsense word says nothing."""
    secret = site.seed("secret", "p/declared", annotations=annotations)
    item = site.observe(secret)[secret]
    assert item.lifecycle is lifecycle
    assert (item.rotation.interval if item.rotation else None) == interval


def test_owners_stand_in_annotations_or_labels(site: Site) -> None:
    """The configured key is looked for in annotations, then in labels; the unowned is told as such."""
    labelled = site.seed("secret", "p/labelled", owner=None, labels={"team": "search"})
    unowned = site.seed("secret", "p/unowned", owner=None)
    seen = site.observe(labelled, unowned, owner_key="team")
    assert (seen[labelled].owner, seen[unowned].owner) == ("search", "")


def test_a_secret_that_is_being_deleted(site: Site) -> None:
    """An object whose deletion waits for a finalizer is not counted on."""
    secret = site.seed("secret", "p/leaving", deleting=True)
    assert site.observe(secret)[secret].state is CredentialState.DEACTIVATED


def test_an_applied_secret_carries_its_value_in_an_annotation(site: Site) -> None:
    """``kubectl apply`` puts the value among the metadata: it goes no further, and the fact is told."""
    secret = site.seed("secret", "p/applied", last_applied=True)
    seen = site.observe(secret, kinds=KINDS)
    assert seen.attribute(secret, "copied_into_annotation") == "yes"
    assert CANARY not in repr(seen.all)


def test_sweeps_leave_out_what_is_no_credential(site: Site) -> None:
    """Helm's releases and legacy tokens are no Secrets of kind ``secret``; a setting says which types are left out."""
    release = site.seed("secret", "p/sh.helm.release.v1.x", type="helm.sh/release.v1")
    plain, token = site.seed("secret", "p/plain"), site.seed("service-account-token", "p/ci")
    seen = site.observe(kinds={"secret", "service-account-token"})
    assert set(seen.items) == {plain, token}
    assert set(site.observe(kinds={"secret"}, skip_types=[]).items) == {plain, release}


@pytest.mark.requirement("R44")
def test_a_legacy_token_can_never_end(site: Site) -> None:
    """Nobody rotates it, nothing ends it; its account and its last use by the day are told."""
    token = site.seed("service-account-token", "payments/ci", account="deployer", last_used=3 * DAY)
    item = site.observe(token)[token]
    assert (item.lifecycle, item.endless, item.expires) == (Lifecycle.STATIC, ENDLESS, None)
    assert item.last_used is not None
    assert item.last_used.precision is Precision.DAY
    assert item.last_used.at.date() == (site.clock.now() - 3 * DAY).date()
    assert dict(item.attributes)["service_account"] == "payments/deployer"
    assert scheme(item, "token-accessor") == [item.provider_id]


def test_a_legacy_token_under_the_other_kind(site: Site) -> None:
    """Named as a Secret it is still the same finding; a Secret named as a token is a mistake in the configuration."""
    token, plain = site.seed("service-account-token", "p/ci"), site.seed("secret", "p/plain")
    as_secret = type(token)(token.source, "secret", token.name)
    as_token = type(plain)(plain.source, "service-account-token", plain.name)
    seen = site.observe(as_secret, as_token)
    assert seen[as_secret].endless == ENDLESS
    assert seen[as_token].presence is Presence.UNKNOWN
    wrong = seen[as_token].error
    assert wrong is not None
    assert (wrong.kind, wrong.resource) == (ErrorKind.MISCONFIGURED.value, "p/plain")


def test_a_token_that_the_clean_up_invalidated(site: Site) -> None:
    """The server marks unused tokens as invalid and refuses them: suspended."""
    token = site.seed("service-account-token", "p/ci", invalid=True)
    assert site.observe(token)[token].state is CredentialState.SUSPENDED


def test_a_service_account_stores_nothing(site: Site) -> None:
    """Its tokens are replaced within a day, so its generation is never older; its cloud role is told."""
    account = site.seed("service-account", "payments/api", created=900 * DAY, role="arn:aws:iam::1:role/x")
    item = site.observe(account)[account]
    assert item.lifecycle is Lifecycle.OWN
    assert item.rotated is not None
    assert item.rotated.at == site.clock.now() - DAY
    assert dict(item.attributes)["aws_role"] == "arn:aws:iam::1:role/x"


@pytest.mark.requirement("R41")
def test_a_certificate_from_its_status(site: Site) -> None:
    """Dates, revision, renewal and issuer from the Certificate; chain and key from what was signed, not the Secret."""
    certificate = site.seed("certificate", "payments/api-tls", rotated=30 * DAY, expires=60 * DAY)
    site.cluster.received.clear()
    item = site.observe(certificate)[certificate]
    now = site.clock.now()
    assert (item.version, item.state, item.lifecycle) == ("2", CredentialState.ACTIVE, Lifecycle.OWN)
    assert item.not_before is not None
    assert item.expires is not None
    assert item.next_rotation is not None
    assert (item.not_before.at, item.expires.at, item.next_rotation.at) == (
        now - 30 * DAY,
        now + 60 * DAY,
        now + 30 * DAY,
    )
    rotation = item.rotation
    assert rotation is not None
    assert (rotation.enabled, rotation.interval, rotation.pending_since) == (True, 60 * DAY, None)
    assert [(one.id, one.usable, one.region) for one in item.dependencies] == [
        ("ClusterIssuer/cluster-ca", True, "eu-west-1")
    ]
    assert item.chain is not None
    assert (item.chain.builds, item.chain.certificates[0].names) == (True, ("api-tls.example.com",))
    assert scheme(item, "spki-sha256") == [item.chain.certificates[0].spki_sha256]
    assert not [path for path in site.received() if "/secrets" in path]


def test_one_key_on_two_clusters_has_one_id(make_site: Any) -> None:
    """A copied key shows in the public ids of both sides; clusters have ids of their own."""
    here, there = make_site("primary"), make_site("backup")
    ids = []
    for place in (here, there):
        one = place.seed("certificate", "payments/tls", key_label="copied", expires=60 * DAY)
        ids.append(set(place.observe(one)[one].ids))
    assert {one.scheme for one in ids[0] & ids[1]} == {"spki-sha256"}


@pytest.mark.requirement("R41")
def test_a_renewal_that_hangs(site: Site) -> None:
    """Ready stays True while Issuing hangs beyond the renewal: the unfinished rotation has its beginning."""
    certificate = site.seed("certificate", "p/tls", rotated=80 * DAY, expires=2 * DAY, issuing=26 * HOUR)
    item = site.observe(certificate)[certificate]
    assert dict(item.attributes)["ready"] == "yes"
    assert item.rotation is not None
    assert (item.rotation.pending_since, item.rotation.pending_version) == (site.clock.now() - 26 * HOUR, "3")
    assert item.next_rotation is None


@pytest.mark.requirement("R41")
def test_a_renewal_that_keeps_failing(site: Site) -> None:
    """After a failure Issuing is False again; failed attempts say that the renewal began when it was due."""
    certificate = site.seed(
        "certificate", "p/tls", rotated=80 * DAY, expires=10 * DAY, failed_attempts=3, last_failure=1 * HOUR
    )
    seen = site.observe(certificate)
    rotation = seen[certificate].rotation
    assert rotation is not None
    assert rotation.pending_since == site.clock.now() - 20 * DAY
    assert seen.attribute(certificate, "failed_attempts") == "3"


def test_a_first_issuance_that_fails(site: Site) -> None:
    """What was never issued is not in force, and its issuance is unfinished since the object exists."""
    certificate = site.seed("certificate", "p/tls", created=9 * DAY, revision=0, failed_attempts=1, last_failure=HOUR)
    item = site.observe(certificate)[certificate]
    assert (item.state, item.expires, item.version) == (CredentialState.PRE_ACTIVATION, None, None)
    assert item.rotation is not None
    assert item.rotation.pending_since == site.clock.now() - 9 * DAY


def test_a_forced_renewal_that_fails(site: Site) -> None:
    """A failure before the renewal was due is not older than itself."""
    certificate = site.seed("certificate", "p/tls", rotated=DAY, expires=89 * DAY, failed_attempts=1, last_failure=HOUR)
    rotation = site.observe(certificate)[certificate].rotation
    assert rotation is not None
    assert rotation.pending_since == site.clock.now() - HOUR


@pytest.mark.requirement("R41")
def test_a_disabled_renewal(site: Site) -> None:
    """Policy Disabled is a schedule that is switched off, with the interval that it would have."""
    certificate = site.seed("certificate", "p/tls", rotated=30 * DAY, expires=60 * DAY, disabled=True)
    item = site.observe(certificate)[certificate]
    assert item.next_rotation is None
    assert item.rotation is not None
    assert (item.rotation.enabled, item.rotation.interval) == (False, 60 * DAY)


def test_a_controller_that_sleeps(site: Site) -> None:
    """Nothing renews although it is time: the announced renewal stays in the past."""
    certificate = site.seed("certificate", "p/tls", rotated=80 * DAY, expires=10 * DAY, asleep=True)
    item = site.observe(certificate)[certificate]
    assert item.next_rotation is not None
    assert item.next_rotation.at == site.clock.now() - 20 * DAY


def test_a_controller_that_renews(site: Site) -> None:
    """When its time comes the emulated controller renews: a new revision, key and end."""
    certificate = site.seed("certificate", "p/tls", rotated=59 * DAY, expires=31 * DAY)
    before = site.observe(certificate)[certificate]
    site.step(2 * DAY)
    after = site.observe(certificate)[certificate]
    assert (before.version, after.version) == ("2", "3")
    assert scheme(before, "spki-sha256") != scheme(after, "spki-sha256")
    assert after.expires is not None
    assert after.expires.at == site.clock.now() + 90 * DAY


@pytest.mark.parametrize(
    ("options", "issuer"),
    [
        ({"issuer_form": "acme"}, ("ClusterIssuer/cluster-ca", None, True, "signs at acme.example")),
        (
            {"issuer_form": "vault", "issuer_ready": False},
            ("ClusterIssuer/cluster-ca", None, False, "signs at vault.exam"),
        ),
        ({"issuer_form": "selfSigned"}, ("ClusterIssuer/cluster-ca", "eu-west-1", True, "")),
        ({"cluster_issuer": False, "issuer": "own"}, ("Issuer/p/own", "eu-west-1", True, "")),
    ],
)
def test_where_an_issuer_stands(site: Site, options: dict[str, Any], issuer: tuple[Any, ...]) -> None:
    """An issuer inside the cluster stands where the cluster stands; one that signs elsewhere has no known region."""
    certificate = site.seed("certificate", "p/tls", expires=60 * DAY, **options)
    found = site.observe(certificate)[certificate].dependencies[0]
    assert (found.id, found.region, found.usable) == issuer[:3]
    assert found.detail.startswith(issuer[3])


def test_an_issuer_that_is_gone(site: Site) -> None:
    """A renewal needs an issuer: one that does not exist is a dependency that is not usable."""
    from nhisync_kubernetes.emulator.definitions import CLUSTER_ISSUERS

    certificate = site.seed("certificate", "p/tls", expires=60 * DAY)
    with site.cluster.lock:
        site.cluster.store.delete(CLUSTER_ISSUERS, "", "cluster-ca")
    found = site.observe(certificate)[certificate].dependencies[0]
    assert (found.usable, found.detail) == (False, "it does not exist")


def test_a_secret_that_holds_something_else(site: Site) -> None:
    """When the Secret's certificate is not the one that was issued last, no chain is claimed."""
    from nhisync_kubernetes.emulator.definitions import CERTIFICATES
    from nhisync_kubernetes.emulator.store import stamp

    certificate = site.seed("certificate", "p/tls", expires=60 * DAY)
    with site.cluster.lock:
        known = site.cluster.store.get(CERTIFICATES, "p", "tls")
        assert known is not None
        status = {**known["status"], "notAfter": stamp(site.clock.now() + 5 * DAY)}
        site.cluster.store.put(CERTIFICATES, {**known, "status": status})
    seen = site.observe(certificate)
    assert seen[certificate].chain is None
    assert not scheme(seen[certificate], "spki-sha256")
    assert "another certificate" in seen.attribute(certificate, "chain_not_read")


def test_a_literal_keystore_password_is_an_exposure(site: Site) -> None:
    """A password in the Certificate's own text can be read by whoever may read Certificates; it is not repeated."""
    certificate = site.seed("certificate", "p/tls", expires=60 * DAY, keystore_password=CANARY)
    seen = site.observe(certificate, kinds=KINDS)
    assert seen[certificate].exposure == EXPOSED
    assert CANARY not in repr(seen.all)


def test_configured_roots_verify_chains(site: Site, tmp_path: Any) -> None:
    """With roots of one's own an issuer's own root is not believed; a chain to one of them builds."""
    certificate = site.seed("certificate", "p/tls", expires=60 * DAY)
    authority = site.cluster.cert_manager.authority("cluster-ca", site.clock.now())
    good, other = tmp_path / "good.pem", tmp_path / "other.pem"
    good.write_bytes(authority.pem)
    other.write_bytes(site.world._authority.pem)
    for file, builds in ((good, True), (other, False)):
        chain = site.observe(certificate, trust_file=str(file), profile="private")[certificate].chain
        assert chain is not None
        assert chain.builds is builds


def test_other_roots_verify_a_known_chain_again(site: Site, tmp_path: Any) -> None:
    """Neither the Certificate nor its issuer changes when the configured roots do; what they verified does."""
    certificate = site.seed("certificate", "p/tls", expires=60 * DAY)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(site.cluster.cert_manager.authority("cluster-ca", site.clock.now()).pem)
    trusting: dict[str, Any] = {"trust_file": str(roots), "profile": "private"}
    known = {certificate: site.observe(certificate, **trusting)[certificate].marker}
    assert site.observe(certificate, known=known, **trusting).unchanged == {certificate}
    roots.write_bytes(site.world._authority.pem)
    chain = site.observe(certificate, known=known, **trusting)[certificate].chain
    assert chain is not None
    assert chain.builds is False


def test_a_certificate_of_a_sweep_costs_nothing_more(site: Site) -> None:
    """Certificates that no pair names are told from the listing: neither issuers nor requests are read."""
    site.seed("certificate", "p/tls", expires=60 * DAY)
    site.cluster.received.clear()
    seen = site.observe(kinds={"certificate"})
    assert seen.calls == 2
    assert next(iter(seen.items.values())).dependencies == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["uid", "resourceVersion", "creationTimestamp", "labels", "annotations", "managedFields", "ownerReferences", "x"]
)


@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_metadata_of_any_shape(raw: dict[str, Any]) -> None:
    """Whatever stands in the metadata, reading them raises nothing and shows only short printable words."""
    meta = read_meta({"metadata": {"namespace": "n", "name": "x", **raw}}, "owner")
    words = [meta.uid, meta.revision, meta.owner, *meta.marks.values(), *(meta.fields or ())]
    assert all(word.isprintable() and len(word) <= 200 for word in words)
    assert meta.created is None or meta.created.tzinfo is not None


@given(st.text(min_size=8), st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=4))
def test_no_annotation_is_kept_but_known_ones(value: str, others: dict[str, str]) -> None:
    """A value in an annotation with another meaning is in no part of what is kept."""
    hidden = f"<{value}>"
    annotations = {**{f"x/{key}": hidden for key in others}, LAST_APPLIED: hidden}
    meta = read_meta({"metadata": {"namespace": "n", "name": "x", "annotations": annotations}}, "owner")
    assert hidden not in repr(meta)
    assert meta.last_applied


def test_ids_are_sorted(site: Site) -> None:
    """Public ids come in one order, so that equal items have equal digests."""
    certificate = site.seed("certificate", "p/tls", expires=60 * DAY)
    ids = site.observe(certificate)[certificate].ids
    assert list(ids) == sorted(ids)
    assert all(isinstance(one, PublicId) for one in ids)
