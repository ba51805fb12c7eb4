"""Key sets in files: public keys as facts, a leaked private one as an incident, and never a value."""

import json

import pytest

from nhisync.spi import AccessMode, ErrorFact, ErrorKind, Locator, Presence

from .conftest import Files

pytestmark = pytest.mark.requirement("R38")


def test_a_published_set_is_a_fact(files: Files) -> None:
    """Kid, thumbprint and algorithm of each key are known; there is no id that would look like a copy, and no date."""
    (item,) = files.look(files.plant("jwks", "public/keys.jwks", keys=("a", "b=other"), mode=0o644))
    assert item.presence is Presence.PRESENT
    assert item.key_set is not None
    assert [(key.kid, key.algorithms) for key in item.key_set.keys] == [("a", ("ES256",)), ("b", ("ES256",))]
    assert (item.ids, item.rotated, item.created, item.expires, item.exposure) == ((), None, None, None, "")
    assert item.version


def test_a_set_that_others_may_change_is_told(files: Files) -> None:
    """Whoever can write it decides whose tokens are accepted."""
    (item,) = files.look(files.plant("jwks", "keys.jwks", mode=0o666))
    assert "writable" in item.exposure


def test_private_members_make_it_a_secret(files: Files) -> None:
    """It is counted, who can read the file is told, and no private member is in the item."""
    locator = files.plant("jwks", "keys.jwks", keys=("a", "b"), private=True, mode=0o644)
    (item,) = files.look(locator)
    assert item.key_set is not None
    assert item.key_set.private == 2
    assert "world-readable" in item.exposure
    held = json.loads((files.root / "keys.jwks").read_text(encoding="ascii"))
    for key in held["keys"]:
        assert key["d"] not in repr(item)


@pytest.mark.parametrize("mode", [AccessMode.READ, AccessMode.FINGERPRINT])
def test_the_file_is_a_line_of_the_document(files: Files, mode: AccessMode) -> None:
    """Reading it is granted by name, like any other file, and a comparison of values has nothing to read in it."""
    locator = files.plant("jwks", "public/keys.jwks")
    document, *_ = files.provider().permissions(mode, (locator,), frozenset())
    assert document.actions == (f"read:{files.root}/public/keys.jwks",)
    assert f"setfacl -R -m u:nhisync:rX {files.root}/public/keys.jwks\n" in document.text
    ((_, told),) = files.provider().values((locator,), files.budget())
    assert isinstance(told, ErrorFact)
    assert told.kind == ErrorKind.UNSUPPORTED.value


def test_what_is_no_set_is_unknown(files: Files) -> None:
    """Another JSON file is malformed, not an empty set."""
    files.write("keys.jwks", b'{"keys": 1}', 0o644)
    (item,) = files.look(Locator("files", "jwks", "keys.jwks"))
    assert item.presence is Presence.UNKNOWN
    assert item.error is not None
    assert (item.error.kind, item.error.reason) == (ErrorKind.MALFORMED.value, "not-jwks")
