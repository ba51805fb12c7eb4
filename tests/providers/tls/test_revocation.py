"""Revocation lists, name constraints and lifetimes of chains."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from nhisync.model import Revocation
from nhisync.spi.x509 import NO_VIEWS, Profile, RevocationLists, Trust, TrustStore, Views, chain_facts, load_views
from nhisync.spi.x509.views import decode_lists
from nhisync_tls.emulator.chains import Hierarchy, make_hierarchy
from nhisync_tls.emulator.lists import revocation_list
from nhisync_tls.emulator.pki import Issued, Shape, issue, pem

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@cache
def world() -> tuple[Hierarchy, Issued]:
    """An authority and a leaf of it."""
    hierarchy = make_hierarchy("Unit", NOW)
    shape = Shape(
        subject="api.example.com",
        not_before=NOW - 10 * DAY,
        not_after=NOW + 60 * DAY,
        names=("api.example.com",),
        usages=("server_auth",),
    )
    return hierarchy, issue(shape, hierarchy.intermediate)


def lists(*, root: dict[str, Any] | None = None, issuing: dict[str, Any] | None = None) -> bytes:
    """Lists of root and intermediate with these changes; healthy otherwise."""
    hierarchy, _ = world()
    usual: dict[str, Any] = {"serials": (), "begins": NOW - DAY, "ends": NOW + 5 * DAY}
    first = revocation_list(hierarchy.root, **(usual | {"ends": NOW + 9 * DAY} | (root or {})))
    return first + revocation_list(hierarchy.intermediate, **(usual | (issuing or {})))


def judged(content: bytes, *, now: datetime = NOW) -> Revocation:
    """What the lists in `content` say of the chain."""
    hierarchy, leaf = world()
    views = Views(revocation=RevocationLists(lists=tuple(decode_lists(content)) if content else ()))
    served = [leaf.certificate, hierarchy.intermediate.certificate]
    trust = Trust(roots=(hierarchy.root.certificate,))
    found = chain_facts(served, trust, name="", now=now, views=views).revocation
    assert found is not None
    return found


def test_without_lists_nothing_is_said_about_revocation() -> None:
    """Who configures no list asks nothing, and gets no unknown."""
    hierarchy, leaf = world()
    trust = Trust(roots=(hierarchy.root.certificate,))
    assert chain_facts([leaf.certificate], trust, name="", now=NOW).revocation is None
    assert NO_VIEWS.revocation is None


@pytest.mark.requirement("R30")
def test_a_good_path_has_an_end_of_its_answers() -> None:
    """The first list to end is named with its last second."""
    good = judged(lists())
    assert (good.revoked, good.unknown) == ("", "")
    assert (good.until, good.issuer) == (NOW + 5 * DAY, "CN=Unit Issuing CA,O=Example")


@pytest.mark.parametrize(
    ("who", "says"), [("leaf", "CN=api.example.com,O=Example"), ("intermediate", "CN=Unit Issuing CA,O=Example")]
)
def test_what_is_revoked_is_named(who: str, says: str) -> None:
    """Leaf and intermediate alike, each by the list of its own issuer."""
    hierarchy, leaf = world()
    serials = {"leaf": leaf.certificate, "intermediate": hierarchy.intermediate.certificate}
    changed = {"serials": [serials[who].serial_number]}
    found = judged(lists(issuing=changed) if who == "leaf" else lists(root=changed))
    assert found.revoked == f"{says} is revoked since 2026-11-22T00:00:01Z"


def test_a_serial_number_counts_on_its_issuers_list_only() -> None:
    """The same number on another issuer's list is another certificate."""
    _, leaf = world()
    assert judged(lists(root={"serials": [leaf.certificate.serial_number]})).revoked == ""


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def part(**changes: Any) -> list[tuple[x509.ExtensionType, bool]]:
    """An issuing distribution point."""
    usual: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return [(x509.IssuingDistributionPoint(**(usual | changes)), True)]


@pytest.mark.parametrize(
    ("issuing", "says"),
    [
        ({"ends": NOW - SECOND}, "the list of CN=Unit Issuing CA,O=Example ended 2026-11-22T23:59:59Z"),
        ({"begins": NOW + SECOND}, "no usable list"),
        ({"number": None}, "no usable list"),
        ({"more": [(UNKNOWN_EXTENSION, True)]}, "no usable list"),
        ({"more": [(x509.DeltaCRLIndicator(1), True)]}, "no usable list"),
        ({"more": part(indirect_crl=True)}, "no usable list"),
        ({"more": part(only_contains_ca_certs=True)}, "no usable list"),
        ({"more": part(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))}, "no usable list"),
        ({"more": part(full_name=[x509.UniformResourceIdentifier("http://crl.example/2")])}, "no usable list"),
    ],
)
def test_a_list_that_does_not_answer_is_no_good_news(issuing: dict[str, Any], says: str) -> None:
    """Ended, early, unnumbered, partial, delta, indirect and strange lists must leave the status unknown."""
    found = judged(lists(issuing=issuing))
    assert says in found.unknown
    assert (found.revoked, found.until) == ("", None)


