"""The state of one emulated Google Cloud, shared by every source of a world."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from nhisync.spi import Clock, Randomness, SystemClock, SystemRandomness
from nhisync_gcp.emulator.access import Access
from nhisync_gcp.emulator.accounts import Account, Accounts, Key
from nhisync_gcp.emulator.catalogue import Catalogue
from nhisync_gcp.emulator.pki import Issuer, new_key
from nhisync_gcp.emulator.pki import Key as PkiKey
from nhisync_gcp.emulator.quotas import Quotas
from nhisync_gcp.emulator.refusals import out_of_scope, unauthenticated
from nhisync_gcp.emulator.secret_store import SecretStore
from nhisync_gcp.emulator.tokens import CLOUD_PLATFORM, LIFETIME, Assertion, Token, parse

_TOKEN_AUDIENCES = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")


@dataclass(slots=True)
class Knobs:
    """How eventual the services' consistency is; zero = every answer shows the newest state.

    Attributes:
        list_lag: lists, aliases and ``latest`` of Secret Manager and lists of IAM show the past.
        propagation: policies, roles and the state of keys take effect this much later.
        answer_with_id: Secret Manager names projects as the request did, not by number (as third-party servers do).
        quotas: Secret Manager's real quotas are enforced.
    """

    list_lag: timedelta = timedelta()
    propagation: timedelta = timedelta()
    answer_with_id: bool = False
    quotas: bool = False


@dataclass(slots=True)
class Project:
    """One project.

    Attributes:
        id: chosen by people.
        number: given by Google; Secret Manager's answers name projects by it.
        constraints: of the organisation's policy, that forbid something (``iam.disableServiceAccountKeyCreation``).
        key_hours: the organisation's policy ends new service-account keys after so many hours; 0 = never.
    """

    id: str
    number: str
    constraints: set[str] = field(default_factory=set)
    key_hours: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """A workload identity pool with one provider.

    Attributes:
        principal: ``principal://…`` of the pool; its subjects follow.
        key: what the foreign issuer signs with.
    """

    principal: str
    key: rsa.RSAPrivateKey


@dataclass(slots=True, kw_only=True)
class Cloud:
    """Everything the services know.

    Attributes:
        clock: the services' time.
        wall: the machine's time, for tokens and assertions: client libraries read no other.
        randomness: for tokens and request ids.
        lock: held by every handler.
        knobs: consistency.
        access: policies and roles.
        accounts: service accounts.
        secrets: Secret Manager's.
        catalogue: what is only read: certificates, CA pools, authorities.
        projects: by id.
        databases_refuse: Cloud SQL instance → why it refuses a managed rotation.
        database_passwords: (instance, user) → password that a managed rotation set.
        quotas: enforced when the knob is on.
        pools: workload identity pools by their provider's audience.
        issuers: certificate authorities by name.
        crypto_keys: name of a Cloud KMS key → what is special of it (``level``, ``rotates``, ``state``).
    """

    clock: Clock
    wall: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    lock: threading.RLock = field(default_factory=threading.RLock)
    knobs: Knobs = field(default_factory=Knobs)
    access: Access = field(default_factory=Access)
    accounts: Accounts = field(default_factory=Accounts)
    secrets: SecretStore = field(default_factory=SecretStore)
    catalogue: Catalogue = field(default_factory=Catalogue)
    projects: dict[str, Project] = field(default_factory=dict)
    databases_refuse: dict[str, str] = field(default_factory=dict)
    database_passwords: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    quotas: Quotas = field(default_factory=Quotas)
    pools: dict[str, Pool] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    crypto_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    _certificate_keys: dict[str, PkiKey] = field(default_factory=dict)
    _tokens: dict[str, Token] = field(default_factory=dict, repr=False)

    def project(self, project_id: str) -> Project:
        """The project of this id, made when it is new."""
        if project_id not in self.projects:
            made = Project(project_id, f"{100_000_000_001 + len(self.projects) * 7919}")
            self.projects[project_id] = made
            self.access.principals.numbers[f"projects/{project_id}"] = f"projects/{made.number}"
        return self.projects[project_id]

    def find_project(self, text: str) -> Project | None:
        """The project of this id or number."""
        found = self.projects.get(text)
        return found or next((each for each in self.projects.values() if each.number == text), None)

    def shown_at(self) -> datetime | None:
        """The instant that lists show; None = now."""
        return self.clock.now() - self.knobs.list_lag if self.knobs.list_lag else None

    def in_force_at(self) -> datetime | None:
        """The instant whose policies and key states are in force; None = now."""
        return self.clock.now() - self.knobs.propagation if self.knobs.propagation else None

    def issuer(self, name: str, start: datetime, end: datetime) -> Issuer:
        """The certificate authority of this name, below a root of its own, made when it is new."""
        if name not in self.issuers:
            self.issuers[name] = Issuer.root(f"{name} root", start, end).below(name, start, end)
        return self.issuers[name]

    def certificate_key(self, material: str) -> PkiKey:
        """A fresh key, or the one of this name: planted twice, it is a copied key."""
        if not material:
            return new_key()
        return self._certificate_keys.setdefault(material, new_key())

    def issue_token(self, member: str, scopes: Sequence[str] = (), life: timedelta = LIFETIME) -> str:
        """A new access token for a principal, for these scopes (none named: for everything)."""
        text = f"ya29.{self.randomness.hex(24)}"
        self._tokens[text] = Token(member, self.wall.now() + life, tuple(scopes))
        return text

    def token(self, text: str) -> Token | None:
        """A token that was issued and has not ended."""
        found = self._tokens.get(text)
        return found if found is not None and found.expires > self.wall.now() else None

    def member_of(self, bearer: str) -> str:
        """The principal behind a bearer token.

        Raises:
            RefusedError: UNAUTHENTICATED: unknown, expired, or its account is disabled or gone; PERMISSION_DENIED: not
                asked for the scope of the services here.
        """
        token = self._tokens.get(bearer)
        if token is None:
            return self._self_signed(bearer)
        if token.expires <= self.wall.now():
            raise unauthenticated("ACCESS_TOKEN_EXPIRED")
        if token.member.startswith("serviceAccount:"):
            account = self.accounts.find(token.member.partition(":")[2])
            if account is None or account.shown.current.disabled:
                raise unauthenticated("ACCOUNT_STATE_INVALID")
        if not token.covers(CLOUD_PLATFORM):
            raise out_of_scope()
        return token.member

    def signer(self, assertion: Assertion) -> tuple[Account, Key] | None:
        """The account and live key that signed an assertion; None when no such key accepts it."""
        account = self.accounts.find(str(assertion.claims.get("iss")))
        key = account.keys.get(str(assertion.header.get("kid"))) if account is not None else None
        if account is None or key is None or not key.live(self.in_force_at(), self.clock.now()):
            return None
        return (account, key) if assertion.signed_by(key.public) else None

    def _self_signed(self, bearer: str) -> str:
        """A self-signed JWT in place of an access token, which Google's APIs accept from service accounts."""
        assertion = parse(bearer)
        if assertion is None:
            raise unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED")
        signer = self.signer(assertion)
        if signer is None or not assertion.timely(self.wall.now()) or signer[0].shown.current.disabled:
            raise unauthenticated("ACCESS_TOKEN_EXPIRED")
        if assertion.claims.get("aud") in _TOKEN_AUDIENCES:
            raise unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED")
        return signer[0].member
