"""Rights of roles and users: read through boto3, compiled as IAM evaluates them."""

import json
from typing import Any

import pytest

from nhisync.parity.rights import Rights, compare
from nhisync.spi import BOUNDARY, HELD, TRUST, TTL, Effect, ErrorKind, GrantFacts, Limit, Locator, Right, Syntax
from nhisync_aws.emulator.auth import iam
from nhisync_aws.granting import permissions_for
from nhisync_aws.rights import statements_of
from nhisync_aws.statements import Scope

SCOPE = Scope(region="eu-north-1", account="111122223333", partition="aws", batch=False)
BUCKET = "arn:aws:s3:::pay"
QUEUE = "arn:aws:sqs:eu-north-1:111122223333:pay"


def statement(action: Any, resource: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """One statement."""
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """One document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def rights(*statements: dict[str, Any], **more: Any) -> Rights:
    """What a document of these statements gives."""
    found, gaps = statements_of([("p", policy(*statements))], **more)
    return Rights(0, "aws", Syntax.GLOB, found, gaps=gaps)


def asked(source: Any, *names: str) -> list[GrantFacts]:
    """What the adapter says of the rights of these items."""
    wanted = [Locator("aws", *name.split("/", 1)) for name in names]
    return list(source.provider().grants(wanted, source.budget()))


def test_actions_meet_the_arns_of_their_own_service() -> None:
    """A statement over a bucket and a queue equals one for each; actions of other services keep every resource."""
    joint = rights(statement(["s3:GetObject", "sqs:SendMessage"], [f"{BUCKET}/*", QUEUE]))
    apart = rights(statement("s3:GetObject", f"{BUCKET}/*"), statement("sqs:SendMessage", QUEUE))
    assert compare(joint, apart) == ((), (), (), ())
    assert {r.resources for r in rights(statement("glue:Get*", [f"{BUCKET}/*", QUEUE])).rights} == {
        (f"{BUCKET}/*", QUEUE)
    }


def test_negations_conditions_and_variables_are_kept() -> None:
    """NotAction and NotResource are exceptions, conditions are words, what the identity fixes is filled in."""
    (found,) = rights(
        {
            "Effect": "Deny",
            "NotAction": "iam:*",
            "NotResource": "arn:aws:s3:::home/${aws:username}/*",
            "Condition": {"Bool": {"aws:SecureTransport": False}, "StringLike": {"s3:Prefix": ["b", "a"]}},
        },
        variables={"aws:username": "svc"},
    ).rights
    assert found == Right(
        Effect.DENY,
        ("*",),
        ("*",),
        ("iam:*",),
        ("arn:aws:s3:::home/svc/*",),
        ("Bool aws:securetransport=false", "StringLike s3:prefix=a|b"),
        HELD,
    )


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"Effect": "Allow", "Action": "*", "Resource": "*", "Magic": 1}, "Magic"),
        ({"Action": "*", "Resource": "*"}, "no effect"),
        ({"Effect": "Allow", "Resource": "*"}, "no action"),
        ({"Effect": "Allow", "Action": "*"}, "no resource"),
        ({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": "x"}}, "condition"),
        ("text", "no object"),
    ],
)
def test_what_has_no_meaning_is_a_gap(odd: Any, told: str) -> None:
    """A statement that cannot be understood gives no right and is said."""
    found, gaps = statements_of([("p", {"Statement": odd})])
    assert found == ()
    assert told in gaps[0]


@pytest.mark.requirement("R20")
def test_a_role_is_read_through_the_sdk(aws: Any, backup: Any) -> None:
    """Inline policies, boundary, trust and session limit of a role."""
    aws.seed(
        "role",
        "pay",
        policies={"own": policy(statement("s3:GetObject", f"{BUCKET}/*"))},
        boundary=policy(statement("s3:*")),
        max_session=7200,
    )
    (facts,) = asked(backup, "role/pay")
    assert facts.error is None
    assert facts.gaps == ()
    assert {right.layer for right in facts.rights} == {HELD, BOUNDARY, TRUST}
    assert Right(Effect.ALLOW, ("s3:GetObject",), (f"{BUCKET}/*",)) in facts.rights
    assert facts.limits == (Limit(TTL, "7200"),)


@pytest.mark.requirement("R20")
def test_a_user_has_the_policies_of_its_groups(aws: Any, backup: Any) -> None:
    """Inline, attached and group policies of the user behind a key."""
    aws.seed("access-key", "svc", policies={"own": policy(statement("sqs:*", QUEUE))})
    backend = iam(aws.world.account_of("backup", "aws"))
    backend.create_group("ops")
    backend.put_group_policy("ops", "more", json.dumps(policy(statement("kms:Decrypt"))))
    backend.add_user_to_group("ops", "svc")
    attached = backend.create_policy("pay-read", "/", json.dumps(policy(statement("s3:Get*"))), "", [])
    backend.attach_user_policy(attached.arn, "svc")
    (facts,) = asked(backup, "access-key/svc")
    assert facts.error is None
    assert {action for right in facts.rights for action in right.actions} == {"sqs:*", "kms:Decrypt", "s3:Get*"}


def test_kinds_without_rights_and_denials(aws: Any, backup: Any) -> None:
    """A stored secret holds no rights at AWS; without the list nothing is known, and what is missing is named."""
    aws.seed("role", "pay")
    aws.world.fault("backup", "aws", "denied", action="iam:GetAccountAuthorizationDetails")
    secret, role = asked(backup, "role/pay", "secret/pay")  # what needs no asking comes first
    assert role.error is not None
    assert secret.error is not None
    assert (role.error.kind, role.error.action) == (ErrorKind.DENIED.value, "iam:GetAccountAuthorizationDetails")
    assert secret.error.kind == ErrorKind.UNSUPPORTED.value


def test_the_document_holds_only_what_rights_need() -> None:
    """Named roles are narrowed to their ARNs; items without rights need none."""
    (document,) = permissions_for((Locator("aws", "role", "pay"),), frozenset(), SCOPE)
    assert document.actions == ("iam:GetAccountAuthorizationDetails", "iam:GetRole")
    assert "role/*pay" in document.text
    assert permissions_for((Locator("aws", "secret", "pay"),), frozenset({"secret"}), SCOPE) == ()


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("lost", ["", "iam:GetAccountAuthorizationDetails", "iam:GetRole"])
def test_the_printed_documents_suffice_line_by_line(aws: Any, backup: Any, lost: str) -> None:
    """With exactly the rights document the rights of a role are known; with one action less the denial names it."""
    aws.seed("role", "pay")
    wanted = (Locator("aws", "role", "pay"),)
    (printed,) = backup.provider().grant_permissions(wanted, frozenset())
    document = json.loads(printed.text)
    for one in document["Statement"]:
        one["Action"] = [action for action in one["Action"] if action != lost] or ["sts:GetCallerIdentity"]
    with aws.world._running.cloud.lock:
        role = iam(aws.world.account_of("backup", "aws")).get_role("nhisync-backup-aws")
        role.policies.clear()
        role.put_policy("nhisync", json.dumps(document))
    (facts,) = asked(backup, "role/pay")
    assert (facts.error.action if facts.error else "") == lost
