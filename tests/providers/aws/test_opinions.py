"""What IAM's simulator would allow: asked through boto3 about roles and users, with the printed document."""

import json
from typing import Any

import pytest

from nhisync.model import Effect, Right
from nhisync.parity.rights import Rights, decided, questions
from nhisync.spi import ErrorKind, Locator, OpinionFacts, Question, Said, Syntax
from nhisync_aws.emulator.auth import iam
from nhisync_aws.opinions import permissions_for
from nhisync_aws.provider import AwsProvider

from .test_rights import BUCKET, QUEUE, SCOPE, policy, statement

READ = Question("s3:GetObject", f"{BUCKET}/x")
WRITE = Question("s3:PutObject", f"{BUCKET}/x")
SEND = Question("sqs:SendMessage", QUEUE)
ROLE = Locator("aws", "role", "pay")
ALL = [READ, WRITE, SEND]


@pytest.fixture
def backup(source_of: Any) -> Any:
    """A source whose identity may ask the simulator."""
    return source_of(opinions=True)


def heard(source: Any, asked: list[Question], *items: Locator) -> list[OpinionFacts]:
    """What the adapter says of the same questions about each item."""
    return list(source.provider().opinions(dict.fromkeys(items or (ROLE,), asked), source.budget()))


def said(source: Any, asked: list[Question], *items: Locator) -> list[str]:
    """The words of one opinion."""
    (facts,) = heard(source, asked, *items)
    assert facts.error is None
    assert [one for one, _ in facts.answers] == asked
    return [word.value for _, word in facts.answers]


@pytest.mark.requirement("R20")
def test_a_role_is_asked_about_with_its_boundary(aws: Any, backup: Any) -> None:
    """What its policy allows and its boundary leaves; one call for each resource, and one for its ARN."""
    own = policy(statement("s3:*", f"{BUCKET}/*"), statement("sqs:SendMessage", QUEUE))
    aws.seed("role", "pay", policies={"own": own}, boundary=policy(statement(["s3:GetObject", "sqs:*"])))
    aws.world.reset_calls()
    assert said(backup, ALL) == ["allowed", "denied", "allowed"]
    calls = aws.world.calls("backup", "aws")
    assert (calls["iam:SimulatePrincipalPolicy"], calls["iam:GetRole"]) == (2, 1)


def test_a_user_is_asked_about_with_its_groups(aws: Any, backup: Any) -> None:
    """The key's user, and what its groups add."""
    aws.seed("access-key", "svc", policies={"own": policy(statement("s3:GetObject"))})
    backend = iam(aws.world.account_of("backup", "aws"))
    backend.create_group("ops")
    backend.put_group_policy("ops", "more", json.dumps(policy(statement("sqs:SendMessage"))))
    backend.add_user_to_group("ops", "svc")
    assert said(backup, ALL, Locator("aws", "access-key", "svc")) == ["allowed", "denied", "allowed"]


def test_known_context_is_given_and_other_keys_leave_it_open(aws: Any, backup: Any) -> None:
    """Region and TLS are known here; from which network a request comes is not, whatever the policy says of it."""
    here = {"StringEquals": {"aws:RequestedRegion": "eu-north-1"}, "Bool": {"aws:SecureTransport": "true"}}
    network = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    own = policy(
        statement("s3:GetObject", Condition=here),
        statement("s3:PutObject", Condition=network),
        statement("sqs:*"),
        statement("sqs:SendMessage", effect="Deny", Condition={"NotIpAddress": network["IpAddress"]}),
    )
    aws.seed("role", "pay", policies={"own": own})
    assert said(backup, ALL) == ["allowed", "unknown", "unknown"]


@pytest.mark.requirement("R20")
def test_a_denial_of_the_organisation_is_doubted(aws: Any, backup: Any) -> None:
    """It contradicts what the documents allow, and proves nothing by itself: keys it misses are not reported."""
    aws.seed("role", "pay", policies={"own": policy(statement("s3:*"))})
    closed = policy(statement("*"), statement("s3:Put*", effect="Deny"))
    aws.world.fault("backup", "aws", "organisation", policies=(closed,))
    assert said(backup, ALL) == ["allowed", "doubted", "denied"]


