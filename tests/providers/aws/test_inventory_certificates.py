"""What the adapter says about certificates and parameters, over real HTTP."""

import datetime as dt

import pytest

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    "key_type",
    ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"],
)
def test_certificate_of_every_key_type_is_found(aws, backup, key_type):
    """ACM hides five of seven key types unless it is asked for all."""
    aws.seed("certificate", "api.example.com", key_type=key_type, expires=12 * DAY)
    seen = backup.see(kinds="certificate")
    assert seen["certificate/api.example.com"].expires.at == aws.clock.now() + 12 * DAY
    assert dict(seen["certificate/api.example.com"].attributes)["key_type"] == key_type
    assert seen.coverage[0].authoritative


def test_acme_born_certificate_is_found(aws, backup):
    """Certificates of origin ACME are asked for too."""
    aws.seed("certificate", "api.example.com", origin="ACME")
    assert "certificate/api.example.com" in backup.see(kinds="certificate").items


@pytest.mark.requirement("R30")
def test_wanted_certificate_has_chain_ids_and_owner(aws, backup):
    """The public PEM gives chain, serial and key identity; two certificates over one key show the same SPKI."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    aws.seed("certificate", "a.example.com", key=key, created=90 * DAY, rotated=20 * DAY)
    aws.seed("certificate", "b.example.com", key=key)
    seen = backup.see("certificate/a.example.com", "certificate/b.example.com", kinds="certificate")
    first, second = seen["certificate/a.example.com"], seen["certificate/b.example.com"]
    assert len(first.chain.certificates) == 2
    assert first.chain.leaf.names == ("a.example.com",)
    assert first.version == first.chain.leaf.serial
    assert (first.owner, first.lifecycle) == ("platform-oncall", "own")
    assert first.rotated.at == aws.clock.now() - 20 * DAY
    ids = [{i.scheme: i.value for i in item.ids} for item in (first, second)]
    assert ids[0]["spki-sha256"] == ids[1]["spki-sha256"]
    assert ids[0]["issuer-serial"] != ids[1]["issuer-serial"]


def test_certificate_by_id_and_ambiguous_domain(aws, backup):
    """A domain with several certificates must be named by id; of them one issued certificate stands for it."""
    ids = [aws.seed("certificate", "api.example.com", locator="id") for _ in range(2)]
    seen = backup.see("certificate/api.example.com", ids[0], kinds="certificate")
    assert seen["certificate/api.example.com"].presence == "ambiguous"
    assert "name one by its id" in seen["certificate/api.example.com"].error.message
    assert seen[ids[0]].presence == "present"
    aws.seed("certificate", "www.example.com", expires=-3 * DAY)
    aws.seed("certificate", "www.example.com")
    issued = backup.see("certificate/www.example.com")["certificate/www.example.com"]
    assert (issued.presence, issued.state) == ("present", "active")


def test_expired_and_pending_certificates_have_their_state(aws, backup):
    """EXPIRED is deactivated, PENDING_VALIDATION is not active yet and has no PEM to fetch."""
    aws.seed("certificate", "old.example.com", expires=-2 * DAY)
    aws.seed("certificate", "new.example.com", type="AMAZON_ISSUED", status="PENDING_VALIDATION")
    seen = backup.see("certificate/old.example.com", "certificate/new.example.com", kinds="certificate")
    assert seen["certificate/old.example.com"].state == "deactivated"
    assert seen["certificate/new.example.com"].state == "pre-activation"
    assert aws.world.calls()["acm:GetCertificate"] == 1


@pytest.mark.parametrize(("eligible", "lifecycle"), [("ELIGIBLE", "own"), ("INELIGIBLE", "unknown")])
def test_issued_certificate_renews_itself_only_when_eligible(aws, backup, eligible, lifecycle):
    """ACM renews what it issued while that is eligible; otherwise nobody is shown to."""
    aws.seed("certificate", "api.example.com", type="AMAZON_ISSUED", renewal_eligibility=eligible)
    assert backup.see(kinds="certificate")["certificate/api.example.com"].lifecycle == lifecycle


def test_unchanged_certificate_needs_the_list_only(aws, backup):
    """The second run makes no single read, until the day changes (tags leave no trace in the list)."""
    aws.seed("certificate", "api.example.com")
    first = backup.see("certificate/api.example.com", kinds="certificate")
    aws.world.reset_calls()
    second = backup.see("certificate/api.example.com", kinds="certificate", known=first.markers)
    assert second.unchanged == ["certificate/api.example.com"]
    assert aws.world.calls() == {"sts:AssumeRole": 1, "acm:ListCertificates": 1}
    aws.clock.advance(DAY)
    assert backup.see("certificate/api.example.com", kinds="certificate", known=first.markers).items


def test_missing_certificate_is_absent_by_a_complete_list(aws, backup):
    """ACM's list is authoritative: complete and without it means absent."""
    assert backup.see("certificate/none.example", kinds="certificate")["certificate/none.example"].presence == "absent"


