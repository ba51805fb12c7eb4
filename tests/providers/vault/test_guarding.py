"""How a cluster guards what it stores: read when asked, in three calls, unknown when refused, never guessed (R33)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nhisync.spi import GUARDED, AccessMode, Audited, CoverageStatus, KeyHolder, Locator, Presence, Protection
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.guarding import GRANTS

from .conftest import Site

FILE = {"file/": {"file_path": "/var/log/audit.log"}}
Make = Callable[..., Site]


@pytest.fixture
def site_of(world: Any, clock: Any) -> Iterator[Make]:
    """A factory of sources with an identity that may read how they are guarded."""
    made: list[Site] = []

    def factory(**options: Any) -> Site:
        path = f"p{len(made)}"
        site = Site(world, clock, path=path, **{"protection": True, "guarded": {"audit": FILE}, **options})
        made.append(site)
        return site

    yield factory
    for site in made:
        site.close()


def told(site: Site) -> Protection:
    """What is said of one planted item."""
    planted = site.seed("kv", "secret/pay/stripe")
    found = site.observe(planted, protection=True)[planted]
    assert found.presence is Presence.PRESENT
    assert found.protection is not None
    return found.protection


@pytest.mark.requirement("R33")
@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_a_cluster_tells_seal_key_and_audit(site_of: Make, flavour: str) -> None:
    """A cluster as it is made: Shamir shares in software, a barrier key that is replaced, one device that sees all."""
    assert told(site_of(flavour=flavour)) == Protection(
        holder=KeyHolder.CUSTOMER,
        hardware=False,
        rotates=True,
        enabled=True,
        key="seal shamir",
        audited=Audited.YES,
        audit="audit device file/ (file)",
    )


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("seal", "hardware"),
    [("awskms", True), ("pkcs11", True), ("static", False), ("transit", None), ("gcpckms", None), ("newer", None)],
)
def test_only_what_a_seal_shows_is_said(site_of: Make, seal: str, hardware: bool | None) -> None:
    """Services that offer keys in software and in hardware leave it unknown."""
    found = told(site_of(guarded={"seal": seal}))
    assert (found.hardware, found.key) == (hardware, f"seal {seal}")


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("devices", "audited", "said"),
    [
        ({}, Audited.NO, "no audit device"),
        ({"file/": {"filter": 'mount_type == "kv"'}}, Audited.PARTLY, "audit device file/ (file), each with a filter"),
        ({"a/": {"filter": "x"}, "b/": {}}, Audited.YES, "audit device a/ (a), b/ (b)"),
    ],
)
def test_audit_devices_are_judged(site_of: Make, devices: Any, audited: Audited, said: str) -> None:
    """None is no; filtered ones alone are a part; one that sees everything is enough."""
    found = told(site_of(guarded={"audit": devices, "rotates": False}))
    assert (found.audited, found.audit, found.rotates) == (audited, said, False)


@pytest.mark.requirement("R33", "R42")
@pytest.mark.parametrize("missing", [grant.path for grant in GRANTS])
def test_every_line_is_missed_by_name(site_of: Make, missing: str) -> None:
    """One line less: its fact is unknown, never "not audited"; a note names it, and the item and its kind stand."""
    site = site_of()
    planted = site.seed("kv", "secret/pay/stripe")
    source = site.world.source(site.path, "vault")
    with source.core.lock:
        text = source.core.policies().get(source.policy).text
        kept = [line for line in text.splitlines(keepends=True) if f'"{missing}"' not in line]
        assert len(kept) == len(text.splitlines()) - 1
        put_policy(source.core.policies(), source.policy, "".join(kept), now=site.clock.now())
        source.core.storage.commit()
    seen = site.observe(planted, kinds=("kv",), protection=True)
    protection = seen[planted].protection
    assert seen[planted].presence is Presence.PRESENT
    assert protection is not None
    lost = (protection.audited, protection.audit) if missing == "sys/audit" else (protection.rotates, protection.key)
    assert lost[0] is None
    assert f"denied ({missing})" in str(lost[1])
    notes = [one for (kind, _), one in seen.coverage.items() if kind == GUARDED]
    assert [(one.scope, one.status, one.authoritative) for one in notes] == [(missing, CoverageStatus.DENIED, False)]
    assert notes[0].error is not None
    assert missing in notes[0].error.fix
    assert {one.status for (kind, _), one in seen.coverage.items() if kind == "kv"} == {CoverageStatus.COMPLETE}


@pytest.mark.requirement("R33", "R42")
def test_the_printed_lines_suffice(site_of: Make) -> None:
    """With them nothing is refused; without asking, nothing of it is read at all."""
    site = site_of()
    planted = site.seed("kv", "secret/pay/stripe")
    (document,) = site.provider().protection_permissions([planted], frozenset())
    assert document.actions == ("read,sudo sys/audit", "read sys/rotate/config")
    assert document not in site.provider().permissions(AccessMode.READ, [planted], frozenset())
    asked = site.observe(planted, protection=True)
    silent = site.observe(planted)
    assert GUARDED not in {kind for kind, _ in asked.coverage}
    assert silent[planted].protection is None
    assert asked.calls - silent.calls == 3
    assert site.provider().protection_permissions([], frozenset()) == ()


@pytest.mark.requirement("R33")
def test_a_device_that_goes_is_seen_although_nothing_else_changed(site_of: Make) -> None:
    """An item is unchanged only while what guards it is: its stored detail would tell of a device that is gone."""
    site = site_of()
    names = [site.seed("kv", f"secret/pay/{name}") for name in "abcde"]
    first = site.observe(*names, kinds=("kv",), protection=True)
    again = site.observe(*names, kinds=("kv",), protection=True, known=first.markers())
    assert again.unchanged == set(names)
    assert site.observe(*names, kinds=("kv",), known=first.markers()).unchanged == set()
    core = site.world.source(site.path, "vault").core
    core.guarded = type(core.guarded)()
    after = site.observe(*names, kinds=("kv",), protection=True, known=first.markers())
    assert after.unchanged == set()
    assert {item.protection.audited for item in after.items.values() if item.protection} == {Audited.NO}


@pytest.mark.requirement("R33")
def test_an_answer_without_a_seal_is_no_answer(site_of: Make) -> None:
    """A gateway that empties the answer leaves the key unknown."""
    found = told(site_of(guarded={"seal": ""}))
    assert (found.holder, found.hardware, found.key) == (None, None, "seal not known: malformed (sys/seal-status)")


def test_absent_items_are_not_guarded(site_of: Make) -> None:
    """Of what is not there nothing is said."""
    site = site_of()
    site.seed("kv", "secret/pay/stripe")
    gone = Locator.parse("vault:kv/secret/pay/none")
    assert site.observe(gone, protection=True)[gone].protection is None
