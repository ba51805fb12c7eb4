"""The pure parts of adapter and emulator: error translation, policy evaluation, pages, threads, secret facts."""

import datetime as dt

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import ErrorKind, ProviderError
from nhisync_aws.emulator.policy import Effect, Query, evaluate, trusts
from nhisync_aws.errors import Called, TruncatedError, translate, translate_code
from nhisync_aws.values import _entries

CALLED = Called("secretsmanager:DescribeSecret", 400, "req-1")


def answer(code: str, status: int = 400, message: str = "", **headers: str) -> sdk.ClientError:
    """A ClientError as botocore builds it."""
    metadata = {"HTTPStatusCode": status, "RequestId": "req-2", "HTTPHeaders": headers}
    return sdk.ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "Op")


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("SignatureDoesNotMatch", 403, "Signature expired: 20261128T010000Z is now earlier than 20261128T010500Z"),
        ("InvalidSignatureException", 400, "Signature not yet current: 20261128T010000Z is still later than"),
        ("RequestExpired", 400, "Request has expired."),
        ("RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."),
    ],
)
def test_a_refusal_of_the_time_judges_no_credential(code, status, text):
    """A clock that is off is neither a wrong key nor a missing permission, whatever code AWS chooses."""
    error = translate(answer(code, status, text), CALLED)
    assert error.kind is ErrorKind.AUTH_FAILED
    assert "this machine's clock is off" in error.message
    assert "not judged" in error.fix
    assert "Signature" not in f"{error.message} {error.fix}"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidClientTokenId", 403, "auth_failed"),
        ("SignatureDoesNotMatch", 403, "auth_failed"),
        ("UnrecognizedClientException", 400, "auth_failed"),
        ("ExpiredTokenException", 400, "auth_failed"),
        ("AccessDenied", 403, "denied"),
        ("AccessDeniedException", 400, "denied"),
        ("403", 403, "denied"),
        ("ResourceNotFoundException", 400, "not_found"),
        ("NoSuchEntity", 404, "not_found"),
        ("NotFoundException", 400, "not_found"),
        ("InvalidRequestException", 400, "conflict"),
        ("ReportInProgress", 404, "conflict"),
        ("LimitExceeded", 409, "quota"),
        ("LimitExceededException", 400, "quota"),
        ("ThrottlingException", 400, "throttled"),
        ("Throttling", 400, "throttled"),
        ("TooManyRequestsException", 429, "throttled"),
        ("Whatever", 429, "throttled"),
        ("DecryptionFailure", 400, "crypto_unavailable"),
        ("KMSInvalidStateException", 400, "crypto_unavailable"),
        ("DisabledException", 400, "crypto_unavailable"),
        ("InternalServiceError", 500, "unreachable"),
        ("ServiceUnavailable", 503, "unreachable"),
        ("InvalidNextTokenException", 400, "malformed"),
        ("ValidationException", 400, "misconfigured"),
        ("NotImplemented", 501, "unsupported"),
        ("com.amazonaws.x#ThrottlingException", 400, "throttled"),
        ("SomethingNew", 400, "misconfigured"),
    ],
)
def test_codes_have_their_kind(code, status, kind):
    """The table of the README: error code first, HTTP status for what is not listed."""
    error = translate(answer(code, status), CALLED)
    assert error.kind == kind
    assert error.fact.request_id == "req-2"
    assert CALLED.name in error.message


def test_replica_refusal_is_the_read_only_side():
    """AWS refuses changes of replicas in prose under a general code."""
    text = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
    assert translate(answer("InvalidParameterException", message=text), CALLED).kind is ErrorKind.READ_ONLY_SIDE


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, dt.timedelta(seconds=7)),
        ({"x-amz-retry-after": "1500"}, dt.timedelta(seconds=1.5)),
        ({"retry-after": "9" * 30}, None),
        ({"x-amz-retry-after": "9" * 5000}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_kept(headers, wait):
    """Seconds of the standard header, milliseconds of AWS's own."""
    assert translate(answer("ThrottlingException", 400, "", **headers), CALLED).fact.retry_after == wait


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("because no identity-based policy allows the x:Y action", "no identity-based policy allows it"),
        ("because no session policy allows the x:Y action", "no session policy allows it"),
        ("because no permissions boundary allows the x:Y action", "no permissions boundary allows it"),
        ("with an explicit deny in a service control policy", "an explicit deny in its service control policy"),
        ("with an explicit deny in a VPC endpoint policy", "an explicit deny in its VPC endpoint policy"),
        ("with an explicit deny", "an explicit deny"),
        ("because SECRET-text of somebody", ""),
        ("", ""),
    ],
)
def test_denials_are_taken_apart(why, reason):
    """Principal, action, resource and AWS's reason in our words; free text is never passed on."""
    who = "arn:aws:sts::111122223333:assumed-role/nhisync/n"
    text = f"User: {who} is not authorized to perform: x:Y on resource: arn:aws:x:eu-north-1:111122223333:z/a {why}"
    fact = translate(answer("AccessDeniedException", message=text.strip()), CALLED).fact
    assert (fact.principal, fact.action, fact.reason) == (who, "x:Y", reason)
    assert fact.resource == "arn:aws:x:eu-north-1:111122223333:z/a"
    assert "SECRET" not in str(fact)


