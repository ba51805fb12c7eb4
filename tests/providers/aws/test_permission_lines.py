"""Read and fingerprint documents, line by line: they suffice, each line is named when lost, other values stay shut."""

import pytest

from nhisync.spi import AccessMode, CheckState
from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator import AwsWorld

from .conftest import Aws
from .exact_policy import BREADTHS, CANARY, Place, lines, prints

BOTH = (AccessMode.READ, AccessMode.FINGERPRINT)
CASES = [
    pytest.param(mode, breadth, sid, action, id=f"{mode}-{breadth}-{sid}-{action}")
    for mode in BOTH
    for breadth in BREADTHS
    for sid, action in lines(mode, breadth)
    if breadth != "batch" or (mode is AccessMode.FINGERPRINT and "Compare" in sid)
]
UNCHECKED = frozenset({"kms:Decrypt", "ssm:GetParameter"})
"""Cannot be tried without a value coming back: the doctor says so."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A function that returns the place of a mode and breadth; each is made once and only ever read."""
    world = AwsWorld(clock=FakeClock(), directory=tmp_path_factory.mktemp("aws"))
    world.start()
    aws = Aws(world, world._clock)
    made = {}

    def get(mode, breadth):
        if (mode, breadth) not in made:
            base = tmp_path_factory.mktemp("base")
            made[mode, breadth] = Place(aws, f"p{len(made)}", base, mode, breadth)
        return made[mode, breadth]

    yield get
    for one in made.values():
        one.source.close()
    aws.close()
    world.stop()


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("breadth", BREADTHS)
@pytest.mark.parametrize("mode", BOTH)
def test_the_document_suffices(place, mode, breadth):
    """With exactly the printed document nothing is refused; the doctor says what it cannot try, and nothing else."""
    here = place(mode, breadth)
    here.apply(here.document)
    assert here.reports() == []
    left = {one.name.removeprefix("permission:") for one in here.checks() if one.state is not CheckState.OK}
    assert left == (UNCHECKED if mode is AccessMode.FINGERPRINT else set())


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(("mode", "breadth", "sid", "action"), CASES)
def test_every_line_is_missed_by_name(place, mode, breadth, sid, action):
    """One line less: the run says which permission is gone, and the doctor prints the statement."""
    here = place(mode, breadth)
    here.apply(here.without(sid, action))
    found = here.reports()
    assert {one.kind for one in found} == {"denied"}
    assert {one.action for one in found} == {action}
    if action not in UNCHECKED:
        assert prints(here, here.checks(), sid, action)


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("breadth", BREADTHS)
def test_reading_mode_is_refused_every_value(place, breadth):
    """AWS itself refuses, by an explicit Deny; in fingerprint mode the same calls answer."""
    shut, open_ = (place(mode, breadth) for mode in BOTH)
    shut.apply(shut.document)
    assert shut.opened() == []
    assert {one[1].kind for one in shut.values()} == {"denied"}
    assert CANARY not in repr([*shut.values(), *shut.checks()])
    open_.apply(open_.document)
    assert open_.opened() == ["/pay/key", "pay/hand", "pay/wide"]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("mode", BOTH)
def test_a_denial_holds_against_other_policies(place, mode):
    """An administrator's policy on the same role opens no value that the document closes; without it, one is open."""
    here = place(mode, "named")
    everything = {"Sid": "Admin", "Effect": "Allow", "Action": "*", "Resource": "*"}
    other = "pay/other"
    here.aws.seed("secret", other, path=here.path, fields={"password": CANARY})
    here.apply({**here.document, "Statement": [*here.document["Statement"], everything]})
    assert here.refusal("secretsmanager:GetSecretValue", SecretId=other).kind == "denied"
    assert here.refusal("ssm:GetParametersByPath", Path="/pay").kind == "denied"
    closed = [one for one in here.checks() if one.name == "values-closed"]
    assert [one.state for one in closed] == [CheckState.OK]
    here.apply({**here.document, "Statement": [everything]})
    assert here.refusal("secretsmanager:GetSecretValue", SecretId=other) is None
    (check,) = [one for one in here.checks() if one.name == "values-closed"]
    assert check.state is CheckState.WARNING
    assert f"--mode {mode}" in check.fix
