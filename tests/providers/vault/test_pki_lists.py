"""Lists of certificates are read one after the other, while the mount goes on: what is lost between is not absent."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nhisync.spi import Budget, ErrorKind, InventoryRequest, Locator, Presence, ProviderError, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_vault.api import Page
from nhisync_vault.inventory import _details, _Place
from nhisync_vault.kinds.base import Listed, Run
from nhisync_vault.kinds.pki import PkiKind
from nhisync_vault.mounts import Mount
from nhisync_vault.settings import VaultSettings

KEY = ec.derive_private_key(7, ec.SECP256R1())
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MOUNT = Mount("pki", "pki")
NAMES = {"0a": "a.example", "0b": "b.example"}


def certificate(serial: str, name: str) -> str:
    """A self-signed certificate as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(int(serial, 16)).not_valid_before(START).not_valid_after(END)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Mounted:
    """Answers of one mount, as `Api` hands them on.

    Args:
        info: rows of the detailed list; None = a server without one.
        pem: what reading a serial, or an issuer, answers; a name that is not in it is not found.
        issuers: ids that the list of issuers holds.
    """

    def __init__(
        self, info: Mapping[str, Mapping[str, Any]] | None, pem: Mapping[str, str], issuers: tuple[str, ...] = ()
    ) -> None:
        health = SimpleNamespace(openbao=info is not None, secondary=False, cluster_id="")
        self.topology = SimpleNamespace(health=health)
        self._info, self._pem, self._issuers = info, pem, issuers
        self.reads: list[str] = []

    def pages(self, path: str, **_: Any) -> Iterator[Page]:
        """One page of a list."""
        if path.endswith("issuers/"):
            yield Page(self._issuers)
        elif path.endswith("revoked/"):
            yield Page(())
        else:
            yield Page(tuple(NAMES), self._info or {})

    def get(self, _: str) -> dict[str, Any]:
        """An issuer's own settings."""
        return {"revoked": False}

    def public(self, _: str, path: str) -> dict[str, Any]:
        """One read."""
        name = path.removesuffix("/json").rpartition("/")[2]
        self.reads.append(name)
        if name not in self._pem:
            raise ProviderError(ErrorKind.NOT_FOUND, "there is no such certificate", resource=path)
        return {"certificate": self._pem[name]}


def run_on(mounted: Any) -> Run:
    """A run that reads this mount."""
    clock = FakeClock()
    context = SourceContext(
        path="p", source="vault", region=None, base=Path(), clock=clock, randomness=CountingRandomness()
    )
    document = {"provider": "vault", "address": "https://vault.example", "auth": {"method": "token", "token_file": "t"}}
    settings = VaultSettings.model_validate(document)
    request = InventoryRequest(budget=Budget(clock, seconds=60))
    nobody: Any = None
    return Run(api=mounted, cluster=nobody, table=nobody, settings=settings, context=context, request=request)


def dated(serial: str) -> dict[str, Any]:
    """A complete row of the detailed list."""
    return {"common_name": NAMES[serial], "not_before": START.isoformat(), "not_after": END.isoformat()}


@pytest.fixture
def pems() -> dict[str, str]:
    """Both certificates of the mount."""
    return {serial: certificate(serial, name) for serial, name in NAMES.items()}


@pytest.mark.parametrize("lost", ["not_before", "not_after", "both"])
@pytest.mark.parametrize("text", [None, "soon", {}])
def test_a_row_without_dates_is_read(pems: dict[str, str], lost: str, text: object) -> None:
    """A row of the detailed list that does not say when its certificate lives is no certificate less."""
    dates = ("not_before", "not_after") if lost == "both" else (lost,)
    mounted = Mounted({"0a": {**dated("0a"), **dict.fromkeys(dates, text)}, "0b": dated("0b")}, pems)
    run = run_on(mounted)
    names = {one.name for one in PkiKind().listed(run, MOUNT, "") if isinstance(one, Listed)}
    assert names == {"cn/a.example", "cn/b.example"}
    assert mounted.reads == ["0a"]


@pytest.mark.parametrize("info", [None, {"0b": dated("0b")}])
def test_a_certificate_that_goes_while_it_is_listed_makes_nothing_else_absent(
    pems: dict[str, str], info: Mapping[str, Mapping[str, Any]] | None
) -> None:
    """Tidied between the list and its read: the others are answered, and "not found" is not said of them."""
    gone = {"0b": pems["0b"]}
    run = run_on(Mounted(info, gone))
    assert PkiKind().detail(run, MOUNT, Listed("cn/b.example")).locator.name == "pki/cn/b.example"


def test_an_issuer_that_goes_while_it_is_listed_makes_nothing_else_absent(pems: dict[str, str]) -> None:
    """The certificates of a mount do not vanish with an issuer that was deleted meanwhile."""
    pem = {**pems, "kept": certificate("0c", "kept")}
    run = run_on(Mounted({serial: dated(serial) for serial in NAMES}, pem, issuers=("gone", "kept")))
    assert PkiKind().detail(run, MOUNT, Listed("cn/b.example")).locator.name == "pki/cn/b.example"
    assert PkiKind().detail(run, MOUNT, Listed("issuer/kept")).locator.name == "pki/issuer/kept"


@pytest.mark.parametrize("held", ["", "canary-no-certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END"])
def test_an_unreadable_certificate_leaves_the_names_of_its_mount_open(pems: dict[str, str], held: str) -> None:
    """It may be the newest of any name: nothing is absent, nothing is an older one, and no text is repeated."""
    run = run_on(Mounted(None, {**pems, "0a": held}))
    for name in ("cn/b.example", "cn/none.example"):
        with pytest.raises(ProviderError) as caught:
            PkiKind().detail(run, MOUNT, Listed(name))
        assert caught.value.kind is ErrorKind.MALFORMED
        assert "canary" not in f"{caught.value} {caught.value.fact} {caught.value.fix}"


def test_what_nobody_foresaw_costs_one_single_read(pems: dict[str, str]) -> None:
    """A slip while one item is read is its own typed answer; its neighbours are read."""

    class Slipping(Mounted):
        def public(self, method: str, path: str) -> dict[str, Any]:
            """Trips over one certificate."""
            if path.endswith("0a"):
                raise OverflowError("canary-text")
            return super().public(method, path)

    rows = {serial: dated(serial) for serial in NAMES}
    places = [_Place(Locator("vault", "pki", f"pki/cert/{serial}"), MOUNT, f"cert/{serial}") for serial in NAMES]
    run = run_on(Slipping(rows, pems))
    seen: dict[str, Any] = {one.locator.name: one for one in _details(run, places, {})}
    odd, other = seen["pki/cert/0a"], seen["pki/cert/0b"]
    assert (odd.presence, odd.error.kind) == (Presence.UNKNOWN, ErrorKind.MALFORMED.value)
    assert "canary" not in str(odd)
    assert other.presence is Presence.PRESENT
