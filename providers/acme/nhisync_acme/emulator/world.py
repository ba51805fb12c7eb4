"""Provider ``acme``'s part of the embedded world: one authority and one account per source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK

from nhisync.spi import Clock
from nhisync.testing.world import Seed
from nhisync_acme.emulator.authority import Account, Authority
from nhisync_acme.emulator.listener import FAULTS, Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One emulated source.

    Attributes:
        authority: what it asks.
        listener: how it is reached.
        account: the account of its key, or None.
        folder: where its certificates lie.
    """

    authority: Authority
    listener: Listener
    account: Account | None
    folder: Path


class AcmeWorld:
    """See `nhisync.testing.world.WorldPart`. Options of a source and of seeds: the provider's README."""

    provider: ClassVar[str] = "acme"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock, self._directory = clock, directory
        self._sources: dict[tuple[str, str], Source] = {}

    def start(self) -> None:
        """Authorities start with their sources."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """An authority, and an account at it unless ``registered`` is false."""
        folder = self._directory / f"{path}-{source}"
        (folder / "certificates").mkdir(parents=True)
        authority = Authority(self._clock)
        authority.renewal_information = bool(options.get("renewal_information", True))
        listener = Listener(authority, folder, self._clock)
        key_file = folder / "account.key"
        key = _write_key(key_file)
        account = authority.register(JWK.load(key)) if options.get("registered", True) else None
        if account is not None:
            account.status = str(options.get("status", "valid"))
        made = Source(authority=authority, listener=listener, account=account, folder=folder / "certificates")
        self._sources[path, source] = made
        trust = folder / "roots.pem"
        trust.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return {
            "provider": "acme",
            "directory": f"{listener.address}/directory",
            "ca_file": str(listener.ca_file),
            "account_key_file": str(key_file),
            "root": str(made.folder),
            "trust_file": str(trust),
            "profile": "private",
            "issuer_region": str(options.get("issuer_region", region)),
        }

    def seed(self, path: str, source: str, item: Seed) -> str:
        """The account as it stands, or a certificate file ``<name>``."""
        if item.kind == "account":
            return "account/self"
        made, now = self._sources[path, source], self._clock.now()
        start = now - (item.rotated if item.rotated is not None else item.created)
        end = now + (item.expires if item.expires is not None else timedelta(days=60))
        window = None
        if item.options.get("known", True):
            due = now + item.options["renew_in"] if "renew_in" in item.options else start + (end - start) * 2 / 3
            window = (due - timedelta(days=1), due)
        pem = made.authority.issue(
            str(item.options.get("server_name", "api.nhisync.example")), start=start, end=end, window=window
        )
        file = made.folder / item.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pem)
        return f"certificate/{item.name}"

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch one of `FAULTS` on or off."""
        if name not in FAULTS:
            raise ValueError(f"provider acme has no fault {name}")
        listener = self._sources[path, source].listener
        off = bool(options.get("off"))
        listener.trouble = "" if off else name
        if name == "unreachable":
            listener.open() if off else listener.close()

    def source(self, path: str, source: str) -> Source:
        """For tests that look behind the curtain."""
        return self._sources[path, source]

    def stop(self) -> None:
        """Close everything."""
        for made in self._sources.values():
            made.listener.close()
        self._sources.clear()


def _write_key(file: Path) -> bytes:
    """A new account key, readable for its owner only."""
    secret = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.touch(mode=0o600)
    file.write_bytes(secret)
    return secret
