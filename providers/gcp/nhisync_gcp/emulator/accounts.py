"""Service accounts and their keys, as IAM keeps them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.iam_admin_v1 import types

from nhisync_gcp.emulator.keys import KeyRing, public_pem, self_signed_pem
from nhisync_gcp.emulator.messages import plain, timestamp
from nhisync_gcp.emulator.timeline import Shelf, Timeline

ServiceAccount = plain(types.ServiceAccount)
ServiceAccountKey = plain(types.ServiceAccountKey)
KeyType = types.ListServiceAccountKeysRequest.KeyType
Origin = types.ServiceAccountKeyOrigin
Algorithm = types.ServiceAccountKeyAlgorithm

_SYSTEM_KEY = timedelta(days=730)
FOREVER = datetime.fromisoformat("9999-12-31T23:59:59+00:00")
"""``valid_before_time`` of a key without expiry."""


@dataclass(slots=True, kw_only=True)
class Key:
    """One key of a service account; as long as it is not deleted it may sign assertions.

    Attributes:
        id: 40 hex digits, the ``kid`` of assertions.
        shown: the ServiceAccountKey without key data.
        serial: order of creation.
        draw: gives the private key when it is first needed: a list of ten thousand needs none.
        uploaded: the certificate of a key that was made elsewhere, PEM.
    """

    id: str
    shown: Timeline
    serial: int
    draw: Callable[[], rsa.RSAPrivateKey]
    uploaded: bytes = b""
    _private: rsa.RSAPrivateKey | None = None

    @property
    def private(self) -> rsa.RSAPrivateKey:
        """The private key that IAM made."""
        assert not self.uploaded, "an uploaded key's private part is not known"
        if self._private is None:
            self._private = self.draw()
        return self._private

    @property
    def public(self) -> rsa.RSAPublicKey:
        """What signatures are verified with."""
        if not self.uploaded:
            return self.private.public_key()
        key = x509.load_pem_x509_certificate(self.uploaded).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        return key

    def live(self, instant: datetime | None, now: datetime) -> bool:
        """Whether assertions signed with it are accepted at `now`, judged by its state at `instant`."""
        found = self.shown.at(instant)
        if found is None or found.disabled:
            return False
        return bool(timestamp(now).seconds < found.valid_before_time.seconds)

    def public_data(self, kind: int, email: str) -> bytes:
        """The public key in the form asked for (``ServiceAccountPublicKeyType``); b"" for none."""
        if kind == types.ServiceAccountPublicKeyType.TYPE_RAW_PUBLIC_KEY:
            return public_pem(self.public)
        if kind != types.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE:
            return b""
        shown = self.shown.current
        start, end = shown.valid_after_time.ToDatetime(), shown.valid_before_time.ToDatetime()
        return self.uploaded or self_signed_pem(self.private, email, start, end, serial=int(self.id, 16) >> 2)


@dataclass(slots=True, kw_only=True)
class Account:
    """One service account.

    Attributes:
        project: id of its project.
        email: its address.
        shown: the ServiceAccount.
        serial: order of creation.
        keys: its keys by id.
        deleted: the last state before deletion, for undelete.
    """

    project: str
    email: str
    shown: Timeline
    serial: int
    keys: Shelf[Key] = field(default_factory=Shelf)
    deleted: Any = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"projects/{self.project}/serviceAccounts/{self.email}"

    @property
    def member(self) -> str:
        """As policies name it."""
        return f"serviceAccount:{self.email}"

    def live_keys(self, instant: datetime | None = None) -> list[Key]:
        """Keys that exist, newest first."""
        return [key for key in self.keys.newest_first() if key.shown.at(instant) is not None]

    def user_keys(self) -> list[Key]:
        """Keys that count against the limit of ten."""
        return [key for key in self.live_keys() if key.shown.current.key_type == KeyType.USER_MANAGED]


class Accounts:
    """All service accounts of all projects."""

    def __init__(self) -> None:
        self.by_email: dict[str, Account] = {}
        self._shelves: dict[str, Shelf[Account]] = {}
        self._ring = KeyRing()
        self._materials: dict[str, rsa.RSAPrivateKey] = {}
        self._serial = 0

    def of_project(self, project: str) -> Shelf[Account]:
        """Accounts of one project."""
        return self._shelves.setdefault(project, Shelf())

    def find(self, identifier: str) -> Account | None:
        """By e-mail address or unique id; deleted ones are not found."""
        found = self.by_email.get(identifier)
        if found is None and identifier.isdecimal():
            found = next((each for each in self.by_email.values() if _unique_id(each) == identifier), None)
        return found if found is not None and found.shown.current is not None else None

    def create(self, project: str, account_id: str, now: datetime, **fields: Any) -> Account:
        """Add an account; `fields` are those of the message (display_name, description)."""
        serial = self.next_serial()
        email = f"{account_id}@{project}.iam.gserviceaccount.com"
        account = Account(project=project, email=email, shown=Timeline(), serial=serial)
        shown = ServiceAccount(
            name=account.name,
            project_id=project,
            unique_id=f"1{serial:020d}",
            oauth2_client_id=f"1{serial:020d}",
            email=email,
            etag=etag(serial),
            **fields,
        )
        account.shown.put(now, shown)
        self.by_email[email] = account
        self.of_project(project).put(email, account)
        self.create_key(account, now, end=now + _SYSTEM_KEY, key_type=KeyType.SYSTEM_MANAGED)
        return account

    def create_key(
        self,
        account: Account,
        now: datetime,
        *,
        end: datetime = FOREVER,
        key_type: int = KeyType.USER_MANAGED,
        uploaded: bytes = b"",
        draw: Callable[[], rsa.RSAPrivateKey] | None = None,
    ) -> Key:
        """Add a key: IAM makes it, unless a certificate is `uploaded`; `draw` plants a certain one."""
        serial = self.next_serial()
        key_id = hashlib.sha1(f"{account.email}/{serial}".encode(), usedforsecurity=False).hexdigest()
        made = Key(id=key_id, shown=Timeline(), serial=serial, draw=draw or self.draw, uploaded=uploaded)
        shown = ServiceAccountKey(
            name=f"{account.name}/keys/{made.id}",
            key_algorithm=Algorithm.KEY_ALG_RSA_2048,
            key_origin=Origin.USER_PROVIDED if uploaded else Origin.GOOGLE_PROVIDED,
            key_type=key_type,
            valid_after_time=timestamp(now),
            valid_before_time=timestamp(end),
        )
        made.shown.put(now, shown)
        account.keys.put(made.id, made)
        return made

    def draw(self) -> rsa.RSAPrivateKey:
        """A key that this world has not used yet."""
        return self._ring.draw()

    def material(self, name: str) -> rsa.RSAPrivateKey:
        """The key of this name: planted twice, it is a copied key."""
        if name not in self._materials:
            self._materials[name] = self._ring.draw()
        return self._materials[name]

    def next_serial(self) -> int:
        """The next number of everything that needs one."""
        self._serial += 1
        return self._serial


def etag(serial: int) -> bytes:
    """An etag as IAM's messages carry it."""
    return f"{serial:016x}".encode()


def _unique_id(account: Account) -> str:
    shown = account.shown.current
    return str(shown.unique_id) if shown is not None else ""
