"""What a mount says of a revocation: revoked is revoked, whatever its time looks like."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync_vault.kinds.base import Run
from nhisync_vault.kinds.pki_mount import Issuer, certificate_revocation, issuer_revocation
from nhisync_vault.mounts import Mount

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SAID = (
    st.none()
    | st.booleans()
    | st.text(max_size=12)
    | st.integers(1, 4_000_000_000)
    | st.lists(st.integers(), max_size=2)
)


def run(answer: dict[str, Any] | None = None) -> Run:
    """The part of a run that is asked here."""
    return cast("Run", SimpleNamespace(now=lambda: NOW, api=SimpleNamespace(get=lambda _path: answer)))


@pytest.mark.parametrize("told", [None, 0, ""])
def test_zero_is_not_revoked(told: object) -> None:
    """The API writes 0 for a certificate that is not revoked."""
    assert certificate_revocation(run(), {"revocation_time": told}) is None
    assert certificate_revocation(run(), {}) is None


@given(told=SAID.filter(lambda one: one not in (None, "")))
def test_any_other_time_is_a_revocation(told: object) -> None:
    """Also one that cannot be read: it counts from now, and the certificate is not believed."""
    found = certificate_revocation(run(), {"revocation_time": told})
    assert found is not None
    assert found.tzinfo is not None


@given(told=SAID)
def test_a_revoked_issuer_is_revoked(told: object) -> None:
    """The word decides, the time is for the reader."""
    mount, issuer = cast("Mount", SimpleNamespace(api="pki")), cast("Issuer", SimpleNamespace(id="one"))
    assert issuer_revocation(run({"revoked": True, "revocation_time": told}), mount, issuer) is not None
    assert issuer_revocation(run({"revoked": False, "revocation_time": told}), mount, issuer) is None
