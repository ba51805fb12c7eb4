"""The file part of the embedded world: real files below a folder of its own, as deployments leave them.

Seed kinds: ``pem``, ``pkcs12``, ``kubernetes-secret``, ``json``, ``jwks``, ``yaml``. `Seed.rotated` becomes the file's
date and a leaf's start, `Seed.expires` a leaf's end. Options of a seed are the fields of `FileOptions`.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from ruamel.yaml import YAML

from nhisync.spi import Clock
from nhisync.testing.keysets import KeySets
from nhisync.testing.world import Seed
from nhisync_file.emulator.certificates import Authority, Signed, make_authority, make_leaf

_DEFAULT_LIFETIME = timedelta(days=60)
_PASSWORD = b"canary-store-password"
FAULTS = frozenset({"absent", "unreadable", "exposed", "outside", "oversized", "garbled", "root_missing"})
"""Faults of a file, and ``root_missing`` of a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What a seed understands in `Seed.options`.

    Attributes:
        names: DNS names of the leaf; empty = a name made of the seed's name.
        chain: ``complete``, ``missing_intermediate``, ``none`` (key only), ``bundle`` (the root only) or ``two_roots``.
        key: ``plain``, ``encrypted`` or ``none``.
        client: a client certificate without names instead of a server's.
        key_label: leaves with one label share one key, across sources and paths.
        shape: of a key file: ``plain``, ``google`` or ``aws``.
        other_password: encrypt a PKCS#12 store with a password that the source does not have.
        tls: put a chain and key into a mounted Secret (type kubernetes.io/tls).
        keys: of a key set: ``kid`` or ``kid=label`` of each key; equal labels are equal keys.
        private: publish private members of the key set, too.
        mode: permission bits of the file or of a mounted Secret's files.
    """

    names: tuple[str, ...] = ()
    chain: str = "complete"
    key: str = "plain"
    client: bool = False
    key_label: str = ""
    shape: str = "plain"
    other_password: bool = False
    tls: bool = False
    keys: tuple[str, ...] = ("key-1",)
    private: bool = False
    mode: int = 0o600


@dataclass(slots=True)
class _Source:
    """One source on one path."""

    directory: Path
    root: Path
    aside: dict[str, Path] = field(default_factory=dict)


class FileWorld:
    """Any number of folders; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "file"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self._directory = directory
        self._authority: Authority | None = None
        self._second: Signed | None = None
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._key_sets = KeySets()
        self._sources: dict[tuple[str, str], _Source] = {}
        self._writers: Mapping[str, Callable[[Seed, FileOptions], bytes]] = {
            "pem": self._pem,
            "pkcs12": self._store,
            "json": self._json,
            "jwks": self._jwks,
            "yaml": self._yaml,
        }

    def start(self) -> None:
        """Make the directory; there is nothing to listen to."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one root folder and return its configuration document.

        Raises:
            TypeError: an option; sources have none.
        """
        if options:
            raise TypeError(f"a file source has no option {min(options)}")
        directory = self._directory / path / source
        root = directory / "root"
        root.mkdir(parents=True, mode=0o700)
        self._sources[path, source] = _Source(directory, root)
        authority = self._made_authority()
        files = {
            "trust_file": (directory / "roots.pem", _pem_of(authority.root)),
            "intermediates_file": (directory / "intermediates.pem", _pem_of(authority.intermediate)),
            "password_file": (directory / "password", _PASSWORD + b"\n"),
        }
        for file, content in files.values():
            _write(file, content, 0o600)
        places = {key: str(file) for key, (file, _) in files.items()}
        return {"provider": self.provider, "region": region, "root": str(root)} | places

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Write `item` below the root; returns ``<kind>/<name>``.

        Raises:
            KeyError: another kind.
            TypeError: an option that `FileOptions` does not have.
        """
        root, options = self._sources[path, source].root, FileOptions(**item.options)
        target = root / item.name
        if item.kind == "kubernetes-secret":
            self.mount(target, self._mounted(item, options), self._changed(item), options.mode)
        else:
            content = self._writers[item.kind](item, options)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(target, content, options.mode)
            _date(target, self._changed(item))
        return f"{item.kind}/{item.name}"

    def mount(self, target: Path, files: Mapping[str, bytes], at: datetime, mode: int = 0o600) -> None:
        """Write a Secret volume as the kubelet does: a dated folder, a swapped ``..data`` link, one link per key."""
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        dated = target / f"..{at:%Y_%m_%d_%H_%M_%S}.{at.microsecond:09d}"
        dated.mkdir(mode=0o700)
        for name, content in files.items():
            _write(dated / name, content, mode)
            if not (target / name).is_symlink():
                (target / name).symlink_to(f"..data/{name}")
        _date(dated, at)
        old = (target / "..data").resolve() if (target / "..data").is_symlink() else None
        (target / "..data_tmp").symlink_to(dated.name)
        (target / "..data_tmp").rename(target / "..data")
        if old is not None and old != dated:
            shutil.rmtree(old)

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Break one file (``item="<name>"``), or the source with ``root_missing``; ``off=True`` puts it back.

        Raises:
            ValueError: no such fault.
        """
        if name not in FAULTS:
            raise ValueError(f"no such fault: {name}")
        place = self._sources[path, source]
        victim = place.root if name == "root_missing" else place.root / str(options["item"])
        key = str(victim)
        if options.get("off"):
            _remove(victim)
            place.aside.pop(key).rename(victim)
            return
        place.aside[key] = victim.rename(place.directory / f"aside-{len(place.aside)}")
        _broken(name, victim, place.aside[key])

    def stop(self) -> None:
        """Nothing runs; files stay for whoever wants to look at them. Safe to call twice."""

    def _made_authority(self) -> Authority:
        if self._authority is None:
            self._authority = make_authority("Files", self._clock.now())
        return self._authority

    def _changed(self, item: Seed) -> datetime:
        return self._clock.now() - (item.created if item.rotated is None else item.rotated)

    def _leaf(self, item: Seed, options: FileOptions) -> Signed:
        ends = self._clock.now() + (_DEFAULT_LIFETIME if item.expires is None else item.expires)
        names = options.names or (f"{Path(item.name).stem.replace('_', '-')}.example.com",)
        starts = min(self._changed(item), ends - timedelta(days=1))
        shared = self._keys.get(options.key_label) if options.key_label else None
        leaf = make_leaf(self._made_authority(), names, starts, ends, shared, client=options.client)
        if options.key_label:
            self._keys.setdefault(options.key_label, leaf.key)
        return leaf

    def _pem(self, item: Seed, options: FileOptions) -> bytes:
        """Chain and key in one file, as servers and proxies like it."""
        authority, leaf = self._made_authority(), self._leaf(item, options)
        chain = {
            "complete": (leaf, authority.intermediate),
            "missing_intermediate": (leaf,),
            "bundle": (authority.root,),
            "two_roots": (authority.root, self._second_root()),
            "none": (),
        }[options.chain]
        key = b"" if options.key == "none" or options.chain in ("bundle", "two_roots") else _key_pem(leaf, options.key)
        return b"".join(map(_pem_of, chain)) + key

    def _second_root(self) -> Signed:
        """A root of another authority, made on first use."""
        if self._second is None:
            self._second = make_authority("Second", self._clock.now()).root
        return self._second

    def _store(self, item: Seed, options: FileOptions) -> bytes:
        leaf, authority = self._leaf(item, options), self._made_authority()
        password = _PASSWORD + (b"-other" if options.other_password else b"")
        others = [authority.intermediate.certificate] if options.chain == "complete" else []
        return pkcs12.serialize_key_and_certificates(
            b"api", leaf.key, leaf.certificate, others, BestAvailableEncryption(password)
        )

    def _json(self, item: Seed, options: FileOptions) -> bytes:
        return json.dumps(self._document(item, options), indent=2).encode()

    def _jwks(self, _: Seed, options: FileOptions) -> bytes:
        return json.dumps(self._key_sets.document(*options.keys, private=options.private)).encode()

    def _yaml(self, item: Seed, options: FileOptions) -> bytes:
        text = StringIO()
        YAML().dump(self._document(item, options), text)
        return text.getvalue().encode()

    def _document(self, item: Seed, options: FileOptions) -> dict[str, Any]:
        """A key file in the layout of its provider, with the seed's fields as its values."""
        fields = dict(item.fields)
        if options.shape == "google":
            account = "payments@example-project.iam.gserviceaccount.com"
            return {"type": "service_account", "project_id": "example-project", "client_email": account} | fields
        if options.shape == "aws":
            return {"AccessKey": {"Status": "Active", "CreateDate": self._changed(item).isoformat()} | fields}
        return fields

    def _mounted(self, item: Seed, options: FileOptions) -> dict[str, bytes]:
        files = {name: value.encode() for name, value in item.fields.items()}
        if options.tls:
            leaf = self._leaf(item, options)
            chain = _pem_of(leaf) + _pem_of(self._made_authority().intermediate)
            files |= {"tls.crt": chain, "tls.key": _key_pem(leaf, options.key)}
        return files


def _broken(name: str, victim: Path, original: Path) -> None:
    """Put something wrong where `victim` was."""
    if name == "outside":
        victim.symlink_to(original)
    elif name == "garbled":
        _write(victim, b"\x00\xff not what it was", 0o600)
    elif name == "oversized":
        _write(victim, b"x" * (2 * 1024 * 1024), 0o600)
    elif name in {"unreadable", "exposed"}:
        shutil.copy2(original, victim)
        victim.chmod(0o000 if name == "unreadable" else 0o666)


def _remove(victim: Path) -> None:
    if victim.is_dir() and not victim.is_symlink():
        shutil.rmtree(victim)
    else:
        victim.unlink(missing_ok=True)


def _pem_of(signed: Signed) -> bytes:
    return signed.certificate.public_bytes(Encoding.PEM)


def _key_pem(signed: Signed, how: str) -> bytes:
    plain: KeySerializationEncryption = NoEncryption()
    encryption = {"plain": plain, "encrypted": BestAvailableEncryption(_PASSWORD)}[how]
    return signed.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _write(file: Path, content: bytes, mode: int) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)
    file.chmod(mode)


def _date(file: Path, at: datetime) -> None:
    os.utime(file, (at.timestamp(), at.timestamp()))
