"""Live authentication at Microsoft Entra: a token is asked for and thrown away, or the refusal's code says why not."""

from collections.abc import Callable
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import SecretBytes

SCOPE = "https://vault.azure.net/.default"


@pytest.fixture
def entra(source_of: Callable[..., Any]) -> Any:
    """A source whose application logs in with a client secret."""
    return source_of(auth="client_secret")


def tried(entra: Any, secret: bytes | None = None, **changes: Any) -> Shown:
    """What a probe shows."""
    auth = entra.document["auth"]
    tenant, client = changes.pop("tenant", auth["tenant"]), changes.pop("client", auth["client_id"])
    values = {
        "target": f"{entra.document['authority']}/{tenant}/oauth2/v2.0/token",
        "auth": "login",
        "scope": SCOPE,
        "ca_file": entra.world.ca_file,
        **changes,
    }
    with open(auth["secret_file"], "rb") as file:
        kept = file.read()
    presented = Presented(client, SecretBytes(kept if secret is None else secret))
    return KINDS["entra-token"](Order(**values), presented, Patience(SystemClock(), 10))


@pytest.mark.requirement("R17", "R22")
def test_a_client_secret_is_accepted_and_another_refused(entra: Any) -> None:
    """The token names application and tenant; nothing of it is kept."""
    good = tried(entra)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as.startswith(entra.document["auth"]["client_id"])
    bad = tried(entra, b"canary-of-yesterday")
    assert bad.accepted is False
    assert bad.error is not None
    assert (bad.error.kind, bad.error.message) == ("auth_failed", "the token service does not know this client secret")


@pytest.mark.parametrize(
    ("number", "accepted"),
    [(7000215, False), (7000222, False), (7000229, False), (7000112, False), (53003, False), (90033, None), (1, None)],
)
def test_the_code_decides_whether_the_credential_was_judged(entra: Any, number: int, accepted: bool | None) -> None:
    """A fault of the service and a code that nobody knows judge nothing."""
    entra.fault("login-refused", number=number)
    assert tried(entra).accepted is accepted


def test_an_application_that_is_not_there_is_refused(entra: Any) -> None:
    """Deleted, or of another tenant."""
    shown = tried(entra, client="00000000-0000-4000-8000-000000000000")
    assert shown.accepted is False


@pytest.mark.parametrize(
    "changes",
    [{"tenant": "00000000-0000-4000-8000-000000000000"}, {"scope": "https://nowhere.example/.default"}],
    ids=["tenant", "scope"],
)
def test_a_wrong_tenant_or_scope_is_no_refused_credential(entra: Any, changes: dict[str, str]) -> None:
    """The configuration is wrong, and says so."""
    shown = tried(entra, **changes)
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind == "misconfigured"


def test_a_value_that_is_no_text_is_refused_and_not_shown(entra: Any) -> None:
    """Bytes travel as they are."""
    shown = tried(entra, b"\xff\xfe canary-odd")
    assert shown.accepted is False
    assert "canary" not in str(shown)
