"""Every opening of the document is needed: what is closed is named in the document's own words."""

from collections.abc import Iterable

import pytest

from nhisync.spi import AccessMode, Check, CheckState, ErrorFact, Locator

from .conftest import Edge

pytestmark = pytest.mark.requirement("R32")

NAMES = ("api", "admin", "mail", "login")
KINDS = {"login": "jwks"}


class Gate:
    """Endpoints of which only those can be reached that the document opens."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.planted = {name: edge.plant(name, KINDS.get(name, "tls")) for name in NAMES}
        for name in NAMES:
            edge.world.fault("primary", "edge", "refuse", item=name)

    @property
    def wanted(self) -> list[Locator]:
        """All endpoints."""
        return list(self.planted.values())

    def lines(self, mode: AccessMode) -> list[str]:
        """The permissions of the document's lines."""
        network, *_ = self.edge.provider().permissions(mode, self.wanted, frozenset())
        lines = [line for line in network.text.splitlines() if line.startswith("  - ")]
        assert [action.partition(":")[2] in line for action, line in zip(network.actions, lines, strict=True)]
        return list(network.actions)

    def open(self, actions: Iterable[str]) -> None:
        """Let exactly these connections through."""
        given = set(actions)
        for name, locator in self.planted.items():
            if needed(locator) in given:
                self.edge.world.fault("primary", "edge", "refuse", item=name, off=True)

    def missing(self, mode: AccessMode) -> dict[str, str]:
        """What the doctor misses: permission → fix."""
        checks = self.edge.provider().examine(mode, self.wanted, frozenset(), self.edge.budget())
        failed: list[Check] = [check for check in checks if check.state is not CheckState.OK]
        return {check.error.action if check.error else check.name: check.fix for check in failed}

    def swept(self) -> dict[str, ErrorFact | None]:
        """What an inventory says of each endpoint."""
        return {needed(item.locator): item.error for item in self.edge.look(*self.wanted)}


def needed(locator: Locator) -> str:
    """The permission that an endpoint needs."""
    return f"connect:{locator.name.partition('?')[0].partition('/')[0]}"


@pytest.fixture
def gate(edge: Edge) -> Gate:
    """Three endpoints, all closed."""
    return Gate(edge)


MODES = [AccessMode.READ, AccessMode.PROBE]


@pytest.mark.parametrize("mode", MODES)
def test_with_the_document_every_endpoint_is_seen(gate: Gate, mode: AccessMode) -> None:
    """Without it nothing can be reached; with it the sweep is complete and the doctor content."""
    lines = gate.lines(mode)
    assert set(gate.missing(mode)) == set(lines)
    gate.open(lines)
    assert gate.missing(mode) == {}
    assert gate.swept() == dict.fromkeys(lines)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("line", range(len(NAMES)))
def test_every_opening_is_needed(gate: Gate, mode: AccessMode, line: int) -> None:
    """Without any one opening exactly its endpoint is not known, and doctor and sweep name that very permission."""
    lines = gate.lines(mode)
    left_out = lines.pop(line)
    gate.open(lines)
    missing = gate.missing(mode)
    assert set(missing) == {left_out}
    assert left_out in missing[left_out]
    seen = gate.swept()
    error = seen.pop(left_out)
    assert error is not None
    assert error.action == left_out
    assert seen == dict.fromkeys(lines)
