"""Values for the opt-in comparison: read by number, checked, hidden, and refused without their grant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.app.reuse import compare
from nhisync.app.session import Session
from nhisync.collect.reuse import Wanted
from nhisync.spi import FieldValue, Locator
from nhisync_gcp.emulator.crc32c import crc32c as theirs
from nhisync_gcp.emulator.secret_store import Place
from nhisync_gcp.values import _split, crc32c

from .conftest import ACCOUNT, REGION


def written(member):
    """A member of an object as it is compared."""
    return (member if isinstance(member, str) else json.dumps(member)).encode("utf-8", "surrogatepass")


def read(gcp, *names, **settings):
    """Fields by item, and errors by item."""
    wanted = [gcp.locator(name) for name in names]
    fields, errors = {}, {}
    for found in gcp.provider(**settings).values(wanted, gcp.budget()):
        if isinstance(found, FieldValue):
            fields.setdefault(f"{found.locator.kind}/{found.locator.name}", {})[found.field] = found.value.reveal()
        else:
            errors[f"{found[0].kind}/{found[0].name}"] = found[1]
    return fields, errors


@pytest.fixture
def comparing(make):
    """A source whose identity may read values."""
    return make(locations=[REGION], fingerprint=True)


@pytest.mark.requirement("R42")
def test_every_field_of_every_secret_is_read(comparing):
    """JSON members each, plain values whole, global and regional."""
    comparing.seed("secret", "db", fields={"password": "S3CRET-one", "host": "db.example"})
    comparing.seed("secret", "plain", fields={"v": "S3CRET-two"}, plain=True)
    comparing.seed("regional-secret", f"{REGION}/north", fields={"pin": "S3CRET-three"})
    fields, errors = read(comparing, "secret/db", "secret/plain", f"regional-secret/{REGION}/north", "secret/db#host")
    assert errors == {}
    assert fields == {
        "secret/db": {"password": b"S3CRET-one", "host": b"db.example"},
        "secret/plain": {"value": b"S3CRET-two"},
        f"regional-secret/{REGION}/north": {"pin": b"S3CRET-three"},
    }
    assert comparing.calls()["SecretManagerService.AccessSecretVersion"] == 3


def test_the_version_that_applications_read_is_compared(comparing):
    """An alias, the newest enabled one, or the newest whatever its state: never another."""
    comparing.seed(
        "secret", "s", fields={"v": "S3CRET"}, plain=True, states=("DISABLED", "ENABLED"), aliases={"prod": 1}
    )
    previous = {"secret/s": {"value": b"S3CRET-previous"}}
    assert read(comparing, "secret/s", current="enabled") == (previous, {})
    assert read(comparing, "secret/s", alias="prod") == (previous, {})
    fields, errors = read(comparing, "secret/s")
    assert fields == {}
    assert errors["secret/s"].kind == "conflict"


@pytest.mark.requirement("R6")
def test_what_has_no_value_says_why(comparing):
    """A missing secret, one without versions, other kinds: a reason each, and nothing ends."""
    comparing.seed("secret", "empty", versions=0)
    comparing.seed("secret", "good", fields={"v": "S3CRET-good"})
    account = f"service-account/{ACCOUNT.format('x')}"
    fields, errors = read(comparing, "secret/none", "secret/empty", account, "secret/good", "secret/bad name")
    assert set(fields) == {"secret/good"}
    assert {name: error.kind for name, error in errors.items()} == {
        "secret/none": "not_found",
        "secret/empty": "not_found",
        account: "unsupported",
        "secret/bad name": "misconfigured",
    }


@pytest.mark.requirement("R32")
def test_the_inventorys_identity_reads_no_value(gcp):
    """With the read document every value is refused by the service itself."""
    gcp.seed("secret", "s", fields={"v": "S3CRET-closed"})
    fields, errors = read(gcp, "secret/s")
    assert fields == {}
    assert (errors["secret/s"].kind, errors["secret/s"].action) == ("denied", "secretmanager.versions.access")


@pytest.mark.parametrize(("broken", "kind"), [(True, "crypto_unavailable"), (False, None)])
def test_an_unusable_key_is_a_reason_of_its_own(comparing, broken, kind):
    """A disabled KMS key hides the value, and the secret is not to blame."""
    key = f"projects/keys/locations/{REGION}/keyRings/r/cryptoKeys/k"
    comparing.seed("regional-secret", f"{REGION}/s", fields={"v": "S3CRET"}, kms=key, kms_broken=broken)
    _, errors = read(comparing, f"regional-secret/{REGION}/s")
    assert [error.kind for error in errors.values()] == ([kind] if kind else [])


def test_a_damaged_value_is_not_compared(comparing):
    """The checksum that comes with a value is checked: half a value would look like another one."""
    comparing.seed("secret", "s", fields={"v": "S3CRET-whole"}, plain=True)
    with comparing.world.cloud.lock:
        secret = comparing.world.cloud.secrets.find(Place(comparing.document["project"], ""), "s")
        next(iter(secret.versions.newest_first())).payload = b"S3CRET-who"
    fields, errors = read(comparing, "secret/s")
    assert fields == {}
    assert errors["secret/s"].kind == "malformed"


@given(st.binary(max_size=300))
def test_the_checksum_is_googles(data):
    """CRC-32C: the adapter's table and the emulator's own computation agree."""
    assert crc32c(data) == theirs(data)


def test_the_checksum_of_the_standard():
    """RFC 3720 B.4: 32 bytes of zeroes, and the check value of the polynomial."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.text(max_size=8), st.integers(), st.none()), max_size=4))
