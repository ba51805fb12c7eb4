"""The adapter against real files: facts by metadata."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from nhisync.spi import (
    CredentialState,
    Item,
    Locator,
    Precision,
    Presence,
)

from .conftest import CANARY, Files

DAY = timedelta(days=1)


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
    assert [public.scheme for public in item.ids] == ["file", "issuer-serial", "spki-sha256"]
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
    assert item.accepts is not None
    (root,) = item.accepts
    assert re.fullmatch(r"[0-9a-f]{16} CN=.* Root", root)
    (more,) = files.look(files.plant("pem", "more.pem", chain="two_roots"))
    assert more.accepts is not None
    assert {root} < set(more.accepts)
    (leaf,) = files.look(files.plant("pem", "leaf.pem"))
    assert leaf.accepts is None
    assert item.version is not None
    assert len(item.version) == 64
    assert item.rotated is None, "roots are compared one by one; a write is no rotation"
    assert item.not_before is not None
    assert item.expires is not None
    assert item.not_before.at < files.clock.now() < item.expires.at
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
    assert [(public.scheme, public.value) for public in item.ids[:-1]] == [("access-key-id", "a1" * 20)]
    assert item.provider_id == "payments@example-project.iam.gserviceaccount.com"
    assert item.fields == ("client_email", "private_key", "private_key_id", "project_id", "type")


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_an_amazon_key_file(files: Files, kind: str) -> None:
    """An access key as the AWS CLI prints it must give its id, status and creation, and no value."""
    fields = {"AccessKeyId": "AKIAEXAMPLE0EXAMPLE0", "SecretAccessKey": CANARY}
    (item,) = files.look(files.plant(kind, f"aws.{kind}", fields, shape="aws", rotated=3 * DAY))
    assert [(public.scheme, public.value) for public in item.ids[:-1]] == [("access-key-id", "AKIAEXAMPLE0EXAMPLE0")]
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


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_a_writer_dates_its_generation(files: Files, kind: str) -> None:
    """The writer's own date is exact; one after the last change of the file is not believed."""
    told = files.clock.now() - 9 * DAY
    for name, date, expected in (
        ("ok", told, (told, Precision.EXACT)),
        ("late", told + 8 * DAY, (files.clock.now() - 3 * DAY, Precision.UPPER_BOUND)),
    ):
        fields = {"key": CANARY, "nhisync_rotated": date.isoformat()}
        (item,) = files.look(files.plant(kind, f"{name}.{kind}", fields, rotated=3 * DAY))
        assert item.rotated is not None
        assert (item.rotated.at, item.rotated.precision) == expected


@pytest.mark.requirement("R30")
def test_a_stored_chain_is_seen_with_its_clients_eyes(files: Files) -> None:
    """A stored chain has an end in every bundle that is configured, and lists that are gone leave a reason."""
    planted = files.plant("pem", "api.pem", expires=30 * DAY)
    roots = files.document["trust_file"]
    clients = {"new": roots, "lost": str(files.root / "none"), "browsers": "system"}
    (item,) = files.look(planted, client_trust=clients, crl_files=[str(files.root / "none")])
    found = {one.store: one for one in chain_of(item).outlooks}
    assert list(found) == ["own", "client:browsers", "client:lost", "client:new"]
    assert found["client:new"].fails_at == found["own"].fails_at is not None
    assert found["client:new"].accepts == (found["own"].anchor,)
    assert found["client:browsers"].fails_at is None
    assert found["client:lost"].problem == "client_trust lost cannot be read"
    assert chain_of(item).revocation.unknown == "file 1 of crl_files cannot be read"
    assert [one.store for one in chain_of(files.look(planted)[0]).outlooks] == ["own"]
