"""The adapter against real files: facts by metadata, one typed answer for everything that is wrong."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    CredentialState,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Precision,
    Presence,
    ProviderError,
)

from .conftest import CANARY, Files

DAY = timedelta(days=1)


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


def chain_of(item: Item) -> Any:
    """The item's chain, which must be there."""
    assert item.presence is Presence.PRESENT, item.error
    assert item.chain is not None
    return item.chain


@pytest.mark.requirement("R11", "R30")
def test_a_pem_chain_with_its_key(files: Files) -> None:
    """A stored chain must give dates, ids and verification; of the key beside it only the presence."""
    (item,) = files.look(files.plant("pem", "tls/api.pem", expires=30 * DAY, rotated=10 * DAY))
    chain = chain_of(item)
    assert (chain.builds, chain.builds_with_known, chain.ordered, chain.surplus, chain.weak) == (
        True,
        True,
        True,
        0,
        (),
    )
    assert item.fields == ("certificate", "private_key")
    assert dict(item.attributes)["private-key"] == "plain"
    assert item.state is CredentialState.ACTIVE
    assert item.expires is not None
    assert item.expires.at == files.clock.now() + 30 * DAY
    assert item.rotated is not None
    assert (item.rotated.at, item.rotated.precision) == (files.clock.now() - 10 * DAY, Precision.DAY)
    assert [public.scheme for public in item.ids] == ["issuer-serial", "spki-sha256"]
    assert item.exposure == ""


def test_a_client_certificate_is_judged_as_one(files: Files) -> None:
    """A stored client certificate names no server and is not for servers: that must be no fault of it."""
    (item,) = files.look(files.plant("pem", "client.pem", client=True))
    chain = chain_of(item)
    assert (chain.builds, chain.weak, chain.problem) == (True, (), "")
    assert dict(item.attributes)["purpose"] == "client"


def test_a_missing_intermediate_in_a_file(files: Files) -> None:
    """A chain that only builds with known intermediates must say so before it is served."""
    (item,) = files.look(files.plant("pem", "api.pem", chain="missing_intermediate"))
    chain = chain_of(item)
    assert (chain.builds, chain.builds_with_known) == (False, True)
    assert chain.problem == "an intermediate is not served (it is known here)"


def test_an_expired_leaf_in_a_file(files: Files) -> None:
    """Stored chains must be judged at the injected instant."""
    (item,) = files.look(files.plant("pem", "api.pem", expires=-DAY))
    assert chain_of(item).builds is False
    assert item.state is CredentialState.DEACTIVATED


def test_without_trust_a_chain_is_described_only(files: Files) -> None:
    """No trust file means "not verified", an unusable one says why; neither may look like a pass."""
    planted = files.plant("pem", "api.pem")
    (without,) = files.look(planted, trust_file=None)
    (broken,) = files.look(planted, trust_file=str(files.root / "none"))
    assert (chain_of(without).builds, chain_of(without).problem) == (None, "")
    assert (chain_of(broken).builds, chain_of(broken).problem) == (None, "trust_file cannot be read")


def test_an_encrypted_key_is_named_and_left_alone(files: Files) -> None:
    """An encrypted key must be told from a plain one by its label alone."""
    (item,) = files.look(files.plant("pem", "api.pem", key="encrypted"))
    assert dict(item.attributes)["private-key"] == "encrypted"


def test_a_key_without_certificate_has_its_files_date(files: Files) -> None:
    """Without a certificate the generation is "at the latest" as old as the file's last change."""
    (item,) = files.look(files.plant("pem", "id.key", chain="none", rotated=7 * DAY))
    assert item.chain is None
    assert item.fields == ("private_key",)
    assert item.rotated is not None
    assert (item.rotated.at, item.rotated.precision) == (files.clock.now() - 7 * DAY, Precision.UPPER_BOUND)


@pytest.mark.requirement("R11")
def test_a_trust_bundle_is_no_copied_credential(files: Files) -> None:
    """The same roots on both paths are wanted: a bundle must carry no ids, and its earliest end."""
    (item,) = files.look(files.plant("pem", "ca.pem", chain="bundle"))
    assert (item.chain, item.ids) == (None, ())
    assert dict(item.attributes)["content"] == "trust-bundle"
    assert item.version is not None
    assert len(item.version) == 64
    assert item.expires is not None


@pytest.mark.requirement("R42")
def test_one_key_in_two_files_has_one_public_id(files: Files) -> None:
    """A copied key must be visible without reading it: same SPKI, another serial."""
    one, two = files.look(files.plant("pem", "a.pem", key_label="k"), files.plant("pkcs12", "b.p12", key_label="k"))
    ids = [{public.scheme: public.value for public in item.ids} for item in (one, two)]
    assert ids[0]["spki-sha256"] == ids[1]["spki-sha256"]
    assert ids[0]["issuer-serial"] != ids[1]["issuer-serial"]


def test_a_store_is_opened_for_its_certificates(files: Files) -> None:
    """With the configured password a PKCS#12 store must give the same facts as a PEM chain."""
    (item,) = files.look(files.plant("pkcs12", "api.p12", expires=30 * DAY))
    assert chain_of(item).builds is True
    assert item.fields == ("certificate", "private_key")


