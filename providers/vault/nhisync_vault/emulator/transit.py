"""Transit: keys with their versions, rotation, configuration; no cryptography is served.

Source: OpenBao ``internal/builtin/logical/transit/path_keys.go``: symmetric keys show version → Unix time, asymmetric
ones version → object with creation_time and public key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nhisync_vault.emulator.engine import NAME, Call, Engine, route
from nhisync_vault.emulator.gotime import rfc3339, unix
from nhisync_vault.emulator.wire import Response, bad_request, listing

_SYMMETRIC = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305")
_TYPES = (*_SYMMETRIC, "ecdsa-p256", "ed25519", "rsa-2048", "rsa-4096")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitKey:
    """One named key.

    Attributes:
        name: its name.
        type: key type.
        versions: number → creation.
        exportable: the key material can be read out.
        deletion_allowed: it may be deleted.
        auto_rotate: period of its own rotation, zero = none.
        min_decryption: oldest version that still decrypts.
        public: number → PEM for asymmetric types.
    """

    name: str
    type: str
    versions: Mapping[int, datetime]
    exportable: bool = False
    deletion_allowed: bool = False
    auto_rotate: timedelta = timedelta()
    min_decryption: int = 1
    public: Mapping[int, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """The ``data`` of a key read."""
        symmetric = self.type in _SYMMETRIC
        return {
            "name": self.name,
            "type": self.type,
            "derived": False,
            "deletion_allowed": self.deletion_allowed,
            "min_available_version": 0,
            "min_decryption_version": self.min_decryption,
            "min_encryption_version": 0,
            "latest_version": max(self.versions),
            "exportable": self.exportable,
            "allow_plaintext_backup": False,
            "supports_encryption": symmetric or self.type.startswith("rsa"),
            "supports_decryption": symmetric or self.type.startswith("rsa"),
            "supports_signing": not symmetric,
            "supports_derivation": symmetric,
            "auto_rotate_period": int(self.auto_rotate.total_seconds()),
            "imported_key": False,
            "soft_deleted": False,
            "keys": {str(number): self._version(number, at) for number, at in self.versions.items()},
        }

    def _version(self, number: int, at: datetime) -> Any:
        if self.type in _SYMMETRIC:
            return unix(at)
        return {
            "creation_time": rfc3339(at),
            "name": self.type,
            "public_key": self.public.get(number, ""),
            "certificate_chain": "",
        }


class TransitEngine(Engine):
    """One transit mount."""

    type: ClassVar[str] = "transit"

    def __init__(self) -> None:
        super().__init__()
        self.routes = (
            route(r"keys/?", list_=lambda call: listing(call.page("key/"))),
            route(
                rf"keys/{NAME}", read=_read, write=_create, delete=_delete, exists=lambda call: _key(call) is not None
            ),
            route(rf"keys/{NAME}/rotate", write=_rotate),
            route(rf"keys/{NAME}/config", write=_configure),
        )


def _key(call: Call) -> TransitKey | None:
    found: TransitKey | None = call.storage.get(f"key/{call['name']}")
    if found is None or not found.auto_rotate:
        return found
    return _auto_rotated(call, found)


def _auto_rotated(call: Call, key: TransitKey) -> TransitKey:
    last = max(key.versions.values())
    missed = min(int((call.now - last) / key.auto_rotate), 50)
    if missed <= 0:
        return key
    for _ in range(missed):
        last += key.auto_rotate
        key = _with_version(key, last)
    call.storage.put(f"key/{key.name}", key)
    return key


def _with_version(key: TransitKey, at: datetime) -> TransitKey:
    number = max(key.versions, default=0) + 1
    public = dict(key.public)
    if key.type not in _SYMMETRIC:
        public[number] = _public_pem()
    return replace(key, versions={**key.versions, number: at}, public=public)


def _public_pem() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, pem).decode()


def _read(call: Call) -> Response | None:
    key = _key(call)
    return None if key is None else Response(data=key.data())


def _create(call: Call) -> Response | None:
    if _key(call) is not None:
        return None
    kind = call.text("type", "aes256-gcm96")
    if kind not in _TYPES:
        raise bad_request(f'unknown key type "{kind}"')
    base = TransitKey(
        name=call["name"],
        type=kind,
        versions={},
        exportable=call.flag("exportable"),
        auto_rotate=call.duration("auto_rotate_period"),
    )
    key = _with_version(base, call.now)
    call.storage.put(f"key/{call['name']}", key)
    return Response(data=key.data())


def _rotate(call: Call) -> Response:
    key = _key(call)
    if key is None:
        raise bad_request("key not found")
    rotated = _with_version(key, call.now)
    call.storage.put(f"key/{call['name']}", rotated)
    return Response(data=rotated.data())


def _configure(call: Call) -> Response:
    key = _key(call)
    if key is None:
        raise bad_request(f"no existing key named {call['name']} could be found")
    changed = replace(
        key,
        min_decryption=call.number("min_decryption_version", key.min_decryption),
        deletion_allowed=call.flag("deletion_allowed", default=key.deletion_allowed),
        exportable=call.flag("exportable", default=key.exportable),
        auto_rotate=call.duration("auto_rotate_period") if "auto_rotate_period" in call.data else key.auto_rotate,
    )
    call.storage.put(f"key/{call['name']}", changed)
    return Response(data=changed.data())


def _delete(call: Call) -> None:
    key = _key(call)
    if key is not None and not key.deletion_allowed:
        raise bad_request("error deleting policy: deletion is not allowed for this key")
    call.storage.delete(f"key/{call['name']}")
