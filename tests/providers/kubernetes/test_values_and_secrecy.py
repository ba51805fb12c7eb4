"""Values come out of one method alone, in a type that hides them; everything else shows none, whatever goes wrong."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import AccessMode, ErrorKind, FieldValue, Locator, ProviderError
from nhisync.testing.conformance.secrecy import leaks, listening, shown

from .conftest import CANARY, KINDS, Site

TROUBLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("denied", {}),
    ("token-refused", {}),
    ("throttled", {"retry_after": 7200}),
    ("garbage", {}),
    ("cut", {}),
    ("drop", {}),
    ("whole-objects", {}),
    ("applied-then-503", {}),
    ("status", {"code": 422, "reason": "Invalid", "message": CANARY}),
    ("status", {"code": 403, "reason": "Forbidden", "message": f'User "{CANARY}" cannot get'}),
    ("redirect", {"location": f"https://{CANARY}.example/"}),
)


def reasons(site: Site, *wanted: Locator) -> dict[Locator, str]:
    """Why values cannot be read."""
    found = site.provider().values(wanted, site.budget())
    return {one[0]: one[1].kind for one in found if not isinstance(one, FieldValue)}


@pytest.mark.requirement("R42")
def test_values_are_read_field_by_field(make_site: Any) -> None:
    """Every field of a Secret, decoded, in the type that does not show itself; binary fields are bytes."""
    site = make_site(mode="fingerprint")
    secret = site.seed("secret", "payments/pay", fields={"api_key": CANARY, "user": "u"})
    found = [one for one in site.provider().values((secret,), site.budget()) if isinstance(one, FieldValue)]
    assert [(one.field, one.value.reveal()) for one in found] == [("api_key", CANARY.encode()), ("user", b"u")]
    assert CANARY not in repr(found) + shown(found)


@pytest.mark.requirement("R42")
def test_equal_values_on_two_clusters_have_equal_digests(make_site: Any) -> None:
    """The same value under another name digests the same under one key."""
    digests = []
    for path, name in (("primary", "a/x"), ("backup", "b/y")):
        site = make_site(path, mode="fingerprint")
        secret = site.seed("secret", name, fields={"key": CANARY})
        digests.append(next(iter(site.provider().values((secret,), site.budget()))).value.digest(b"k" * 32, "d"))
    assert digests[0] == digests[1]


def test_a_legacy_token_is_its_token(make_site: Any) -> None:
    """CA and namespace beside it are public and equal by design: comparing them would only raise false alarms."""
    site = make_site(mode="fingerprint")
    token = site.seed("service-account-token", "payments/ci")
    found = list(site.provider().values((token,), site.budget()))
    assert [(one.field, one.value.reveal()) for one in found] == [("token", CANARY.encode())]


def test_values_that_cannot_be_read_say_why(make_site: Any) -> None:
    """Missing, empty, foreign and valueless items are typed, one by one."""
    site = make_site(mode="fingerprint", expected=("secret/payments/none",))
    empty = site.seed("secret", "payments/empty", fields={})
    account = site.seed("service-account", "payments/api")
    none = Locator.parse("cluster:secret/payments/none")
    denied = Locator.parse("cluster:secret/payments/unnamed")
    odd = Locator.parse("cluster:secret/Payments/../x")
    assert reasons(site, empty, account, none, denied, odd) == {
        empty: ErrorKind.NOT_FOUND.value,
        account: ErrorKind.UNSUPPORTED.value,
        none: ErrorKind.NOT_FOUND.value,
        denied: ErrorKind.DENIED.value,
        odd: ErrorKind.MISCONFIGURED.value,
    }


def test_a_field_that_is_no_base64(make_site: Any) -> None:
    """A broken field is unbelievable, and is not quoted, neither by the error nor by its context."""
    from nhisync_kubernetes.emulator.definitions import SECRETS

    site = make_site(mode="fingerprint")
    secret = site.seed("secret", "payments/broken")
    with site.cluster.lock:
        known = site.cluster.store.get(SECRETS, "payments", "broken")
        site.cluster.store.put(SECRETS, {**known, "data": {"x": f"%{CANARY}"}})
    assert reasons(site, secret) == {secret: ErrorKind.MALFORMED.value}
    from nhisync_kubernetes.values import _decoded

    with pytest.raises(ProviderError) as caught:
        _decoded(f"%{CANARY}", secret)
    assert caught.value.__context__ is None


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(("fault", "options"), TROUBLES)
def test_nothing_shows_a_value(site: Site, fault: str, options: dict[str, Any]) -> None:
    """Items, errors, checks, logs and tracebacks of a source in trouble hold no planted value in any spelling."""
    wanted = [
        site.seed("secret", "payments/stripe", last_applied=True),
        site.seed("service-account-token", "payments/ci"),
        site.seed("certificate", "payments/tls", expires=timedelta(days=60), keystore_password=CANARY),
    ]
    token = Path(site.document["auth"]["token_file"]).read_text(encoding="ascii").strip()
    site.fault(fault, **options)
    said: list[str] = []
    with listening() as heard:
        for work in (
            lambda: site.observe(*wanted, kinds=KINDS).all,
            lambda: site.provider().identify(site.budget()),
            lambda: list(site.provider().examine(AccessMode.READ, wanted, KINDS, site.budget())),
        ):
            try:
                said.append(shown(work()))
            except ProviderError as error:
                said.append(shown(error))
    # the value is what its owner typed; the emulator's echo of it in a message is our own plant
    assert leaks("\n".join((*said, heard.text)), (CANARY, token)) == 0


def test_the_seeded_copy_in_the_annotation_is_really_there(site: Site) -> None:
    """The canary test proves something: what comes over the wire does hold the value, in the annotation."""
    from nhisync_kubernetes.emulator.definitions import SECRETS

    site.seed("secret", "payments/stripe", last_applied=True)
    found = site.cluster.store.get(SECRETS, "payments", "stripe")
    assert found is not None
    annotations = str(found["metadata"]["annotations"])
    assert CANARY in annotations
    assert base64.b64encode(CANARY.encode()).decode() in annotations
