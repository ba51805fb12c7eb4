"""The state of the whole emulated cloud: tenants, vaults, roles, tokens; one lock guards it."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nhisync.spi import Clock, Randomness, SystemClock
from nhisync_azure.emulator.directory import Tenant
from nhisync_azure.emulator.faults import Faults
from nhisync_azure.emulator.ids import Ids
from nhisync_azure.emulator.issuing import Ca
from nhisync_azure.emulator.material import Keyring
from nhisync_azure.emulator.rbac import Rbac, Subject
from nhisync_azure.emulator.vaults import Vault

TOKEN_LIFETIME = timedelta(seconds=3599)


@dataclass(slots=True)
class Traffic:
    """What one source sent, and what goes wrong for it.

    Attributes:
        calls: requests by ``<surface>:<operation>``; the unauthenticated probe for a challenge counts, too.
    """

    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, call: str) -> None:
        """Write one request into the books."""
        with self._lock:
            self.calls[call] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a token speaks for.

    Attributes:
        roles: application roles on the token's audience.
    """

    oid: str
    app_id: str
    tenant: str
    groups: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """The caller as role assignments know it."""
        return Subject(oid=self.oid, groups=self.groups)

    @property
    def text(self) -> str:
        """The caller as error messages name it."""
        return f"appid={self.app_id};oid={self.oid};iss=https://sts.windows.net/{self.tenant}/"


@dataclass(slots=True, kw_only=True)
class Token:
    """An access token that was handed out.

    Attributes:
        expires: on the machine's clock, because SDKs cache by that one.
        revoked: the session ended; the next use is answered by a claims challenge.
    """

    caller: Caller
    audience: str
    expires: datetime
    revoked: bool = False


@dataclass(slots=True, kw_only=True)
class Cloud:
    """Everything there is.

    Attributes:
        clock: the cloud's time: creation dates, expiries, lags, the Date header.
        wall: the machine's time: lifetimes of tokens and of client assertions, which SDKs stamp with it.
        authority: ``https://host:port`` of the token endpoint.
        issuers: public keys of trusted outside token issuers by URL and key id.
        traffic: books by application id; those by vault and by tenant serve requests that name no application.
    """

    clock: Clock
    ids: Ids
    wall: Clock = field(default_factory=SystemClock)
    authority: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    vaults: dict[str, Vault] = field(default_factory=dict)
    rbac: Rbac = field(default_factory=Rbac)
    tokens: dict[str, Token] = field(default_factory=dict)
    issuers: dict[str, dict[str, rsa.RSAPublicKey | ec.EllipticCurvePublicKey]] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    vault_traffic: dict[str, Traffic] = field(default_factory=dict)
    tenant_traffic: dict[str, Traffic] = field(default_factory=dict)
    authorities: dict[str, Ca] = field(default_factory=dict)
    keyring: Keyring = field(default_factory=Keyring)
    nowhere: Traffic = field(default_factory=Traffic)

    @classmethod
    def new(cls, clock: Clock, randomness: Randomness) -> "Cloud":
        """An empty cloud."""
        return cls(clock=clock, ids=Ids(randomness))

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by id or domain name."""
        low = name.lower()
        return self.tenants.get(low) or next((one for one in self.tenants.values() if one.name == low), None)

    def traffic_of(self, app_id: str, vault: Vault | None = None, tenant: str = "") -> Traffic:
        """The books of the source that this application, else this vault or tenant, belongs to."""
        by_vault = self.vault_traffic.get(vault.name) if vault is not None else None
        return self.traffic.get(app_id) or by_vault or self.tenant_traffic.get(tenant.lower()) or self.nowhere

    def token(self, value: str) -> Token | None:
        """A living token by its text."""
        found = self.tokens.get(value)
        return found if found is not None and found.expires > self.wall.now() else None

    def revoke_tokens(self, app_id: str) -> None:
        """End all sessions of an application."""
        for token in self.tokens.values():
            if token.caller.app_id == app_id:
                token.revoked = True