@pytest.mark.parametrize("more", [part(only_contains_user_certs=True), [(UNKNOWN_EXTENSION, False)]])
def test_a_list_for_this_kind_of_certificate_answers(more: list[tuple[x509.ExtensionType, bool]]) -> None:
    """The part for end entities covers the leaf, and what is not critical does not matter."""
    assert judged(lists(issuing={"more": more})).unknown == ""


def test_a_list_signed_by_a_stranger_of_the_same_name_is_none() -> None:
    """The name of the issuer on a list proves nothing; its key must have signed it."""
    stranger = make_hierarchy("Unit", NOW).intermediate
    root = revocation_list(world()[0].root, (), begins=NOW - DAY, ends=NOW + DAY)
    forged = revocation_list(stranger, (), begins=NOW - DAY, ends=NOW + DAY)
    assert "no usable list" in judged(root + forged).unknown


def test_the_newest_of_two_current_lists_counts() -> None:
    """A hold that was released must not haunt, and a new revocation must not be missed."""
    _, leaf = world()
    older = revocation_list(
        world()[0].intermediate, [leaf.certificate.serial_number], begins=NOW - 2 * DAY, ends=NOW + 9 * DAY
    )
    assert judged(lists() + older).revoked == ""
    newer = revocation_list(
        world()[0].intermediate, [leaf.certificate.serial_number], begins=NOW - SECOND, ends=NOW + DAY
    )
    assert judged(newer + lists()).revoked != ""


def test_bounds_of_a_list_belong_to_it() -> None:
    """Both thisUpdate and nextUpdate are within, as OpenSSL and RFC 5280 §5.1.2.5 have it."""
    assert judged(lists(issuing={"begins": NOW}), now=NOW).unknown == ""
    assert judged(lists(issuing={"ends": NOW}), now=NOW + timedelta(milliseconds=999)).until == NOW
    assert judged(lists(issuing={"ends": NOW}), now=NOW + SECOND).until is None
    assert judged(b"").unknown == "no list of CN=Unit Issuing CA,O=Example is configured"


def test_a_chain_that_ends_in_the_middle_is_not_known_to_be_good() -> None:
    """Where nobody knows the issuer of the last certificate, nobody knows whether it was revoked."""
    hierarchy, leaf = world()
    given = RevocationLists(lists=tuple(decode_lists(lists())))
    views = Views(revocation=given)
    for served, last in (
        ([leaf.certificate], "CN=api.example.com,O=Example"),
        ([leaf.certificate, hierarchy.intermediate.certificate], "CN=Unit Issuing CA,O=Example"),
    ):
        found = chain_facts(served, None, name="", now=NOW, views=views).revocation
        assert found is not None
        assert found.unknown == f"the issuer of {last} is not known"
        assert (found.revoked, found.until) == ("", None)


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """A missing or garbled file must be the reason of an unknown, in our words; a good one beside it still counts."""
    (tmp_path / "good.pem").write_bytes(lists())
    (tmp_path / "bad.pem").write_bytes(b"canary-not-a-list-7f3a9c51")
    der = decode_lists(lists())[0].public_bytes(Encoding.DER)
    (tmp_path / "one.der").write_bytes(der)
    (tmp_path / "clients.pem").write_bytes(pem(world()[0].root.certificate))
    names = [Path(name) for name in ("good.pem", "bad.pem", "gone.pem", "one.der")]
    clients = {"phones": Path("clients.pem"), "lost": Path("gone.pem"), "browsers": Path("system")}
    views = load_views(clients, names, tmp_path.joinpath, Profile.PRIVATE, system=True)
    assert views.revocation is not None
    assert len(views.revocation.lists) == 3
    assert views.revocation.problem == (
        "file 2 of crl_files holds no revocation list that can be parsed; file 3 of crl_files cannot be read"
    )
    assert list(views.stores) == ["system", "client:browsers", "client:lost", "client:phones"]
    lost, phones, browsers = (views.stores[f"client:{name}"] for name in ("lost", "phones", "browsers"))
    assert (lost.trust, lost.problem) == (None, "client_trust lost cannot be read")
    assert phones.trust is not None
    assert (phones.trust.profile, phones.trust.public) == (Profile.PRIVATE, False)
    assert browsers.trust is not None
    assert browsers.trust.public
    assert load_views({}, (), tmp_path.joinpath, Profile.WEB, system=False) == NO_VIEWS


