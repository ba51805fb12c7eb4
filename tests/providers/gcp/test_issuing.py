"""Tokens that are minted for one probe: let in, unable to do anything, and over soon."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError

from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import AccessMode, CheckState, ErrorKind, ProviderError, SecretBytes
from nhisync.testing.clocks import FakeClock
from nhisync_gcp.emulator.iam_credentials import EXTENSION
from nhisync_gcp.permissions import MINT, bindings

from .conftest import ACCOUNT, Gcp

EMAIL = ACCOUNT.format("payments")
NAME = f"service-account/{EMAIL}"
CALL = "IAMCredentials.GenerateAccessToken"
WHOSE = "/tokeninfo"


def granted(gcp: Gcp, *names: str) -> None:
    """Give nhisync exactly what mode probe prints for these items."""
    found = bindings(AccessMode.PROBE, [gcp.locator(name) for name in names], frozenset(), gcp.document["project"])
    gcp.world.grant("backup", "gcp", {one.resource: one.permissions for one in found})


@pytest.fixture
def ready(gcp: Gcp) -> Gcp:
    """An account that may do everything, and nhisync with the printed roles for it."""
    gcp.seed("service-account", "payments", roles=["roles/owner"])
    gcp.forget()
    granted(gcp, NAME)
    return gcp


def minted(gcp: Gcp, **settings: Any) -> SecretBytes:
    """A new token."""
    (found,) = gcp.provider(**settings).issue(gcp.locator(NAME), gcp.budget())
    assert (found.field, found.locator) == ("access_token", gcp.locator(NAME))
    return found.value


def refused(gcp: Gcp, name: str = NAME, **settings: Any) -> ProviderError:
    """Why there is no token."""
    with pytest.raises(ProviderError) as told:
        list(gcp.provider(**settings).issue(gcp.locator(name), gcp.budget()))
    return told.value


def tried(gcp: Gcp, token: SecretBytes, resource: str = WHOSE) -> Shown:
    """What Google says of a token."""
    listener = gcp.world.source("backup", "gcp").listeners["token"]
    order = Order(target=f"{listener.address}{resource}", auth="bearer", ca_file=gcp.document["ca_file"])
    return KINDS["gcp-token"](order, Presented("", token), Patience(gcp.world.cloud.wall, 10))


@pytest.mark.requirement("R48", "R22")
def test_a_token_is_minted_and_seen_as_the_account(ready: Gcp) -> None:
    """IAM mints it and Google says whose it is, under the printed roles alone; it is shown nowhere."""
    token = minted(ready)
    shown = tried(ready, token)
    assert (shown.error, shown.depth, shown.accepted, shown.seen_as) == (None, "auth", True, EMAIL)
    assert token.reveal().decode() not in repr(token)


@pytest.mark.requirement("R48")
def test_a_token_opens_nothing_and_ends_after_five_minutes(ready: Gcp) -> None:
    """The account may do everything; what is minted for a probe of it may not, and nobody can use it later."""
    wall = FakeClock(datetime.now(UTC))
    ready.world.cloud.wall = wall
    token = minted(ready)
    bearer = [("authorization", f"Bearer {token.reveal().decode()}")]
    with ready.client("secretmanager") as (client, _), pytest.raises(Forbidden) as told:
        client.list_secrets(
            request={"parent": f"projects/{ready.document['project']}"}, metadata=bearer, timeout=5, retry=None
        )
    assert told.value.reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    wall.advance(timedelta(seconds=299))
    assert tried(ready, token).accepted is True
    wall.advance(timedelta(seconds=2))
    over = tried(ready, token)
    assert (over.depth, over.accepted) == ("tls", False)
    assert over.error is not None
    assert over.error.kind == "auth_failed"


@pytest.mark.requirement("R32", "R48")
def test_without_the_printed_binding_nothing_is_minted(ready: Gcp) -> None:
    """The missing permission and the account are named; a binding on another account is none."""
    granted(ready, f"service-account/{ACCOUNT.format('other')}")
    told = refused(ready)
    assert (told.kind, told.fact.action, told.fact.resource) == (ErrorKind.DENIED, MINT, EMAIL)
    assert "nhisync permissions --mode probe" in told.fix


@pytest.mark.requirement("R48")
def test_what_the_account_is_decides(ready: Gcp) -> None:
    """Disabled and gone are told apart, each with its next step."""
    gone = f"service-account/{ACCOUNT.format('nobody')}"
    assert refused(ready, gone).kind is ErrorKind.NOT_FOUND
    ready.world.cloud.accounts.by_email[EMAIL].shown.current.disabled = True
    told = refused(ready)
    assert told.kind is ErrorKind.CONFLICT
    assert "service-accounts enable" in told.fix


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("exhausted", ErrorKind.THROTTLED),
        ("unavailable", ErrorKind.UNREACHABLE),
        ("drop", ErrorKind.UNREACHABLE),
        ("garbage", ErrorKind.MALFORMED),
        ("token-expired", ErrorKind.AUTH_FAILED),
    ],
)
def test_an_issuer_that_fails_says_how_and_is_asked_once(ready: Gcp, fault: str, kind: ErrorKind) -> None:
    """A lost answer may have minted: reads are repeated, this is not, however many attempts the source has.

    Where our own token was refused nothing was minted, and it is tried once with a new one.
    """
    ready.fault(fault, call=CALL)
    assert refused(ready, attempts=5).kind is kind
    assert ready.calls()[CALL] == (2 if kind is ErrorKind.AUTH_FAILED else 1)


def test_other_kinds_mint_nothing(ready: Gcp) -> None:
    """A stored secret is read, and a key signs for itself."""
    for name in ("secret/pay", f"service-account-key/{EMAIL}"):
        assert refused(ready, name).kind is ErrorKind.UNSUPPORTED
    assert CALL not in ready.calls()


@pytest.mark.parametrize(("fault", "accepted"), [("garbage", None), ("unavailable", None), ("cut", None)])
def test_an_endpoint_that_does_not_judge_proves_nothing(ready: Gcp, fault: str, accepted: bool | None) -> None:
    """Portals, outages and cut answers are no refusal of the token."""
    token = minted(ready)
    ready.fault(fault, call=WHOSE)
    try:
        assert tried(ready, token).accepted is accepted
    except ProviderError as failure:
        assert failure.kind in {ErrorKind.MALFORMED, ErrorKind.UNREACHABLE}  # noqa: PT017 - either is no judgement


@pytest.mark.requirement("R55")
@pytest.mark.parametrize("held", [True, False])
def test_doctor_says_whether_tokens_can_be_minted(ready: Gcp, held: bool) -> None:
    """Asked without minting one: the permission of the account itself, and the API, of an account that is not there."""
    if not held:
        granted(ready, f"service-account/{ACCOUNT.format('other')}")
    checks = list(ready.provider().examine(AccessMode.PROBE, [ready.locator(NAME)], frozenset(), ready.budget()))
    by_name = {one.name: one for one in checks}
    assert by_name[f"permission:{MINT}"].state is (CheckState.OK if held else CheckState.FAILED)
    assert by_name["minting"].state is CheckState.OK
    assert {one.name for one in checks if one.state is CheckState.FAILED} == set() if held else {f"permission:{MINT}"}
    assert not [one for one in ready.world.cloud._tokens.values() if one.member == f"serviceAccount:{EMAIL}"]


def test_doctor_sees_that_the_api_is_down(ready: Gcp) -> None:
    """The permission is held, and no token can be minted."""
    ready.fault("unavailable", call=CALL)
    checks = ready.provider().examine(AccessMode.PROBE, [ready.locator(NAME)], frozenset(), ready.budget())
    failed = {one.name for one in checks if one.state is CheckState.FAILED}
    assert failed == {"minting"}


def asked_for(gcp: Gcp, **changes: Any) -> Any:
    """The answer to a request with nhisync's own identity."""
    request = {"name": f"projects/-/serviceAccounts/{EMAIL}", "scope": ["openid"], **changes}
    with gcp.client("iamcredentials", auth=gcp.document["auth"]) as (client, metadata):
        return client.generate_access_token(request=request, metadata=metadata, timeout=5, retry=None)


def test_the_emulator_bounds_life_as_google_does(ready: Gcp) -> None:
    """An hour, twelve where the project's accounts may, and never without a scope or below a named project."""
    cloud = ready.world.cloud
    assert asked_for(ready, lifetime={"seconds": 3600}).access_token
    wrong: tuple[dict[str, Any], ...] = (
        {"lifetime": {"seconds": 3601}},
        {"scope": []},
        {"name": f"projects/{ready.document['project']}/serviceAccounts/{EMAIL}"},
    )
    for changes in wrong:
        with pytest.raises(GoogleAPICallError) as told:
            asked_for(ready, **changes)
        assert told.value.grpc_status_code.name == "INVALID_ARGUMENT"
    cloud.project(ready.document["project"]).constraints.add(EXTENSION)
    made = asked_for(ready, lifetime={"seconds": 43_200})
    left = made.expire_time.timestamp() - cloud.wall.now().timestamp()
    assert 43_100 < left <= 43_200
    with pytest.raises(GoogleAPICallError):
        asked_for(ready, lifetime={"seconds": 43_201})
