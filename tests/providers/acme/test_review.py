"""What a review of the adapter found; each test is a hole that was open."""

from pathlib import Path
from typing import Any

import pytest
import requests
from acme import messages

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_acme.api import Api, Spending
from nhisync_acme.settings import AcmeSettings


def api(folder: Path) -> Api:
    """An API that asks nobody by itself."""
    clock = FakeClock()
    context = SourceContext(
        path="backup", source="ca", region=None, base=folder, clock=clock, randomness=CountingRandomness()
    )
    settings = AcmeSettings.model_validate(
        {"provider": "acme", "directory": "https://ca.example/directory", "attempts": 1}
    )
    return Api(settings, context, Budget(clock, seconds=60.0))


def answered(asked: Api, status: int) -> Spending:
    """Pretend that the last answer had this status."""
    response = requests.Response()
    response.status_code = status
    adapter: Spending = asked._adapter
    adapter.last = response
    return adapter


@pytest.mark.parametrize("code", ["malformed", "serverInternal", "improbable"])
def test_a_404_of_the_directory_or_of_new_account_is_no_absence(tmp_path: Path, code: str) -> None:
    """A path that is not found says nothing of the account; only accountDoesNotExist does."""
    asked = api(tmp_path)

    def question(_: Any) -> Any:
        answered(asked, 404)
        raise messages.Error.with_code(code) if code != "improbable" else messages.Error(typ="urn:x:improbable")

    with pytest.raises(ProviderError) as seen:
        asked._ask(question)
    assert seen.value.kind is not ErrorKind.NOT_FOUND
    with pytest.raises(ProviderError) as named:
        asked._ask(question, absent=True)
    assert named.value.kind is ErrorKind.NOT_FOUND


@pytest.mark.parametrize("stumble", [KeyError, TypeError, AttributeError])
def test_an_answer_of_another_shape_is_malformed(tmp_path: Path, stumble: type[Exception]) -> None:
    """No Location, or a list for an object: the library trips over it, the run must not, nor repeat its words."""
    asked = api(tmp_path)

    def question(_: Any) -> Any:
        answered(asked, 200)
        raise stumble("canary-of-the-answer")

    with pytest.raises(ProviderError) as seen:
        asked._ask(question)
    assert seen.value.kind is ErrorKind.MALFORMED
    assert "canary" not in str(seen.value)
