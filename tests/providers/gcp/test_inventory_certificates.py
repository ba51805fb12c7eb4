"""Kinds certificate and cas-certificate: chains, what renews them, and whether that still can."""

import datetime as dt

import pytest

DAY = dt.timedelta(days=1)
REGION = "europe-north1"
POOL = f"{REGION}/payments"


def issuer(item):
    """The issuer a certificate depends on."""
    return next(d for d in item.dependencies if d.kind == "issuer")


@pytest.mark.requirement("R30")
def test_a_managed_certificate_has_its_chain(gcp):
    """The list holds the public chain: dates, names, key and serial without a further call."""
    gcp.seed(
        "certificate", "global/www", names=["www.example.com"], created=60 * DAY, rotated=20 * DAY, expires=70 * DAY
    )
    item = gcp.see("certificate/global/www", kinds="certificate")["certificate/global/www"]
    now = gcp.clock.now()
    assert (item.presence.value, item.state.value, item.lifecycle.value) == ("present", "active", "own")
    assert (item.not_before.at, item.expires.at) == (now - 20 * DAY, now + 70 * DAY)
    assert item.chain.leaf.names == ("www.example.com",)
    assert len(item.chain.certificates) == 2
    assert {i.scheme for i in item.ids} == {"issuer-serial", "spki-sha256"}
    assert (item.region, issuer(item).usable) == (None, None)
    calls = {call for call in gcp.calls() if "Certificate" in call}
    assert calls == {"CertificateManager.ListCertificates"}


def test_regional_certificates_stand_in_their_location(gcp):
    """Every location is a list of its own, and a scope of its own."""
    gcp.seed("certificate", f"{REGION}/api")
    seen = gcp.see(kinds="certificate")
    assert seen[f"certificate/{REGION}/api"].region == REGION
    assert seen.status == {"certificate:global": "complete", f"certificate:{REGION}": "complete"}


@pytest.mark.requirement("R41")
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"issue": "AUTHORIZATION_ISSUE", "attempt": "CAA"}, "CAA"),
        ({"issue": "RATE_LIMITED", "attempt": "RATE_LIMITED"}, "rate"),
        ({"attempt": "CONFIG"}, "DNS"),
        ({}, "failed"),
    ],
)
def test_a_certificate_that_cannot_be_issued_says_why(gcp, options, why):
    """A failed managed certificate is not active yet, and what should issue it is not usable."""
    gcp.seed("certificate", "global/www", state="FAILED", **options)
    item = gcp.see("certificate/global/www")["certificate/global/www"]
    assert item.state.value == "pre-activation"
    assert issuer(item).usable is False
    assert why in issuer(item).detail
    assert item.chain is None


def test_an_upload_is_renewed_by_whoever_uploaded_it(gcp):
    """Google renews nothing of an upload; that somebody does is only known once it happened."""
    gcp.seed("certificate", "global/fresh", managed=False, created=20 * DAY, rotated=None)
    gcp.seed("certificate", "global/again", managed=False, created=90 * DAY, rotated=10 * DAY)
    seen = gcp.see("certificate/global/fresh", "certificate/global/again")
    assert seen["certificate/global/fresh"].lifecycle.value == "unknown"
    assert seen["certificate/global/again"].lifecycle.value == "own"
    assert seen["certificate/global/again"].dependencies == ()
    assert dict(seen["certificate/global/again"].attributes)["type"] == "uploaded"


@pytest.mark.requirement("R31", "R42")
def test_one_key_in_two_certificates_is_found(make):
    """A copied key shows in the public key of both certificates."""
    one = make()
    for name in ("a", "b"):
        one.seed("certificate", f"global/{name}", material="copied", managed=False)
    seen = one.see(kinds="certificate")
    found = [{i.value for i in item.ids if i.scheme == "spki-sha256"} for item in seen.items.values()]
    assert found[0] == found[1] != set()


def test_a_cas_certificate_is_named_by_its_common_name(gcp):
    """Every renewal has a new id; the item is the newest one, and an id names one."""
    name = f"cas-certificate/{POOL}/cn/api.example.com"
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com", created=60 * DAY, rotated=10 * DAY, expires=20 * DAY)
    seen = gcp.see(name, kinds="cas-certificate")
    item = seen[name]
    now = gcp.clock.now()
    assert (item.presence.value, item.state.value, item.region) == ("present", "active", REGION)
    assert (item.created.at, item.rotated.at, item.expires.at) == (now - 60 * DAY, now - 10 * DAY, now + 20 * DAY)
    assert (item.chain.builds, len(item.chain.certificates)) == (True, 1)
    assert item.chain.anchor_not_after > now + 365 * DAY
    assert (issuer(item).usable, issuer(item).region) == (True, REGION)
    one = f"cas-certificate/{POOL}/{item.provider_id.rpartition('/')[2]}"
    assert gcp.see(one)[one].version == item.version
    assert seen.status == {f"cas-certificate:{REGION}": "complete"}


