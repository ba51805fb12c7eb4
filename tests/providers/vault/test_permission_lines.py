"""Read and fingerprint policies, line by line: they suffice, each line is named when lost, other values stay shut."""

from collections.abc import Callable, Iterator

import pytest

from nhisync.spi import AccessMode, CheckState, ErrorKind, FieldValue
from nhisync.testing.clocks import FakeClock
from nhisync_vault.emulator import VaultWorld

from .conftest import Site
from .exact_policy import FLAVOURS, Place, covers, grants_of, lines, prints

BOTH = (AccessMode.READ, AccessMode.FINGERPRINT)
DOCTOR_ONLY = frozenset({"auth/token/revoke-self", "sys/capabilities-self"})
"""The doctor's own question, and what follows the last answer of a run: only the doctor can tell of them."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Place]]:
    """A function that returns the place of a flavour, mode and breadth; each is made once and only ever read."""
    clock = FakeClock()
    world = VaultWorld(clock=clock, directory=tmp_path_factory.mktemp("exact"))
    world.start()
    sites: list[Site] = []
    made: dict[tuple[object, ...], Place] = {}

    def get(flavour: str, mode: AccessMode, *, swept: bool) -> Place:
        key = (flavour, mode, swept)
        if key not in made:
            sites.append(Site(world, clock, path=f"p{len(made)}", flavour=flavour))
            made[key] = Place(sites[-1], mode, swept=swept)
        return made[key]

    yield get
    for site in sites:
        site.close()
    world.stop()


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("swept", [False, True], ids=["named", "swept"])
@pytest.mark.parametrize("mode", BOTH)
def test_the_policy_suffices(place: Callable[..., Place], mode: AccessMode, swept: bool, flavour: str) -> None:
    """With exactly the printed policy nothing is refused, and the doctor has nothing to say."""
    here = place(flavour, mode, swept=swept)
    here.apply(here.text)
    assert here.reports() == []
    assert [one for one in here.checks() if one.state is not CheckState.OK] == []


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(
    ("mode", "swept", "flavour", "path"),
    [
        pytest.param(mode, swept, flavour, path, id=f"{mode}-{'swept' if swept else 'named'}-{flavour}-{path}")
        for mode in BOTH
        for swept in (False, True)
        for flavour, path in lines(mode, swept=swept)
        if mode is AccessMode.READ or flavour == "openbao"  # flavours differ in how they list, not in values
    ],
)
def test_every_line_is_missed_by_name(
    place: Callable[..., Place], mode: AccessMode, swept: bool, flavour: str, path: str
) -> None:
    """One line less: the run says which permission is gone, and the doctor prints the line."""
    here = place(flavour, mode, swept=swept)
    (grant,) = [one for one in grants_of(mode, swept=swept) if one.path == path]
    here.apply(here.without(path))
    assert prints(here.checks(), grant)
    if path in DOCTOR_ONLY:
        return
    found = here.reports()
    assert {one.kind for one in found} == {ErrorKind.DENIED.value}
    assert [one for one in found if one.action in grant.capabilities and covers(path, one.resource)]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("path", [one.path for one in grants_of(AccessMode.READ, swept=True) if one.denies])
def test_a_denial_holds_against_a_second_policy(place: Callable[..., Place], path: str) -> None:
    """What another policy opens on the same path stays shut; without the denial it is open, and the doctor warns."""
    here = place("openbao", AccessMode.READ, swept=True)
    rival = f'path "{path}" {{ capabilities = ["create", "read", "update", "list"] }}'
    here.apply(here.text, rival)
    assert [one for one in here.checks() if one.state is not CheckState.OK] == []
    here.apply(here.without(path), rival)
    (check,) = [one for one in here.checks() if one.state is not CheckState.OK]
    assert (check.name, check.state) == ("least-privilege", CheckState.WARNING)
    assert "--mode read" in check.fix


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("swept", [False, True], ids=["named", "swept"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_reading_mode_is_refused_every_value(place: Callable[..., Place], flavour: str, swept: bool) -> None:
    """The server itself refuses; in fingerprint mode the same calls answer."""
    shut, open_ = (place(flavour, mode, swept=swept) for mode in BOTH)
    shut.apply(shut.text)
    assert {one[1].kind for one in shut.values() if isinstance(one, tuple)} == {ErrorKind.DENIED.value}
    assert not [one for one in shut.values() if isinstance(one, FieldValue)]
    open_.apply(open_.text)
    assert len([one for one in open_.values() if isinstance(one, FieldValue)]) == 3
