"""The doctor warns when the identity may change what its mode leaves alone, and says so when that is not known."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import BOUNDARY, AccessMode, CheckState, Effect, Locator, Right
from nhisync_aws.permissions import documents
from nhisync_aws.statements import Scope
from nhisync_aws.surplus import _CHANGES, NAME, _identity, may

ALL = ("*",)
READ_POLICIES = {"Effect": "Allow", "Action": "iam:GetAccountAuthorizationDetails", "Resource": "*"}


def surplus(source, mode=AccessMode.READ, wanted=()):
    """The doctor's line."""
    checks = source.provider().examine(mode, wanted, frozenset(), source.budget())
    (found,) = [one for one in checks if one.name == NAME]
    return found


def policy(*statements):
    """A policy that lets its own text be read."""
    return {"Version": "2012-10-17", "Statement": [READ_POLICIES, *statements]}


def allow(action, **more):
    """One statement."""
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ((allow("*"),), "acm:DeleteCertificate, acm:ImportCertificate, iam:AttachRolePolicy"),
        ((allow("secretsmanager:Put*"),), "secretsmanager:PutResourcePolicy, secretsmanager:PutSecretValue"),
        ((allow("SSM:putparameter"),), "ssm:PutParameter"),
        ((allow("iam:CreateAccessKey", Resource="arn:aws:iam::1:user/one"),), "iam:CreateAccessKey"),
        ((allow("kms:*"), allow("kms:*", Effect="Deny", Resource="arn:aws:kms:*:*:key/x")), "kms:DisableKey"),
    ],
)
def test_write_rights_are_named(source_of, statements, named):
    """Wildcards, letter case and narrow resources do not hide them; a narrow denial does not close them."""
    check = surplus(source_of(policy=policy(*statements)))
    assert check.state is CheckState.WARNING
    assert named in check.observed
    assert "permissions --mode read" in check.fix


@pytest.mark.parametrize(
    "statements",
    [
        (),
        (allow("secretsmanager:List*"), allow("iam:Get*")),
        (allow("*"), {"Effect": "Deny", "NotAction": ["iam:Get*", "sts:*"], "Resource": "*"}),
        (allow("ssm:*"), allow("ssm:Put*", Effect="Deny"), allow("ssm:Delete*", Effect="Deny")),
    ],
)
def test_reading_alone_is_no_surplus(source_of, statements):
    """Reads, and what an unconditional denial closes, are nothing to warn of."""
    assert surplus(source_of(policy=policy(*statements))).state is CheckState.OK


def test_what_cannot_be_read_is_not_known(source_of):
    """Without the right to read policies the doctor claims neither."""
    source = source_of(policy={"Version": "2012-10-17", "Statement": [allow("secretsmanager:*")]})
    check = surplus(source)
    assert check.state is CheckState.WARNING
    assert check.observed.startswith("not known whether it may do more than mode read needs: its policies may not be")
    assert check.error is None


def test_what_the_mode_needs_is_no_surplus(source_of):
    """Rotation's own changes are not held against it; to reading they are too much."""
    wanted = [Locator("aws", "secret", "pay/a", None)]
    (document,) = documents(AccessMode.ROTATE, wanted, frozenset(), Scope(region="eu-north-1", account="*"))
    source = source_of(policy=policy(*json.loads(document.text)["Statement"]))
    assert surplus(source, AccessMode.ROTATE, wanted).state is CheckState.OK
    assert "secretsmanager:PutSecretValue" in surplus(source, AccessMode.READ, wanted).observed


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        ("arn:aws:iam::1:user/nhisync", "access-key", "nhisync"),
        ("arn:aws:iam::1:user/team/path/nhisync", "access-key", "nhisync"),
        ("arn:aws:sts::1:assumed-role/nhisync/one", "role", "nhisync"),
    ],
)
def test_whose_policies_are_looked_at(arn, kind, name):
    """A user's by name without its path, a session's by its role."""
    found = _identity(arn)
    assert found is not None
    assert (found.kind, found.name) == (kind, name)


@pytest.mark.parametrize("arn", ["arn:aws:iam::1:root", "arn:aws:sts::1:federated-user/x", "", "nonsense"])
def test_others_have_no_policies_of_their_own(arn):
    """Of root and federated users nothing is concluded."""
    assert _identity(arn) is None


ACTIONS = st.sampled_from(["*", "ssm:*", "ssm:PutParameter", "kms:*", "iam:Get*"])
RIGHTS = st.builds(
    Right,
    st.sampled_from(Effect),
    st.tuples(ACTIONS),
    st.sampled_from([ALL, ("arn:x",)]),
    layer=st.sampled_from(["held", BOUNDARY]),
)


@given(st.lists(RIGHTS, max_size=5), st.sampled_from(_CHANGES))
def test_a_total_denial_always_wins_and_nothing_comes_from_nothing(rights, action):
    """Whatever else is held, an unconditional denial of everything closes; without an allowance nothing is open."""
    assert not may([*rights, Right(Effect.DENY, ALL, ALL)], action)
    assert not may([one for one in rights if one.effect is Effect.DENY], action)
    if not any(one.effect is Effect.DENY for one in rights):
        assert may([*rights, Right(Effect.ALLOW, ALL, ALL), Right(Effect.ALLOW, ALL, ALL, layer=BOUNDARY)], action)


def test_a_boundary_closes_what_it_does_not_allow():
    """What is held outside the boundary is not open."""
    held, bound = Right(Effect.ALLOW, ALL, ALL), Right(Effect.ALLOW, ("ssm:*",), ALL, layer=BOUNDARY)
    assert may([held], "kms:DisableKey")
    assert not may([held, bound], "kms:DisableKey")
    assert may([held, bound], "ssm:PutParameter")
