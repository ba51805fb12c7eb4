"""IAM Roles Anywhere of the emulator, through real boto3 over HTTP."""

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator.authority import Authorities, pem


def refused(call, **params) -> tuple[str, int]:
    """Code and HTTP status of the ClientError that `call` must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def authorities():
    """Roots around the worlds' instant."""
    return Authorities(FakeClock().now())


@pytest.fixture
def bundle(authorities) -> dict:
    """A source of trust: one root as PEM."""
    data = {"x509CertificateData": pem(authorities.root.certificate)}
    return {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": data}


@pytest.fixture
def anywhere(admin):
    """Roles Anywhere with a user who may do everything."""
    return admin("rolesanywhere")


def test_anchor_is_made_shown_switched_and_deleted(aws, anywhere, bundle):
    """What was given comes back, with ARN and dates; enable and disable move `enabled` and updatedAt."""
    made = anywhere.create_trust_anchor(name="corp", source=bundle, enabled=True)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    anchor = made["trustAnchor"]
    assert (anchor["source"], anchor["enabled"], anchor["createdAt"]) == (bundle, True, aws.clock.now())
    assert anchor["trustAnchorArn"].endswith(f":trust-anchor/{anchor['trustAnchorId']}")
    one = {"trustAnchorId": anchor["trustAnchorId"]}
    assert anywhere.disable_trust_anchor(**one)["trustAnchor"]["enabled"] is False
    assert anywhere.enable_trust_anchor(**one)["trustAnchor"]["enabled"] is True
    assert anywhere.update_trust_anchor(**one, name="other")["trustAnchor"]["name"] == "other"
    assert anywhere.get_trust_anchor(**one)["trustAnchor"]["name"] == "other"
    anywhere.delete_trust_anchor(**one)
    assert refused(anywhere.get_trust_anchor, **one) == ("ResourceNotFoundException", 404)


def test_lists_come_in_pages_and_are_regional(admin, anywhere):
    """Page sizes are honoured, foreign tokens are refused, another Region knows nothing of it."""
    for number in range(5):
        anywhere.create_profile(name=f"p{number}", roleArns=["arn:aws:iam::111122223333:role/task"], enabled=True)
    pages = list(anywhere.get_paginator("list_profiles").paginate(pageSize=2))
    assert [len(page["profiles"]) for page in pages] == [2, 2, 1]
    assert [p["name"] for page in pages for p in page["profiles"]] == [f"p{number}" for number in range(5)]
    token = anywhere.list_profiles(pageSize=2)["nextToken"]
    assert refused(anywhere.list_crls, nextToken=token) == ("ValidationException", 400)
    away = admin("rolesanywhere", "eu-west-1")
    assert away.list_profiles()["profiles"] == away.list_trust_anchors()["trustAnchors"] == []


def test_revocation_list_must_be_one(aws, anywhere, authorities, bundle):
    """A signed list comes back as it was given; anything else is refused, like an anchor that trusts nothing."""
    root, now = authorities.root, aws.clock.now()
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
    builder = builder.last_update(now).next_update(now.replace(year=now.year + 1))
    data = builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    anchor = anywhere.create_trust_anchor(name="corp", source=bundle)["trustAnchor"]["trustAnchorArn"]
    anywhere.import_crl(name="gone", crlData=data, trustAnchorArn=anchor, enabled=True)
    (row,) = anywhere.list_crls()["crls"]
    assert (row["crlData"], row["trustAnchorArn"]) == (data, anchor)
    assert refused(anywhere.import_crl, name="odd", crlData=b"x", trustAnchorArn=anchor)[0] == "ValidationException"
    for source in (
        {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": "x"}},
        {
            "sourceType": "AWS_ACM_PCA",
            "sourceData": {"acmPcaArn": "arn:aws:acm-pca:eu-north-1:1:certificate-authority/x"},
        },
    ):
        assert refused(anywhere.create_trust_anchor, name="odd", source=source)[0] == "ValidationException"


def test_rights_and_signatures_hold_for_rest_as_well(aws, anywhere, bundle):
    """A right on one anchor opens no other one; a wrong key is told apart; what is not emulated is unknown."""
    first, second = (anywhere.create_trust_anchor(name=n, source=bundle)["trustAnchor"] for n in ("one", "two"))
    arn = first["trustAnchorArn"]
    statement = {"Effect": "Allow", "Action": "rolesanywhere:GetTrustAnchor", "Resource": arn}
    aws.source("backup", "narrow", auth="keys_file", policy={"Statement": [statement]}, account=arn.split(":")[4])
    keys = aws.keys("backup", "narrow")
    narrow = aws.client("rolesanywhere", keys)
    assert narrow.get_trust_anchor(trustAnchorId=first["trustAnchorId"])["trustAnchor"]["name"] == "one"
    assert refused(narrow.get_trust_anchor, trustAnchorId=second["trustAnchorId"])[0] == "AccessDeniedException"
    assert refused(narrow.list_trust_anchors, pageSize=5)[0] == "AccessDeniedException"
    forged = aws.client("rolesanywhere", {**keys, "aws_secret_access_key": "wrong"})
    assert refused(forged.list_trust_anchors, pageSize=5)[0] == "InvalidSignatureException"
    assert refused(anywhere.list_subjects) == ("UnknownOperationException", 404)
