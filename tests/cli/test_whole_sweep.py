"""Commands that list every kind: the grant for them, its name where it is missing, and what they account for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nhisync.model import Coverage, CoverageStatus, ErrorFact, Item, Presence
from nhisync.spi import ErrorKind, ProviderError

World = Any
MakeItem = Callable[..., Item]
MakeComplete = Callable[..., Coverage]


def test_permissions_to_discover(world: World) -> None:
    """Once pairs exist, what they need is not enough to list every kind: `--for discover` prints what is."""
    asked = ("permissions", "--path", "backup", "-q")
    assert world(*asked).out == "fake:read:kv\n"
    assert world(*asked, "--for", "discover").out == "fake:read:kv\nfake:read:listed\n"
    refused = world(*asked, "--for", "discover", "--pair", "fx-feed")
    assert (refused.code, "not enough to discover" in refused.err) == (2, True)


@pytest.mark.parametrize("command", ["discover", "inventory"])
def test_what_a_whole_sweep_lacks_names_the_grant_for_it(
    world: World, make_complete: MakeComplete, command: str
) -> None:
    """The grant that pairs need would leave the same kind denied."""
    denied = ProviderError(ErrorKind.DENIED, "listing is not allowed", action="fake:list").fact
    gap = replace(make_complete(0, "listed"), status=CoverageStatus.DENIED, error=denied)
    world.script("p", gap)
    world.script("b")
    assert "nhisync permissions --provider fake --mode read --for discover" in world(command, "primary").err


def test_what_could_not_be_read_is_counted_beside_the_stock(
    world: World, make_item: MakeItem, make_complete: MakeComplete
) -> None:
    """The last line accounts for every line of the table: an unread item is no stock, and not left out either."""
    refused = ErrorFact(kind="denied", message="may not read", action="kv:Get")
    silent = make_item("payments/fx", presence=Presence.DENIED, error=refused)
    world.script("p", make_item("payments/stripe"), silent, make_complete(2), make_complete(0, "listed"))
    ended = world("inventory", "primary")
    assert ended.code == 3
    items = [line.split()[:2] for line in ended.out.splitlines() if line.startswith("one:kv/")]
    unread = [name for name, state in items if state in ("denied", "unknown")]
    assert "one:kv/payments/fx" in unread
    assert len(items) == 1 + len(unread)
    assert ended.out.splitlines()[-1].startswith(f"1 item on primary and {len(unread)} that could not be read: ")