def test_a_store_without_password_is_described_from_outside(files: Files) -> None:
    """Without a password file a store is present and closed: nothing is guessed."""
    (item,) = files.look(files.plant("pkcs12", "api.p12"), password_file=None)
    assert (item.presence, item.fields, item.chain) == (Presence.PRESENT, None, None)
    assert dict(item.attributes)["content"] == "closed (no password_file)"


def test_a_store_with_another_password_is_typed(files: Files) -> None:
    """A password that does not open it must be told from a broken store."""
    (item,) = files.look(files.plant("pkcs12", "api.p12", other_password=True))
    assert item.error is not None
    assert (item.error.kind, item.error.reason) == ("crypto_unavailable", "password")
    assert item.presence is Presence.UNREACHABLE


def test_a_mounted_secret(files: Files) -> None:
    """A kubelet mount must give its keys, its generation, and the time of the last swap."""
    fields = {"api_key": CANARY, "user": "payments"}
    (item,) = files.look(files.plant("kubernetes-secret", "payments-api", fields, rotated=2 * DAY))
    assert item.fields == ("api_key", "user")
    assert item.version is not None
    assert item.version.startswith("..2026_11_21_03_12_09")
    assert item.rotated is not None
    assert (item.rotated.at, item.rotated.precision) == (files.clock.now() - 2 * DAY, Precision.UPPER_BOUND)


def test_a_mounted_tls_secret_has_a_chain(files: Files) -> None:
    """A Secret of type kubernetes.io/tls must be judged like any other chain."""
    (item,) = files.look(files.plant("kubernetes-secret", "api-tls", tls=True))
    assert chain_of(item).builds is True
    assert item.fields == ("tls.crt", "tls.key")


def test_a_swapped_mount_is_a_new_generation(files: Files) -> None:
    """After the kubelet swapped the link, the new folder must be seen, not the old one."""
    planted = files.plant("kubernetes-secret", "payments-api", {"api_key": CANARY})
    (before,) = files.look(planted)
    files.clock.advance(DAY)
    files.plant("kubernetes-secret", "payments-api", {"api_key": CANARY + "2"}, rotated=timedelta(0))
    (after,) = files.look(planted)
    assert before.version != after.version
    assert after.rotated is not None
    assert after.rotated.at == files.clock.now()


def test_a_folder_that_nobody_mounted_is_said_to_be_one(files: Files) -> None:
    """A folder without the ``..data`` link must not pass for a mounted Secret."""
    (files.root / "plain").mkdir()
    (item,) = files.look(Locator("files", "kubernetes-secret", "plain"))
    assert item.error is not None
    assert (item.error.kind, item.error.reason) == ("malformed", "not-mounted")


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_a_google_key_file(files: Files, kind: str) -> None:
    """A service account key must give its key id, its account and its field names, and no value."""
    fields = {"private_key_id": "a1" * 20, "private_key": CANARY}
    (item,) = files.look(files.plant(kind, f"gcp/key.{kind}", fields, shape="google"))
    assert item.version == "a1" * 20
    assert [(public.scheme, public.value) for public in item.ids] == [("access-key-id", "a1" * 20)]
    assert item.provider_id == "payments@example-project.iam.gserviceaccount.com"
    assert item.fields == ("client_email", "private_key", "private_key_id", "project_id", "type")


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_an_amazon_key_file(files: Files, kind: str) -> None:
    """An access key as the AWS CLI prints it must give its id, status and creation, and no value."""
    fields = {"AccessKeyId": "AKIAEXAMPLE0EXAMPLE0", "SecretAccessKey": CANARY}
    (item,) = files.look(files.plant(kind, f"aws.{kind}", fields, shape="aws", rotated=3 * DAY))
    assert [(public.scheme, public.value) for public in item.ids] == [("access-key-id", "AKIAEXAMPLE0EXAMPLE0")]
    assert item.rotated is not None
    assert (item.rotated.at, item.rotated.precision) == (files.clock.now() - 3 * DAY, Precision.EXACT)
    assert "AccessKey.SecretAccessKey" in (item.fields or ())
    assert dict(item.attributes) == {"format": "aws-access-key", "status": "Active"}


def test_flat_names_and_session_ends_are_understood(files: Files) -> None:
    """The names of the credentials file, and the end of a session, must be read too."""
    flat = {"aws_access_key_id": "AKIAEXAMPLE0EXAMPLE0", "aws_secret_access_key": CANARY}
    ends = "2026-11-23T04:00:00Z"
    session = {"AccessKeyId": "ASIAEXAMPLE0EXAMPLE0", "Expiration": ends, "SessionToken": CANARY}
    files.write("session.json", json.dumps({"Credentials": session}).encode())
    one, two = files.look(files.plant("yaml", "flat.yaml", flat), Locator("files", "json", "session.json"))
    assert one.version == "AKIAEXAMPLE0EXAMPLE0"
    assert two.expires is not None
    assert f"{two.expires.at:%H:%M}" == "04:00"


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "service_account", "private_key_id": CANARY, "client_email": CANARY},
        {"AccessKeyId": CANARY, "CreateDate": CANARY, "Status": CANARY, "Expiration": CANARY},
        {"aws_access_key_id": "secret+value/with=" + CANARY},
    ],
)
def test_a_value_in_the_place_of_an_id_stays_inside(files: Files, fields: dict[str, str]) -> None:
    """What does not look like the public id that belongs there must not be shown."""
    (item,) = files.look(files.plant("json", "odd.json", fields))
    assert item.presence is Presence.PRESENT
    assert CANARY not in repr(item)


