"""Commands that list every kind: the grant for them, and its name where it is missing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nhisync.model import Coverage, CoverageStatus
from nhisync.spi import ErrorKind, ProviderError

World = Any
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
