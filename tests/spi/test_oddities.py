"""The boundary around one item: what nobody foresaw is a typed answer, and says where, but not what."""

import datetime as dt
import traceback
from collections.abc import Callable

import pytest

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.oddities import ODD, one_item

CANARY = "canary-odd-9b1f"


def failing(error: BaseException) -> Callable[[], None]:
    """A read that trips over `error`."""

    def read() -> None:
        raise error

    return read


@pytest.mark.parametrize("error", ODD)
def test_what_nobody_foresaw_is_malformed(error: type[Exception]) -> None:
    """Kind, place and type are told; the text, which may quote a value, is nowhere, not in the traceback either."""
    with pytest.raises(ProviderError, match="a row of a list cannot be read") as caught:
        one_item(failing(error(CANARY)), "a row of a list")
    told = caught.value
    assert (told.kind, told.presence.value) == (ErrorKind.MALFORMED, "unknown")
    assert f"{error.__name__} at test_oddities.py:" in told.fact.message
    assert CANARY not in "".join(traceback.format_exception(told))


def test_real_slips_are_caught() -> None:
    """The slips that answers really provoke: a date before the first, a span beyond the last."""
    with pytest.raises(ProviderError, match="OverflowError"):
        one_item(lambda: dt.datetime.fromisoformat("0001-01-01T00:00:00+14:00").astimezone(dt.UTC))
    with pytest.raises(ProviderError, match="OverflowError"):
        one_item(lambda: dt.timedelta(days=10**12))


def test_answers_and_other_failures_pass() -> None:
    """A typed answer stays what it is, and what is no property of an item is not made one."""
    assert one_item(lambda: 7) == 7
    denied = ProviderError(ErrorKind.DENIED, "denied")
    for failure in (denied, OSError("disk"), AssertionError("bug"), KeyboardInterrupt()):
        with pytest.raises(type(failure)) as caught:
            one_item(failing(failure))
        assert caught.value is failure
