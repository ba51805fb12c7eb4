"""Tokens that are minted for one probe: the API server lets them in, and they end soon."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import AccessMode, ErrorKind, Locator, ProviderError, SecretBytes
from nhisync_kubernetes.credentials import claims_of
from nhisync_kubernetes.emulator import KubernetesWorld

from .conftest import Target
from .test_permissions import Stage, grants

API = "service-account/{place}/api"


@pytest.fixture
def stage(target: Target) -> Stage:
    """One stage, whose account holds what mode probe prints for its service account."""
    made = Stage(target)
    made.allow(grants(AccessMode.PROBE, ["service-account/payments/api"]))
    return made


def of(stage: Stage, name: str = "api") -> Locator:
    """A service account of the stage."""
    return Locator.parse(f"cluster:service-account/{stage.place}/{name}")


def minted(stage: Stage) -> SecretBytes:
    """A new token."""
    adapter = stage.adapter()
    (found,) = adapter.provider().issue(of(stage), adapter.budget())
    assert (found.field, found.locator) == ("token", of(stage))
    return found.value


def tried(target: Target, token: SecretBytes) -> Shown:
    """What the API server says to it."""
    document: dict[str, Any] = target.document
    ca = Path(document["ca_file"]) if "ca_file" in document else None
    order = Order(target=document["address"], auth="login", ca_file=ca)
    return KINDS["kubernetes-token"](order, Presented("", token), Patience(SystemClock(), 10))


def refused(stage: Stage, locator: Locator) -> ProviderError:
    """Why there is no token."""
    adapter = stage.adapter(attempts=1)
    with pytest.raises(ProviderError) as told:
        list(adapter.provider().issue(locator, adapter.budget()))
    return told.value


@pytest.mark.requirement("R48", "R22")
def test_a_token_is_minted_and_seen_as_the_account(target: Target, stage: Stage) -> None:
    """The API server mints it for itself and for ten minutes, and knows whose it is."""
    token = minted(stage)
    text = token.reveal().decode()
    assert text not in repr(token)
    claims = claims_of(text)
    assert claims.expires is not None
    assert claims.expires - target.clock.now() <= timedelta(seconds=601)
    shown = tried(target, token)
    assert (shown.depth, shown.accepted, shown.error) == ("auth", True, None)
    assert shown.seen_as.startswith(f"system:serviceaccount:{stage.place}:api at ")


@pytest.mark.requirement("R17")
def test_a_token_that_is_over_is_refused(emulated: Target, stage: Stage) -> None:
    """Also one that was never good."""
    token = minted(stage)
    emulated.clock.advance(timedelta(seconds=601))  # type: ignore[attr-defined]  # the emulator's clock is the test's
    for one in (token, SecretBytes(b"canary-no-token-51c0de")):
        shown = tried(emulated, one)
        assert (shown.depth, shown.accepted) == ("tls", False)
        assert shown.error is not None
        assert shown.error.kind == "auth_failed"


def test_a_value_that_no_header_carries_is_not_sent(target: Target) -> None:
    """It is told and not shown."""
    with pytest.raises(ProviderError) as told:
        tried(target, SecretBytes(b"canary\n51c0de"))
    assert "canary" not in str(told.value)


def test_an_account_that_is_gone_is_not_found(target: Target, stage: Stage) -> None:
    """Absent, and not refused."""
    path = f"/api/v1/namespaces/{stage.place}/serviceaccounts/api"
    assert target.admin.delete(path).status_code == 200
    assert refused(stage, of(stage)).kind is ErrorKind.NOT_FOUND


def test_without_its_line_no_token_is_minted(stage: Stage) -> None:
    """The missing right is named, for this very account."""
    told = refused(stage, of(stage, "reader"))
    assert told.kind is ErrorKind.DENIED
    assert (told.fact.action, told.fact.resource) == ("create serviceaccounts/token", f"{stage.place}/reader")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("throttled", ErrorKind.THROTTLED), ("drop", ErrorKind.UNREACHABLE), ("garbage", ErrorKind.MALFORMED)],
)
def test_an_issuer_that_fails_says_how(
    emulated: Target, world: KubernetesWorld, stage: Stage, fault: str, kind: ErrorKind
) -> None:
    """Limits, faults and strange answers are none of the account's."""
    world.fault("primary", "admin", fault, times=1)
    assert refused(stage, of(stage)).kind is kind


@pytest.mark.parametrize("fault", ["drop", "applied-then-503", "cut", "garbage", "throttled"])
def test_a_mint_is_never_repeated(emulated: Target, world: KubernetesWorld, stage: Stage, fault: str) -> None:
    """A token that was made and whose answer was lost is not made again, however many attempts a read has."""
    world.fault("primary", "admin", fault, verbs=("create",))
    adapter = stage.adapter(attempts=5)
    received = world.source("primary", "admin").cluster.received
    before = len(received)
    with pytest.raises(ProviderError):
        list(adapter.provider().issue(of(stage), adapter.budget()))
    assert received[before:] == [("POST", f"/api/v1/namespaces/{stage.place}/serviceaccounts/api/token")]


def test_other_kinds_mint_nothing(stage: Stage) -> None:
    """A stored Secret is read, not issued."""
    told = refused(stage, Locator.parse(f"cluster:secret/{stage.place}/stripe"))
    assert told.kind is ErrorKind.UNSUPPORTED