def test_denial_without_the_sentence_names_the_call():
    """Another wording (an old service, a proxy) still says which call was denied, and nothing of the text."""
    error = translate(answer("AccessDenied", 403, "SECRET prose"), CALLED)
    assert (error.kind, error.fact.action, error.fact.resource) == (ErrorKind.DENIED, CALLED.name, "")
    assert "SECRET" not in f"{error} {error.fact}"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sdk.ConnectTimeoutError(endpoint_url="https://x"), "unreachable"),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), "unreachable"),
        (sdk.EndpointConnectionError(endpoint_url="https://x"), "unreachable"),
        (sdk.ConnectionClosedError(endpoint_url="https://x"), "unreachable"),
        (sdk.ProxyConnectionError(proxy_url="http://user:SECRET@proxy"), "unreachable"),
        (sdk.SSLError(endpoint_url="https://x", error="SECRET"), "unreachable"),
        (sdk.ParamValidationError(report="SECRET"), "misconfigured"),
        (sdk.NoCredentialsError(), "auth_failed"),
        (TruncatedError(), "malformed"),
        (ResponseParserError("SECRET"), "malformed"),
        (ValueError("SECRET"), "malformed"),
    ],
)
def test_sdk_failures_are_typed_and_silent(error, kind):
    """No SDK text is passed on: it can hold parameters, proxies with passwords, bodies."""
    found = translate(error, Called("x:Y", 200))
    assert found.kind == kind
    assert "SECRET" not in f"{found} {found.fact}"


def test_lost_connection_names_the_host_and_nothing_else_of_the_url():
    """Where, for the person who debugs the route; user, path and query of the URL stay out."""
    found = translate(sdk.ConnectTimeoutError(endpoint_url="https://u:SECRET@aws.example:8443/SECRET?x=SECRET"), CALLED)
    assert found.fact.resource == "https://aws.example:8443"
    assert "https://aws.example:8443" in found.fix
    assert "SECRET" not in f"{found} {found.fact} {found.fix}"


def test_unreadable_body_of_a_server_fault_is_unreachable():
    """A non-XML 500 of a query service is a server fault, not a strange answer."""
    assert translate(ResponseParserError("x"), Called("iam:ListUsers", 500)).kind is ErrorKind.UNREACHABLE


def test_typed_errors_pass_through():
    """What is typed already is not wrapped again."""
    error = ProviderError(ErrorKind.THROTTLED, "over")
    assert translate(error, CALLED) is error


def test_error_inside_a_good_answer_is_typed():
    """Batch calls report single items with a code."""
    assert translate_code("ResourceNotFoundException", "x", CALLED).kind is ErrorKind.NOT_FOUND
    assert translate_code("AccessDeniedException", "x", CALLED).kind is ErrorKind.DENIED


ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}
DENY = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/closed"}