def test_what_is_no_resource_is_not_asked(aws: Any, backup: Any) -> None:
    """The simulator knows ARNs and everything; the rest is unknown, and costs nothing."""
    aws.seed("role", "pay", policies={"own": policy(statement("*"))})
    aws.world.reset_calls()
    odd = [Question("s3:GetObject", "pay/x"), Question("s3:GetObject", "arn:aws")]
    assert said(backup, odd) == ["unknown", "unknown"]
    assert aws.world.calls("backup", "aws")["iam:SimulatePrincipalPolicy"] == 0
    assert said(backup, [Question("sts:AssumeRole", "*")]) == ["allowed"]


def test_kinds_without_rights_have_no_opinion(aws: Any, backup: Any) -> None:
    """A stored secret is no identity; a role that is gone is not found."""
    secret, gone = heard(backup, ALL, Locator("aws", "secret", "pay"), ROLE)
    assert secret.error is not None
    assert gone.error is not None
    assert (secret.error.kind, gone.error.kind) == (ErrorKind.UNSUPPORTED.value, ErrorKind.NOT_FOUND.value)


def test_a_question_that_iam_refuses_is_unknown(aws: Any, backup: Any) -> None:
    """An action without a service ends no other question."""
    aws.seed("role", "pay", policies={"own": policy(statement("*"))})
    assert said(backup, [Question("get", f"{BUCKET}/x"), SEND]) == ["unknown", "allowed"]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("lost", ["", "iam:SimulatePrincipalPolicy", "iam:GetRole"])
def test_the_printed_document_suffices_line_by_line(aws: Any, backup: Any, lost: str) -> None:
    """With exactly the document a role is asked about; with one action less the denial names it."""
    aws.seed("role", "pay")
    (printed,) = backup.provider().opinion_permissions((ROLE,), frozenset())
    document = json.loads(printed.text)
    for one in document["Statement"]:
        one["Action"] = [action for action in one["Action"] if action != lost]
    with aws.world._running.cloud.lock:
        role = iam(aws.world.account_of("backup", "aws")).get_role("nhisync-backup-aws")
        role.policies.clear()
        role.put_policy("nhisync", json.dumps(document))
    (facts,) = heard(backup, ALL)
    assert (facts.error.action if facts.error else "") == lost


def test_the_document_holds_only_what_questions_need() -> None:
    """Named roles and users are narrowed to their ARNs; items without rights need none."""
    user = Locator("aws", "access-key", "svc/AKIA")
    (document,) = permissions_for((ROLE, user), frozenset(), SCOPE)
    assert document.actions == ("iam:GetRole", "iam:GetUser", "iam:SimulatePrincipalPolicy")
    assert "role/*pay" in document.text
    assert "user/*svc" in document.text
    assert permissions_for((Locator("aws", "secret", "pay"),), frozenset({"secret"}), SCOPE) == ()


@pytest.mark.requirement("R20")
def test_documents_and_simulator_agree(aws: Any, backup: Any) -> None:
    """Every question that its own documents answer is answered alike by IAM, boundary and exceptions included."""
    own = policy(
        statement("s3:*", [f"{BUCKET}/*", f"{BUCKET}-?/x"]),
        statement("s3:Put*", f"{BUCKET}/closed/*", effect="Deny"),
        {"Effect": "Deny", "NotAction": ["s3:*", "sqs:*"], "NotResource": "arn:aws:sns:*:*:ops"},
        statement("sqs:SendMessage", QUEUE),
    )
    aws.seed("role", "pay", policies={"own": own}, boundary=policy(statement(["s3:Get*", "s3:PutObject", "sqs:*"])))
    (facts,) = backup.provider().grants((ROLE,), backup.budget())
    assert facts.gaps == ()
    rights = Rights(0, facts.scheme, facts.syntax, facts.rights)
    other = Rights(0, "aws", Syntax.GLOB, (Right(Effect.ALLOW, ("sns:Publish",), ("arn:aws:sns:eu-north-1:1:ops",)),))
    asked = [one for one, _ in questions(rights, other, AwsProvider.info.examples)]
    (opinion,) = heard(backup, asked)
    told = dict(opinion.answers)
    assert {decided(rights, one) is word for one, word in told.items()} == {True}
    assert set(told.values()) == {Said.ALLOWED, Said.DENIED}
