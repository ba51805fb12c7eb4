"""A source that leads elsewhere now is vouched for by nothing that its old place said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from nhisync.model import CredentialState, Word
from nhisync.spi import ErrorKind, InventoryRequest, Observation, ProviderError, Unchanged
from nhisync.testing.provider import SCRIPTS

if TYPE_CHECKING:
    from tests.security.conftest import Lab

PAIR = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
"""


def test_markers_of_another_configuration_are_not_known(lab: "Lab") -> None:
    """A source that now leads to another place says "unchanged" of what was stored from the place before.

    A cluster restored from a snapshot of the other one has its markers, too, and so has one replicated from it.
    """
    known: list[dict[str, str]] = []
    state = [CredentialState.ACTIVE]

    def backup(request: InventoryRequest) -> Iterator[Observation]:
        known.append({str(locator): marker for locator, marker in request.known.items()})
        item = lab.item("a", marker="v1", state=state[0])
        same = request.known.get(item.locator) == "v1"
        yield Unchanged(locator=item.locator, observed_at=lab.now) if same else item
        yield lab.covered()

    lab.see(lambda: [lab.item("a"), lab.covered()], [])
    SCRIPTS[f"{lab.script}-b"] = backup
    for _ in range(2):
        lab.sync()
        assert lab.served() is Word.READY
    assert known == [{}, {"one:kv/a": "v1"}]
    lab.configure(PAIR, more='runbook: "https://wiki.example/other-cluster"')
    state[0] = CredentialState.DESTROYED
    lab.sync()
    assert lab.served() is Word.NOT_READY
    lab.sync()
    assert known[2:] == [{}, {"one:kv/a": "v1"}]


def silent(_request: InventoryRequest) -> Iterator[Observation]:
    """A source that gives no answer."""
    raise ProviderError(ErrorKind.UNREACHABLE, "no answer")
    yield


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("{provider: fake, script: %s-b}", "{provider: fake, region: far, script: %s-b}", Word.UNKNOWN),
        ("{provider: fake, script: %s-b}", "{provider: fake, limits: {deadline: 7s}, script: %s-b}", Word.READY),
        ("{provider: fake, script: %s-b2}", "{provider: fake, region: far, script: %s-b2}", Word.READY),
        ("owner: payments-oncall", "owner: others", Word.READY),
    ],
    ids=["moved", "slower", "neighbour", "another owner"],
)
def test_what_an_old_place_said_is_no_evidence_for_a_new_one(lab: "Lab", before: str, after: str, word: Word) -> None:
    """A source that leads elsewhere now, and is silent there, is not vouched for by the last answer of its old place.

    Any other edit keeps what is known, with its age: in an outage of the primary people do edit the configuration.
    """
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    lab.sync()
    assert lab.served() is Word.READY
    before, after = (text % lab.script if "%s" in text else text for text in (before, after))
    text = lab.file.read_text(encoding="utf-8")
    assert before in text
    lab.file.write_text(text.replace(before, after), encoding="utf-8")
    SCRIPTS[f"{lab.script}-b"] = silent
    lab.sync()
    assert lab.served() is word