def test_members_are_split(members):
    """Every member of an object is a field of its own; what is not text is its JSON."""
    item = Locator("gcp", "secret", "s")
    raw = json.dumps(members).encode()
    found = {f.field: f.value.reveal() for f in _split(item, raw)}
    if not members:
        assert found == {"value": raw}
    else:
        assert found == {name: written(member) for name, member in members.items()}


@pytest.mark.requirement("R31", "R42")
def test_the_comparing_process_runs_beside_open_channels(make, tmp_path):
    """GRPC does not survive a fork: the child is a new program, and compares while the parent's channels are open."""
    primary, backup = make(fingerprint=True), make(fingerprint=True)
    for world, own in ((primary, "one"), (backup, "two")):
        world.seed("secret", "copied", fields={"v": "S3CRET-the-same"})
        world.seed("secret", "own", fields={"v": f"S3CRET-{own}"})
    file = tmp_path / "nhisync.yaml"
    sides = {"primary": primary.document, "backup": backup.document}
    paths = {name: {"region": REGION, "sources": {"gcp": document}} for name, document in sides.items()}
    side = dict.fromkeys(sides, "gcp:secret/{name}#v")
    apps = {
        "pay": {
            "tier": "standard",
            "owner": "x",
            "runbook": "https://wiki.example/pay",
            "pairs": [
                {"name": name, "kind": "api-key", **{p: text.format(name=name) for p, text in side.items()}}
                for name in ("copied", "own")
            ],
        }
    }
    document = {"version": 1, "store": {"url": "sqlite:///nhisync.db"}, "paths": paths, "apps": apps}
    file.write_text(json.dumps(document), encoding="utf-8")
    open_channel = primary.provider()
    list(open_channel.inventory(primary.request("secret/own")))
    wanted = [
        Wanted(path, f"pay/{name}", Locator("gcp", "secret", name, "v")) for path in sides for name in ("copied", "own")
    ]
    found = compare(Session.open(file), wanted)
    assert found.unread == ()
    assert found.groups["primary"] == found.groups["backup"]
    assert set(found.groups["primary"]) == {"pay/copied"}
    assert next(iter(open_channel.inventory(primary.request("secret/own")))).presence.value == "present"
