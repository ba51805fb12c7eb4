"""Kind ``key``: keys that never leave their vault. Their public half tells a restored backup from a key of its own."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nhisync.spi import ErrorKind, Item, Lifecycle, Locator, ProviderError, PublicId, Rotation
from nhisync_azure.facts import span
from nhisync_azure.kinds.base import VaultKind, vault_of
from nhisync_azure.kinds.rows import Row, row_about

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "P-256K": ec.SECP256K1(),
}


class Keys(VaultKind):
    """Keys of a vault; the twins of certificates are not counted again."""

    kind: ClassVar[str] = "key"
    service: ClassVar[str] = "keys"
    lists: ClassVar[tuple[str, str]] = ("list_properties_of_keys", "list_deleted_keys")
    daily: ClassVar[bool] = True

    def detail(self, locator: Locator, row: Row) -> Item:
        """With the public key, the versions' dates and the rotation policy."""
        run = self.run
        key = run.connection.call(self.service, "get_key", run.budget, row.name, on=row.id)
        row_about(row.name, key, self.service)
        versions = self.versions("list_properties_of_key_versions", row.name)
        newest = versions[-1] if versions else row
        usable = next((one for one in reversed(versions) if one.enabled), newest)
        rotation, lasts = self._rotation(row.name)
        tags = self.tags(row)
        public = public_key_digest(getattr(key, "key", None))
        ids = (PublicId("cluster-id", vault_of(run)), *([PublicId("spki-sha256", public)] if public else ()))
        rotates = Lifecycle.UNKNOWN if rotation is None else Lifecycle.OWN if rotation.enabled else Lifecycle.STATIC
        return self.item(
            locator,
            row,
            detailed=True,
            version=newest.version or None,
            created=versions[0].created if versions else None,
            rotated=usable.created if len(versions) > 1 else None,
            lifecycle=tags.lifecycle or rotates,
            rotation=rotation,
            ids=ids,
            shown={
                "key_type": str(getattr(getattr(key, "key_type", None), "value", "") or ""),
                "lasts": f"{lasts.days} d" if lasts else "",
                "versions": str(len(versions)),
            },
        )

    def single(self, locator: Locator) -> Item | None:
        """By its name; the answer is metadata and the public half."""
        run = self.run
        try:
            key = run.connection.call(self.service, "get_key", run.budget, locator.name, on=str(locator))
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return None
        row = row_about(locator.name, key, self.service)
        return self.detail(locator, replace(row, id=row.id.rpartition("/")[0], version=""))

    def _rotation(self, name: str) -> tuple[Rotation | None, timedelta | None]:
        """The schedule that the vault itself keeps, and how long each version lasts.

        Raises:
            ProviderError: the policy cannot be read; without it the lifecycle would be a guess.
        """
        run = self.run
        policy = run.connection.call(self.service, "get_key_rotation_policy", run.budget, name)
        lasts = span(getattr(policy, "expires_in", None))
        for action in getattr(policy, "lifetime_actions", None) or ():
            word = getattr(action.action, "value", action.action)
            if str(word).lower() != "rotate":
                continue
            before = span(getattr(action, "time_before_expiry", None))
            after = span(getattr(action, "time_after_create", None))
            interval = after or (lasts - before if lasts and before and lasts > before else None)
            return Rotation(enabled=True, interval=interval, mechanism="key-vault"), lasts
        return Rotation(enabled=False, mechanism="key-vault"), lasts


def public_key_digest(key: Any) -> str:
    """Hex SHA-256 of the SubjectPublicKeyInfo of a JSON Web Key (RFC 7517); "" for keys without a public half."""
    try:
        public = _public(key)
    except (ValueError, TypeError, AttributeError, LookupError, UnsupportedAlgorithm):
        return ""
    if public is None:
        return ""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _public(key: Any) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | None:
    word = getattr(key, "kty", None)
    kind = str(getattr(word, "value", word) or "").partition("-")[0]
    if kind == "RSA":
        return rsa.RSAPublicNumbers(_number(key.e), _number(key.n)).public_key()
    if kind == "EC":
        curve = getattr(key.crv, "value", key.crv)
        return ec.EllipticCurvePublicNumbers(_number(key.x), _number(key.y), _CURVES[str(curve)]).public_key()
    return None


def _number(raw: Any) -> int:
    """A big-endian number: as the SDK gives it, or in base64url."""
    if isinstance(raw, str):
        raw = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    return int.from_bytes(raw, "big")
