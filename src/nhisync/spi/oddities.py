"""One odd answer costs one item: the boundary at which what nobody foresaw becomes a typed answer.

For adapters. `nhisync.spi` itself does not import it.
"""

import os
import traceback
from collections.abc import Callable
from typing import TypeVar

from nhisync.spi.errors import ErrorKind, ProviderError

T = TypeVar("T")

ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a value of another shape than the documented one raises. Nothing else is caught: a full disk, a store
that cannot be written or an assertion is not a property of one item."""


def one_item(read: Callable[[], T], what: str = "an answer about this item") -> T:
    """What `read` makes of exactly one item; around anything larger it would hide what else was lost.

    Args:
        read: reads the item, all of it: what it returns lazily is read outside.
        what: what is being read, for the message.

    Raises:
        ProviderError: MALFORMED instead of anything in `ODD`, with the place in our code and never the exception's
            text, which may quote a value.
    """
    try:
        return read()
    except ODD as error:
        failure = ProviderError(
            ErrorKind.MALFORMED,
            f"{what} cannot be read ({type(error).__name__} at {_place(error)})",
            fix="Look at the item at its provider for a value out of the ordinary; report the place to nhisync.",
        )
    raise failure  # out here, so that what tripped is not dragged along


def _place(error: BaseException) -> str:
    """``file:line`` of the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"
