"""One typed answer for everything that is wrong with a file, and nothing outside the root is opened."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Presence,
    ProviderError,
)

from .conftest import CANARY, Files


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may read everything, so denied reads are tried as nobody where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that any user can reach; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("fault", "presence", "kind", "reason"),
    [
        ("absent", Presence.ABSENT, None, None),
        ("outside", Presence.UNKNOWN, "misconfigured", "outside-root"),
        ("garbled", Presence.UNKNOWN, "malformed", "not-pem"),
        ("oversized", Presence.UNKNOWN, "malformed", "too-large"),
    ],
)
def test_each_fault_has_its_own_answer(
    files: Files, fault: str, presence: Presence, kind: str | None, reason: str | None
) -> None:
    """Absence is proven by the file system; everything else that is wrong must not look like it."""
    planted = files.plant("pem", "tls/api.pem")
    files.world.fault("primary", "files", fault, item="tls/api.pem")
    (item,) = files.look(planted)
    assert (item.presence, item.error and item.error.kind, item.error and item.error.reason) == (presence, kind, reason)
    files.world.fault("primary", "files", fault, item="tls/api.pem", off=True)
    (again,) = files.look(planted)
    assert again.presence is Presence.PRESENT


def test_an_unreadable_file_is_denied_not_absent(files: Files, passable: Path) -> None:
    """A file that we may not read must be denied with the missing right; so must one in a closed folder."""
    for folder in ("open", "closed"):
        (passable / folder).mkdir(mode=0o755)
        (passable / folder / "api.pem").write_text("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----")
    (passable / "open" / "api.pem").chmod(0o000)
    (passable / "closed").chmod(0o000)
    provider = files.provider(root=str(passable), trust_file=None, password_file=None)
    wanted = tuple(Locator("files", "pem", f"{folder}/api.pem") for folder in ("open", "closed"))
    with ordinary_user():
        request = InventoryRequest(budget=files.budget(), wanted=wanted, kinds=frozenset({"pem"}))
        seen = list(provider.inventory(request))
    (passable / "closed").chmod(0o755)
    items = [one for one in seen if isinstance(one, Item)]
    assert [(item.presence, item.error and item.error.action) for item in items] == [(Presence.DENIED, "read")] * 2
    (coverage,) = (one for one in seen if isinstance(one, Coverage))
    assert (coverage.status, coverage.authoritative) == (CoverageStatus.PARTIAL, False)
    assert coverage.error is not None
    assert coverage.error.kind == "denied"


def test_a_closed_root_is_called_by_its_name(files: Files, passable: Path) -> None:
    """Whoever reads that the root may not be read is told "the root folder", not a dot."""
    passable.chmod(0o000)
    provider = files.provider(root=str(passable), trust_file=None, password_file=None)
    with ordinary_user():
        request = InventoryRequest(budget=files.budget(), wanted=(Locator("files", "pem", "api.pem"),))
        with pytest.raises(ProviderError) as caught:
            list(provider.inventory(request))
    passable.chmod(0o755)
    assert caught.value.fact.resource == "the root folder"
    assert caught.value.fact.message == "the root folder may not be read by the user that runs nhisync"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "not-a-file"),
        (os.mkfifo, "not-a-file"),
        (lambda path: path.symlink_to(path.name), "link-loop"),
        (lambda path: path.symlink_to("/dev/zero"), "outside-root"),
        (lambda path: path.symlink_to("/etc/hostname"), "outside-root"),
        (lambda path: path.symlink_to("../../nothing-there"), "outside-root"),
        (lambda path: path.symlink_to("nothing-there"), None),
    ],
)
def test_what_is_no_file_of_ours_is_never_opened(files: Files, make: Any, reason: str | None) -> None:
    """Folders, pipes, loops, devices and links out of the root must be answered without hanging or reading them."""
    make(files.root / "odd.pem")
    (item,) = files.look(Locator("files", "pem", "odd.pem"))
    assert (item.error and item.error.reason) == reason
    assert (item.presence is Presence.ABSENT) == (reason is None)


@pytest.mark.parametrize("name", ["../escape.pem", "/etc/passwd", "a/../../b.pem", "nul\0.pem", "x" * 300])
def test_names_that_leave_the_root_are_refused(files: Files, name: str) -> None:
    """A locator can never point above the root, whatever it says."""
    (item,) = files.look(Locator("files", "pem", name))
    assert item.error is not None
    assert (item.presence, item.error.reason) == (Presence.UNKNOWN, "locator")


def test_links_inside_the_root_are_followed(files: Files) -> None:
    """A link to a file of the same root is how deployments switch versions; it must work."""
    files.plant("pem", "versions/2/api.pem")
    (files.root / "current").symlink_to("versions/2")
    (item,) = files.look(Locator("files", "pem", "current/api.pem"))
    assert item.presence is Presence.PRESENT


def test_a_root_that_is_a_link_works(files: Files, tmp_path: Path) -> None:
    """The root itself may be reached over a link."""
    planted = files.plant("pem", "api.pem")
    (tmp_path / "link").symlink_to(files.root)
    (item,) = files.look(planted, root="link")
    assert item.presence is Presence.PRESENT


@pytest.mark.parametrize(
    ("mode", "folder", "kind", "expected"),
    [
        (0o600, 0o700, "pem", ""),
        (0o640, 0o750, "pem", ""),
        (0o644, 0o700, "pem", "world-readable (0644)"),
        (0o660, 0o700, "pem", "group-writable (0660)"),
        (0o666, 0o700, "pem", "world-readable (0666); world-writable (0666)"),
        (0o600, 0o770, "pem", "in a group-writable folder (0770)"),
        (0o600, 0o777, "pem", "in a world-writable folder (0777)"),
        (0o644, 0o755, "json", "world-readable (0644)"),
    ],
)
def test_who_else_can_read_or_change_it(files: Files, mode: int, folder: int, kind: str, expected: str) -> None:
    """World-readable secrets and group-writable paths must be facts, because both are findings."""
    planted = files.plant(kind, f"sub/x.{kind}", {"api_key": CANARY}, mode=mode)
    (files.root / "sub").chmod(folder)
    (item,) = files.look(planted)
    assert item.exposure == expected


def test_public_certificates_may_be_read_but_not_changed(files: Files) -> None:
    """A certificate without key is public: readable is no exposure, writable is one."""
    readable = files.plant("pem", "a.pem", key="none", mode=0o644)
    writable = files.plant("pem", "b.pem", key="none", mode=0o664)
    one, two = files.look(readable, writable)
    assert (one.exposure, two.exposure) == ("", "group-writable (0664)")


def test_an_exposed_mount_names_its_first_file(files: Files) -> None:
    """The kubelet's default mode 0644 must be visible, with the file it concerns."""
    planted = files.plant("kubernetes-secret", "x", {"api_key": CANARY, "user": "u"}, mode=0o644)
    (item,) = files.look(planted)
    assert item.exposure == "api_key world-readable (0644) and 1 more"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("json", b"{", "not-json"),
        ("json", b'{"a": 1, "a": 2}', "not-json"),
        ("json", b"[]", "no-fields"),
        ("json", b"[" * 50_000, "not-json"),
        ("json", b'{"a":' * 10 + b"1" + b"}" * 10, "too-deep"),
        ("json", b"{" + b",".join(b'"%d":1' % i for i in range(600)) + b"}", "too-many-fields"),
        ("json", b'{"a": "' + b"x" * 70_000 + b'"}', "too-large"),
        ("json", b"\xff\xfe\x00", "not-json"),
        ("yaml", b"a: b: c", "not-yaml"),
        ("yaml", b"a: 1\na: 2\n", "not-yaml|repeated-field"),
        ("yaml", b"a: 1\n---\nb: 2\n", "not-yaml"),
        ("yaml", b"", "not-yaml"),
        ("yaml", b"just text", "no-fields"),
        ("yaml", b"&a [*a]", "too-deep|not-yaml"),
        ("yaml", b"[" * 20_000, "too-deep"),
        ("yaml", b"[" * 60, "not-yaml"),
        ("yaml", b"- " * 10_000, "not-yaml"),
        ("yaml", b"a: " + b"x" * 40_000, "too-large"),
        (
            "yaml",
            b"a: &a []\nb: &b [" + b"*a," * 50 + b"]\nc: &c [" + b"*b," * 50 + b"]\nd: [" + b"*c," * 50 + b"]",
            "too-many-fields",
        ),
        ("pem", b"nothing", "not-pem"),
        ("pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate-unreadable"),
        ("pkcs12", b"nothing", "not-pkcs12"),
        ("pkcs12", b"\x30\x03\x02\x01\x01", "not-pkcs12"),
        ("pkcs12", b"\x30\x80\x02\x01\x03\x00\x00", "not-pkcs12"),
        ("pkcs12", b"\x30\x03\x02\x01\x03", "password"),
    ],
)
def test_hostile_files_are_typed(files: Files, kind: str, content: bytes, reason: str) -> None:
    """Cut, nested, repeated, endless and foreign contents must each end quickly in a typed answer without quotes."""
    files.write("hostile", content)
    (item,) = files.look(Locator("files", kind, "hostile"))
    assert item.error is not None
    assert item.error.reason in reason.split("|")
    assert item.error.resource == "hostile"


