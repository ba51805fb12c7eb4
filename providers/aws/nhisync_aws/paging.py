"""Whole lists, or an error: no page is believed without its list, and no list may go on for ever."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nhisync.spi import Budget
from nhisync_aws.connection import Connection
from nhisync_aws.errors import Called, malformed

_MOST_PAGES = 5_000
_MOST_EMPTY = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """One list operation and how it pages (botocore's service models).

    Attributes:
        service: service name.
        operation: operation name.
        items: member that holds the page; it must be present in every answer.
        token_in: request member for the token.
        token_out: answer member with the next token.
        parameters: request members that every page repeats.
    """

    service: str
    operation: str
    items: str
    token_in: str
    token_out: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def pages(connection: Connection, listing: Listing, budget: Budget) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list to its end.

    A page may be empty and still carry a token (Secrets Manager, SSM); many empty ones in a row, a token that comes
    twice, or more pages than any account has, are an endless list. A row that is none
    costs the claim that all was seen.

    Raises:
        ProviderError: any page failed; pages that were yielded before are real, the list is not complete.
    """
    seen: set[str] = set()
    empty = odd = 0
    token = ""
    called = Called(f"{listing.service}:{listing.operation}", 200)
    for _ in range(_MOST_PAGES):
        given = {listing.token_in: token} if token else {}
        answer = connection.call(listing.service, listing.operation, budget, **listing.parameters, **given)
        found = answer.get(listing.items)
        if not isinstance(found, list):
            raise malformed(called, f"a page holds no {listing.items}")
        rows = [row for row in found if isinstance(row, dict)]
        odd += len(found) - len(rows)
        yield rows
        token = str(answer.get(listing.token_out) or "")
        if not token and odd:
            raise malformed(called, f"{odd} rows of the list are none")
        if not token:
            return
        empty = 0 if found else empty + 1
        if token in seen or empty > _MOST_EMPTY:
            raise malformed(called, "the pages do not end")
        seen.add(token)
    raise malformed(called, "the pages do not end")