@pytest.mark.parametrize(
    ("action", "resource", "effect"),
    [
        ("s3:GetObject", "arn:aws:s3:::b/open", Effect.ALLOWED),
        ("S3:getobject", "arn:aws:s3:::b/open", Effect.ALLOWED),
        ("s3:PutObject", "arn:aws:s3:::b/open", Effect.IMPLICIT_DENY),
        ("s3:GetObject", "arn:aws:s3:::c/open", Effect.IMPLICIT_DENY),
        ("s3:GetObject", "arn:aws:s3:::b/closed", Effect.EXPLICIT_DENY),
    ],
)
def test_policy_evaluation(action, resource, effect):
    """Explicit deny, then allow, else implicit deny; actions without letter case, resources with it."""
    document = {"Statement": [ALLOW, DENY]}
    assert evaluate([document], Query(action, resource, {})) is effect


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}, {"aws:requestedregion": "eu-north-1"}, True),
        ({"StringEquals": {"aws:RequestedRegion": ["a", "eu-north-1"]}}, {"aws:requestedregion": "eu-north-1"}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}, {"aws:requestedregion": "eu-west-1"}, False),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, {}, False),
        ({"StringNotEquals": {"aws:RequestedRegion": ["a", "b"]}}, {"aws:requestedregion": "a"}, False),
        ({"StringLike": {"aws:PrincipalArn": "arn:*:role/x"}}, {"aws:principalarn": "arn:aws:role/x"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "10.1.1.1"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "11.1.1.1"}, False),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "11.1.1.1"}, True),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, {}, True),
        ({"StringNotLike": {"aws:PrincipalArn": "arn:*"}}, {"aws:principalarn": "arn:x"}, False),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, {}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, {"aws:sourcevpc": "vpc-2"}, False),
        ({"StringEqualsIgnoreCase": {"aws:username": "SVC"}}, {"aws:username": "svc"}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {"aws:tokenissuetime": "1"}, False),
        ({"Null": {"aws:TokenIssueTime": False}}, {"aws:tokenissuetime": "1"}, True),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3:max-keys": "10"}, True),
        ({"NumericLessThan": {"s3:max-keys": "10"}}, {"s3:max-keys": "many"}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {"aws:currenttime": "2026-06-01"}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {"aws:currenttime": "1790000000"}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:tagkeys": ("a", "b")}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:tagkeys": ("a", "c")}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:tagkeys": ("c", "a")}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {}, False),
        ({"StringSounds": {"aws:username": "svc"}}, {"aws:username": "svc"}, False),
        ({"ForSome:StringEquals": {"aws:username": "svc"}}, {"aws:username": "svc"}, False),
    ],
)
def test_conditions_and_unknown_operators(condition, context, allowed):
    """Known operators are evaluated; an unknown one never grants."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    found = evaluate([{"Statement": statement}], Query("x:Y", "*", context))
    assert (found is Effect.ALLOWED) is allowed


def test_unknown_operator_of_a_deny_denies():
    """A Deny whose condition is not understood denies: a gap shows as a denial, never as a grant."""
    wide = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    odd = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringSounds": {"aws:SourceIp": "1"}}}
    assert evaluate([{"Statement": [wide, odd]}], Query("x:Y", "*", {})) is Effect.EXPLICIT_DENY


def test_not_action_and_not_resource():
    """Complements allow everything but what they name."""
    document = {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:x"}}
    assert evaluate([document], Query("s3:A", "arn:y", {})) is Effect.ALLOWED
    assert evaluate([document], Query("iam:A", "arn:y", {})) is Effect.IMPLICIT_DENY
    assert evaluate([document], Query("s3:A", "arn:x", {})) is Effect.IMPLICIT_DENY


def test_trust_names_accounts_users_and_denies():
    """A whole account, one principal, everybody; a Deny wins."""
    user = "arn:aws:iam::111122223333:user/u"
    query = Query("sts:AssumeRole", "arn:role", {})

    def policy(principal, effect="Allow"):
        return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}

    for principal in ("*", {"AWS": user}, {"AWS": "111122223333"}, {"AWS": ["x", "arn:aws:iam::111122223333:root"]}):
        assert trusts({"Statement": policy(principal)}, user, query)
    assert not trusts({"Statement": policy({"AWS": "arn:aws:iam::999999999999:root"})}, user, query)
    assert not trusts({"Statement": policy({"Service": "ec2.amazonaws.com"})}, user, query)
    assert not trusts({"Statement": [policy("*"), policy({"AWS": user}, "Deny")]}, user, query)


@given(st.lists(st.sampled_from([ALLOW, DENY]), max_size=6), st.sampled_from(["open", "closed"]))
def test_a_deny_always_wins_and_order_never_matters(statements, name):
    """Whatever the order of statements, the effect is the same, and one matching Deny is enough."""
    query = Query("s3:GetObject", f"arn:aws:s3:::b/{name}", {})
    found = evaluate([{"Statement": statements}], query)
    assert found is evaluate([{"Statement": statements[::-1]}], query)
    if DENY in statements and name == "closed":
        assert found is Effect.EXPLICIT_DENY
    if not statements:
        assert found is Effect.IMPLICIT_DENY


@pytest.mark.parametrize("listed", [None, "CANARY", {"Name": "a"}, 7])
def test_odd_entries_of_a_batch_answer_are_left_out(listed):
    """What is no list of entries holds none, and an odd entry costs no other one."""
    assert _entries(listed) == []
    assert _entries([listed, {"Name": "pay/a"}]) == ([] if not isinstance(listed, dict) else [listed]) + [
        {"Name": "pay/a"}
    ]
