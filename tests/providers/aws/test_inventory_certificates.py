"""What the adapter says about certificates and parameters, over real HTTP."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from nhisync.spi import AccessMode, CheckState

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


KINDS = [("certificate", "api.example.com"), ("server-certificate", "old-elb")]


@pytest.mark.requirement("R30")
@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.parametrize(
    ("options", "builds", "known", "surplus"),
    [
        ({}, True, True, 0),
        ({"chain": "none"}, False, False, 0),
        ({"chain": "surplus"}, True, True, 1),
        ({"root": "unknown"}, False, False, 0),
        ({"issuer_expires": -DAY}, False, False, 0),
    ],
)
def test_chain_of_a_named_certificate_is_verified(aws, backup, kind, name, options, builds, known, surplus):
    """What ACM and IAM keep is verified with the source's roots, as a served chain is; family 6 judges it."""
    aws.seed(kind, name, **options)
    chain = backup.see(f"{kind}/{name}", kinds=kind)[f"{kind}/{name}"].chain
    assert (chain.builds, chain.builds_with_known, chain.surplus) == (builds, known, surplus)
    assert (chain.anchor == "CN=nhisync emulated AWS root") is builds
    assert bool(chain.problem) is not builds


def pems(aws) -> dict[str, str]:
    """ARN and PEMs of the only certificate."""
    acm = aws.client("acm", aws.session())
    (row,) = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    return {**acm.get_certificate(CertificateArn=row["CertificateArn"]), "arn": row["CertificateArn"]}


def test_missing_intermediate_is_told_from_a_broken_chain(aws, backup, tmp_path):
    """Known to the source, not kept with the certificate: every client would have to know it, too."""
    aws.seed("certificate", "a.example.com")
    whole = aws.client("acm", aws.session())
    arn = whole.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"][0][
        "CertificateArn"
    ]
    known = tmp_path / "known.pem"
    known.write_text(whole.get_certificate(CertificateArn=arn)["CertificateChain"])
    aws.world._running.cloud.account(arn.split(":")[4]).certificate_facts[arn]["chain_pem"] = ""
    seen = backup.see("certificate/a.example.com", intermediates_file=str(known))["certificate/a.example.com"]
    assert (seen.chain.builds, seen.chain.builds_with_known) == (False, True)


def test_tail_behind_the_trusted_root_is_aws_own(aws, backup):
    """ACM's own certificates come with the root in an older form, which nobody can leave out; of an import it shows."""
    aws.seed("certificate", "own.example.com", type="AMAZON_ISSUED", chain="aws")
    aws.seed("certificate", "import.example.com", chain="aws")
    seen = backup.see("certificate/own.example.com", "certificate/import.example.com", kinds="certificate")
    own, imported = (seen[f"certificate/{name}.example.com"].chain for name in ("own", "import"))
    assert (own.builds, own.surplus, len(own.certificates)) == (True, 0, 2)
    assert (imported.builds, imported.surplus, len(imported.certificates)) == (True, 1, 3)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), ("x", "no PEM"), ("leaf", "no self-signed certificate authority")],
)
def test_unusable_roots_verify_nothing_and_lose_nothing(aws, backup, tmp_path, content, problem):
    """The chain is described, "not verified" says why, and doctor fails the check."""
    aws.seed("certificate", "api.example.com")
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_text(pems(aws)["Certificate"] if content == "leaf" else content)
    item = backup.see("certificate/api.example.com", trust_file=str(file))["certificate/api.example.com"]
    assert (item.presence, item.chain.builds, item.chain.leaf.names) == ("present", None, ("api.example.com",))
    assert problem in item.chain.problem
    provider = backup.provider(trust_file=str(file))
    wanted = (backup.locator("certificate/api.example.com"),)
    checks = {c.name: c for c in provider.examine(AccessMode.READ, wanted, frozenset(), backup.budget())}
    assert (checks["trust"].state, problem in checks["trust"].observed) == (CheckState.FAILED, True)


def test_doctor_names_the_roots_of_certificate_sources_only(aws, backup):
    """Who names no certificate needs no roots."""
    aws.seed("certificate", "api.example.com")
    for name, expected in (("certificate/api.example.com", "1 roots from trust_file"), ("secret/x", None)):
        wanted = (backup.locator(name),)
        found = backup.provider().examine(AccessMode.READ, wanted, frozenset(), backup.budget())
        assert {c.name: c.observed for c in found}.get("trust") == expected


def test_system_roots_are_the_default(aws, backup):
    """Without trust_file the operating system's roots count, which a private authority does not have."""
    aws.seed("certificate", "api.example.com")
    chain = backup.see("certificate/api.example.com", trust_file=None)["certificate/api.example.com"].chain
    assert chain.builds is not True


def test_other_roots_verify_again(aws, backup, tmp_path):
    """An unchanged certificate is read again when the roots are others: its result rested on them."""
    aws.seed("certificate", "api.example.com")
    aws.seed("server-certificate", "old-elb")
    wanted = ("certificate/api.example.com", "server-certificate/old-elb")
    first = backup.see(*wanted, kinds="certificate server-certificate")
    roots = Path(aws.documents["backup", "aws"]["trust_file"]).read_text()
    other = tmp_path / "roots.pem"
    other.write_text(roots)
    again = backup.see(*wanted, kinds="certificate server-certificate", known=first.markers, trust_file=str(other))
    assert sorted(again.unchanged) == sorted(wanted), "the same roots in another file"
    stranger = aws.world._running.cloud.authorities.stranger.certificate
    other.write_text(roots + stranger.public_bytes(Encoding.PEM).decode())
    changed = backup.see(*wanted, kinds="certificate server-certificate", known=first.markers, trust_file=str(other))
    assert (changed.unchanged, sorted(changed.items)) == ([], sorted(wanted))


def test_chains_cost_one_call_for_each_certificate_that_a_pair_names(aws, backup):
    """Ten certificates in the list, two named: two PEMs, two tag lists, and never a private key."""
    for number in range(10):
        aws.seed("certificate", f"n{number}.example.com")
    aws.world.reset_calls()
    backup.see("certificate/n1.example.com", "certificate/n2.example.com", kinds="certificate")
    assert aws.world.calls() == {
        "sts:AssumeRole": 1,
        "acm:ListCertificates": 1,
        "acm:GetCertificate": 2,
        "acm:ListTagsForCertificate": 2,
    }


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


@pytest.mark.parametrize("status", ["PENDING_VALIDATION", "VALIDATION_TIMED_OUT", "FAILED"])
def test_request_that_made_no_certificate_has_no_pem_to_fetch(aws, backup, status):
    """Pending, timed out and failed requests are seen as they are listed; AWS hands out nothing more."""
    aws.seed("certificate", "new.example.com", type="AMAZON_ISSUED", status=status)
    seen = backup.see("certificate/new.example.com", kinds="certificate")["certificate/new.example.com"]
    assert (seen.presence, seen.expires) == ("present", None)
    assert dict(seen.attributes)["status"] == status.lower()
    assert aws.world.calls()["acm:GetCertificate"] == 0


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