@pytest.mark.parametrize("revoked", [False, True])
def test_openssl_says_the_same_of_lists(tmp_path: Path, revoked: bool) -> None:
    """``openssl verify -crl_check_all`` must accept and refuse what we do."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the openssl program is not installed: lists are NOT compared with it")
    hierarchy, leaf = world()
    content = lists(issuing={"serials": [leaf.certificate.serial_number] if revoked else []})
    files = {"leaf": pem(leaf.certificate), "more": pem(hierarchy.intermediate.certificate), "lists": content}
    for name, text in {**files, "root": pem(hierarchy.root.certificate)}.items():
        (tmp_path / name).write_bytes(text)
    command = [program, "verify", "-crl_check_all", "-attime", str(int(NOW.timestamp())), "-CAfile", "root"]
    command += ["-untrusted", "more", "-CRLfile", "lists", "leaf"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) is (judged(content).revoked == "") is not revoked, done.stderr


ORGANISATION = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")]))


@pytest.mark.requirement("R30")
@pytest.mark.parametrize(
    ("permitted", "excluded", "problem"),
    [
        (["example.com"], None, ""),
        (["example.com", "example.org"], None, ""),
        (["example.org"], None, "no path to a configured root"),
        (["www.api.example.com"], None, "no path to a configured root"),
        (None, ["example.org"], ""),
        (None, ["api.example.com"], "no path to a configured root"),
        (["example.com"], ["api.example.com"], "no path to a configured root"),
        (None, [ORGANISATION], "an authority has name constraints of a kind that is not judged here"),
        ([ORGANISATION], None, "an authority has name constraints of a kind that is not judged here"),
    ],
)
def test_name_constraints_are_enforced(
    tmp_path: Path, permitted: list[Any] | None, excluded: list[Any] | None, problem: str
) -> None:
    """Names outside of an authority's constraints must not pass; what cannot be judged fails with that reason.

    OpenSSL judges distinguished names, too, and may accept what is refused here; never the other way round.
    """
    trees = [
        None if names is None else [x509.DNSName(name) if isinstance(name, str) else name for name in names]
        for names in (permitted, excluded)
    ]
    constraints = x509.NameConstraints(permitted_subtrees=trees[0], excluded_subtrees=trees[1])
    dates = {"not_before": NOW - DAY, "not_after": NOW + DAY}
    root = issue(Shape(subject="Root", is_ca=True, **dates))  # type: ignore[arg-type]
    middle = issue(Shape(subject="Middle", is_ca=True, **dates), root, more=((constraints, True),))  # type: ignore[arg-type]
    usual: dict[str, Any] = {"names": ("api.example.com",), "usages": ("server_auth",), **dates}
    leaf = issue(Shape(subject="api.example.com", **usual), middle)
    trust = Trust(roots=(root.certificate,))
    found = chain_facts([leaf.certificate, middle.certificate], trust, name="", now=NOW)
    assert found.builds is (problem == "")
    assert found.problem.startswith(problem)
    if (program := shutil.which("openssl")) and found.builds:
        for name, one in (("leaf", leaf), ("more", middle), ("root", root)):
            (tmp_path / name).write_bytes(pem(one.certificate))
        command = [program, "verify", "-attime", str(int(NOW.timestamp())), "-CAfile", "root", "-untrusted", "more"]
        done = subprocess.run([*command, "leaf"], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("since", "days", "long"),
    [
        (datetime(2017, 1, 1, tzinfo=UTC), 2000, False),
        (datetime(2020, 8, 31, tzinfo=UTC), 825, False),
        (datetime(2020, 9, 1, tzinfo=UTC), 398, False),
        (datetime(2020, 9, 1, tzinfo=UTC), 399, True),
        (datetime(2026, 3, 14, tzinfo=UTC), 398, False),
        (datetime(2026, 3, 15, tzinfo=UTC), 200, False),
        (datetime(2026, 3, 15, tzinfo=UTC), 201, True),
        (datetime(2027, 3, 15, tzinfo=UTC), 101, True),
        (datetime(2029, 3, 15, tzinfo=UTC), 47, False),
        (datetime(2029, 3, 15, tzinfo=UTC), 48, True),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_public_leaves_have_a_longest_life(since: datetime, days: int, long: bool, public: bool) -> None:
    """BR §6.3.2 counts both ends, so one second less than the days is all; private authorities are not bound by it."""
    root = issue(Shape(subject="Root", not_before=since - DAY, not_after=since + 9000 * DAY, is_ca=True))
    shape = Shape(
        subject="a.example",
        not_before=since,
        not_after=since + days * DAY - SECOND,
        names=("a.example",),
        usages=("server_auth",),
    )
    leaf = issue(shape, root).certificate
    trust = Trust(roots=(root.certificate,), public=public)
    assert ("long-lived-leaf" in chain_facts([leaf], trust, name="", now=since).weak) is (long and public)
    own = Trust(roots=(root.certificate,))
    views = Views(stores={"system": TrustStore(trust=trust)})
    assert ("long-lived-leaf" in chain_facts([leaf], own, name="", now=since, views=views).weak) is (long and public)