def test_server_certificate_is_static_with_its_chain(aws, backup):
    """It cannot be renewed in place; dates and chain come from its PEM."""
    aws.seed("server-certificate", "old-elb", created=80 * DAY, rotated=None, expires=11 * DAY)
    seen = backup.see("server-certificate/old-elb", "server-certificate/none", kinds="server-certificate")
    item = seen["server-certificate/old-elb"]
    assert (item.lifecycle, item.created.at) == ("static", aws.clock.now() - 80 * DAY)
    assert item.expires.at == aws.clock.now() + 11 * DAY
    assert item.chain.leaf.names == ("old-elb",)
    assert seen["server-certificate/none"].presence == "absent"
    again = backup.see("server-certificate/old-elb", kinds="server-certificate", known=seen.markers)
    assert again.unchanged == ["server-certificate/old-elb"]


def test_parameters_are_metadata_only(aws, backup):
    """Version, writer, expiration policy, key and owner; the value is never asked for."""
    aws.seed("parameter", "/pay/key", fields={"v": "CANARY-VALUE"}, rotated=8 * DAY, expires=30 * DAY, kms={})
    aws.seed("parameter", "plain-name", rotated=None, created=40 * DAY)
    seen = backup.see("parameter//pay/key", "parameter/plain-name", "parameter//pay/none", kinds="parameter")
    item, first = seen["parameter//pay/key"], seen["parameter/plain-name"]
    now = aws.clock.now()
    assert (item.rotated.at, item.expires.at, item.version) == (now - 8 * DAY, now + 30 * DAY, "2")
    assert (item.lifecycle, item.owner, item.dependencies[0].usable) == ("own", "platform-oncall", True)
    assert (first.lifecycle, first.created.at, first.rotated) == ("static", now - 40 * DAY, None)
    assert seen["parameter//pay/none"].presence == "absent"
    assert "CANARY" not in str(seen.items)
    assert not any(name.startswith("ssm:Get") for name in aws.world.calls())


def test_parameter_with_a_path_may_be_named_without_its_slash(aws, backup):
    """``parameter/pay/key`` means ``/pay/key``, and is answered as it was asked."""
    aws.seed("parameter", "/pay/key")
    assert backup.see("parameter/pay/key")["parameter/pay/key"].presence == "present"


def test_unchanged_parameter_needs_the_list_only(aws, backup):
    """The second run asks for no tags."""
    aws.seed("parameter", "/pay/key")
    first = backup.see("parameter//pay/key", kinds="parameter")
    aws.world.reset_calls()
    assert backup.see("parameter//pay/key", kinds="parameter", known=first.markers).unchanged == ["parameter//pay/key"]
    assert aws.world.calls() == {"sts:AssumeRole": 1, "ssm:DescribeParameters": 1}