def test_yaml_tags_do_nothing(files: Files) -> None:
    """A tag must neither construct anything nor spoil the file."""
    files.write("x.yaml", b"password: !!python/object/apply:os.system [echo]\nother: !vault secret\n")
    (item,) = files.look(Locator("files", "yaml", "x.yaml"))
    assert item.fields == ("other", "password.0")


def test_a_kind_of_another_provider_is_unsupported(files: Files) -> None:
    """A locator with a foreign kind must be answered as such."""
    (item,) = files.look(Locator("files", "tls", "host:443"))
    assert item.presence is Presence.UNSUPPORTED


@pytest.mark.parametrize(
    ("prepare", "kind"),
    [
        (lambda root: root.rename(root.with_name("moved")), ErrorKind.SCOPE_MISSING),
        (lambda root: (root.rmdir(), root.write_text("x")), ErrorKind.MISCONFIGURED),
    ],
)
def test_a_root_that_cannot_be_listed_ends_the_run(files: Files, prepare: Any, kind: ErrorKind) -> None:
    """Without the root nothing is known of any item, least of all that it is absent."""
    prepare(files.root)
    with pytest.raises(ProviderError) as caught:
        list(files.provider().inventory(InventoryRequest(budget=files.budget())))
    assert caught.value.kind is kind