@pytest.mark.requirement("R39", "R41")
@pytest.mark.parametrize(
    ("state", "expires", "usable"),
    [
        ("ENABLED", 365 * DAY, True),
        ("DISABLED", 365 * DAY, False),
        ("STAGED", 365 * DAY, False),
        ("ENABLED", -1 * DAY, False),
    ],
)
def test_an_authority_that_cannot_issue_is_not_usable(gcp, state, expires, usable):
    """The next renewal needs an enabled authority in force."""
    gcp.seed("certificate-authority", f"{POOL}/root", state=state, expires=expires)
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    item = gcp.see(f"cas-certificate/{POOL}/cn/api.example.com")[f"cas-certificate/{POOL}/cn/api.example.com"]
    assert issuer(item).usable is usable
    assert "authority" in issuer(item).detail


def test_switching_an_authority_off_keeps_its_chains(gcp):
    """What it issued still builds; only the renewal is in danger."""
    name = f"cas-certificate/{POOL}/cn/api.example.com"
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    gcp.seed("certificate-authority", f"{POOL}/root", state="DISABLED")
    item = gcp.see(name)[name]
    assert (item.chain.builds, issuer(item).usable) == (True, False)


def test_another_authority_of_the_pool_can_take_over(gcp):
    """Renewals go to the pool, not to the one authority that issued last."""
    gcp.seed("certificate-authority", f"{POOL}/root", state="DISABLED", expires=365 * DAY)
    gcp.seed("certificate-authority", f"{POOL}/second", state="ENABLED", expires=365 * DAY)
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    item = gcp.see(f"cas-certificate/{POOL}/cn/api.example.com")[f"cas-certificate/{POOL}/cn/api.example.com"]
    assert (issuer(item).usable, issuer(item).detail.startswith("authority disabled")) == (True, True)


@pytest.mark.parametrize(
    ("reason", "state"),
    [("KEY_COMPROMISE", "compromised"), ("SUPERSEDED", "deactivated"), ("CERTIFICATE_HOLD", "suspended")],
)
def test_a_revoked_certificate_is_out_of_force(gcp, reason, state):
    """By reason, whatever its dates say; an older one that was not revoked goes before it."""
    gcp.seed("cas-certificate", f"{POOL}/only", rotated=None, revoked=reason)
    gcp.seed("cas-certificate", f"{POOL}/cn/two.example.com", rotated=2 * DAY, revoked=reason)
    only, two = f"cas-certificate/{POOL}/only", f"cas-certificate/{POOL}/cn/two.example.com"
    seen = gcp.see(only, two)
    assert seen[only].state.value == state
    assert seen[two].state.value == "active"


@pytest.mark.requirement("R6")
def test_absence_of_certificates(gcp):
    """An id is asked for; a common name is absent when its pool's list is whole; a missing pool proves nothing."""
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    names = {
        "certificate/global/none": "absent",
        f"certificate/{REGION}/none": "absent",
        f"cas-certificate/{POOL}/none": "absent",
        f"cas-certificate/{POOL}/cn/none.example.com": "absent",
        f"cas-certificate/{REGION}/nopool/cn/none.example.com": "unknown",
        "certificate/no-location": "unknown",
        "cas-certificate/odd": "unknown",
    }
    seen = gcp.see(*names)
    assert {name: item.presence.value for name, item in seen.items.items()} == names


@pytest.mark.requirement("R6")
def test_a_place_that_google_could_not_look_at_is_no_empty_one(gcp):
    """A good answer may name what it lacks: then the list is not complete, and nothing of it is absent."""
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    gcp.fault("location-down", locations=("global", REGION))
    wanted = ("certificate/global/www", f"cas-certificate/{POOL}/cn/api.example.com")
    seen = gcp.see(*wanted, kinds="certificate cas-certificate")
    assert not {"complete"} & set(seen.status.values())
    assert "absent" not in {item.presence.value for item in seen.items.values()}


def test_authorities_that_cannot_be_read_leave_usability_open(gcp):
    """The certificates are there; what renews them is not known, and the coverage says why."""
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    gcp.fault("denied", permission="privateca.certificateAuthorities.list")
    name = f"cas-certificate/{POOL}/cn/api.example.com"
    seen = gcp.see(name, kinds="cas-certificate")
    assert seen[name].presence.value == "present"
    assert issuer(seen[name]).usable is None
    assert seen[name].chain.builds is None
    assert seen.status == {f"cas-certificate:{REGION}": "partial"}


def test_a_second_run_says_unchanged(gcp):
    """Nothing moved: nothing is written again."""
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{POOL}/cn/api.example.com")
    first = gcp.see(kinds="certificate cas-certificate")
    second = gcp.see(*first.items, kinds="certificate cas-certificate", known=first.markers)
    assert second.items == {}
    assert len(second.unchanged) == 2
