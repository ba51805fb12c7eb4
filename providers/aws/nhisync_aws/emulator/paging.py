"""Pages with opaque, checked tokens: what moto leaves out of most lists."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nhisync_aws.emulator.wire import ApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `token` is "" on the last one."""

    items: Sequence[T]
    token: str


def page(
    items: Sequence[T], *, name: str, token: str | None, size: int, bad_token: ApiError, endless: str = ""
) -> Page[T]:
    """Cut one page out of `items`.

    Args:
        items: the whole list, in a stable order.
        name: name of the list, bound into its tokens so that a token of another list is refused.
        token: what the client sent.
        size: largest number of items on the page.
        bad_token: raised for a token that this list did not give out.
        endless: ``same`` repeats one token for ever, ``fresh`` invents a new one for ever, "" ends at the end.
    """
    start = 0 if not token else _offset(name, token, bad_token)
    stop = start + size
    found = items[start:stop]
    if endless:
        return Page(found, _token(name, 1 if endless == "same" else stop))
    return Page(found, _token(name, stop) if stop < len(items) else "")


def _token(name: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{name}\x00{offset}".encode()).decode()


def _offset(name: str, token: str, bad_token: ApiError) -> int:
    try:
        given, _, offset = base64.urlsafe_b64decode(token.encode()).decode().partition("\x00")
        number = int(offset)
    except (binascii.Error, ValueError):
        raise bad_token from None
    if given != name or number < 0:
        raise bad_token
    return number