def test_names_of_nested_fields_are_dotted(files: Files) -> None:
    """Nested names, list places and names with odd characters must be listed, printable and sorted."""
    files.write("x.yaml", b'db: {password: x, hosts: [{key: y}, {key: z}]}\n"bad\\u001bname": 1\nempty: {}\n')
    (item,) = files.look(Locator("files", "yaml", "x.yaml"))
    assert item.fields == (
        "bad\N{REPLACEMENT CHARACTER}name",
        "db.hosts.0.key",
        "db.hosts.1.key",
        "db.password",
        "empty",
    )


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


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that any user can reach; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


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


def test_a_sweep_finds_every_kind_once(files: Files) -> None:
    """A walk must find each kind by its ending or link, answer wanted items once, and prove absence."""
    wanted = files.plant("pem", "a/api.pem")
    files.plant("pkcs12", "b/store.p12")
    files.plant("kubernetes-secret", "c/mounted", {"password.json": CANARY})
    files.plant("json", "d/key.json", {"api_key": CANARY})
    files.plant("yaml", "e/key.yml", {"api_key": CANARY})
    files.write("f/readme.txt", b"no")
    kinds = frozenset({"pem", "pkcs12", "kubernetes-secret", "json", "yaml", "tls"})
    request = InventoryRequest(budget=files.budget(), kinds=kinds, wanted=(wanted,))
    seen = list(files.provider().inventory(request))
    names = sorted(str(one.locator) for one in seen if isinstance(one, Item))
    assert names == [
        "files:json/d/key.json",
        "files:kubernetes-secret/c/mounted",
        "files:pem/a/api.pem",
        "files:pkcs12/b/store.p12",
        "files:yaml/e/key.yml",
    ]
    coverage = [one for one in seen if isinstance(one, Coverage)]
    assert {(one.kind, one.status, one.items, one.authoritative) for one in coverage} == {
        (kind, CoverageStatus.COMPLETE, 1, True) for kind in kinds - {"tls"}
    }


def test_a_sweep_keeps_to_its_prefixes(files: Files) -> None:
    """Only names under the wanted prefixes may be read."""
    files.plant("pem", "payments/api.pem")
    files.plant("pem", "other/api.pem")
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}), prefixes={"pem": ("payments/",)})
    items = [one for one in files.provider().inventory(request) if isinstance(one, Item)]
    assert [item.locator.name for item in items] == ["payments/api.pem"]


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda files: files.plant("pem", "a/b/c.pem"), {"max_depth": 1}, "the folder a/b is too deep"),
        (
            lambda files: files.plant("pem", "b.pem"),
            {"max_files": 1},
            "more than 1 entries; the rest was not looked at",
        ),
        (lambda files: files.write("a#b.pem", b"x"), {}, "a name holds # or characters that cannot be printed"),
        (lambda files: files.write("a\x1b[2J.pem", b"x"), {}, "a name holds # or characters that cannot be printed"),
    ],
)
def test_a_walk_that_lost_something_proves_nothing(
    files: Files, prepare: Any, settings: dict[str, int], message: str
) -> None:
    """Limits and names that no locator can hold must make the coverage partial, with the reason."""
    files.plant("pem", "a.pem")
    prepare(files)
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}))
    (coverage,) = (one for one in files.provider(**settings).inventory(request) if isinstance(one, Coverage))
    assert (coverage.status, coverage.authoritative) == (CoverageStatus.PARTIAL, False)
    assert coverage.error is not None
    assert coverage.error.message == message


def test_a_sweep_does_not_leave_the_root_over_links(files: Files, tmp_path: Path) -> None:
    """A linked folder must not be entered, and a linked file outside must be answered, not read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.pem").write_text(CANARY)
    (files.root / "folder").symlink_to(tmp_path / "outside")
    (files.root / "file.pem").symlink_to(tmp_path / "outside" / "secret.pem")
    request = InventoryRequest(budget=files.budget(), kinds=frozenset({"pem"}))
    (item,) = (one for one in files.provider().inventory(request) if isinstance(one, Item))
    assert item.error is not None
    assert (item.locator.name, item.error.reason) == ("file.pem", "outside-root")


def test_budget_and_close_end_the_run_honestly(files: Files) -> None:
    """What was not opened must be throttled, never absent."""
    planted = files.plant("pem", "a.pem")
    provider = files.provider()
    provider.close()
    (item,) = (
        one
        for one in provider.inventory(InventoryRequest(budget=files.budget(), wanted=(planted,)))
        if isinstance(one, Item)
    )
    assert item.presence is Presence.THROTTLED
