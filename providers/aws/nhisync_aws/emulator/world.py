"""AWS in the embedded world: accounts, credentials and sources on one loopback server."""

import configparser
import importlib
import io
import itertools
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nhisync.spi import AccessMode, Clock, SystemRandomness
from nhisync.testing.world import Seed
from nhisync_aws.emulator.faults import SourceKey

if TYPE_CHECKING:
    from nhisync_aws.emulator.backstage import Backstage
    from nhisync_aws.emulator.rotation_function import RotationFunction

_ROOTS = "roots.pem"
_ACCOUNTS = itertools.count(1)
_ACCOUNTS_LOCK = threading.Lock()
_ALL_KINDS = frozenset(
    {"secret", "access-key", "role", "service-credential", "server-certificate", "certificate", "parameter"}
)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One source of the world."""

    key: SourceKey
    account: str
    region: str
    mode: AccessMode
    auth: str


class AwsWorld:
    """One emulated AWS for any number of sources; satisfies `nhisync.testing.world.WorldPart`.

    moto is imported when the world starts, never before.
    """

    provider: ClassVar[str] = "aws"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self._directory = directory
        self._sources: dict[SourceKey, SourceRecord] = {}
        self._backstage: Backstage | None = None

    def start(self) -> None:
        """Open the listener on an ephemeral loopback port.

        Raises:
            ImportError: moto is not installed (extra ``demo``).
        """
        module = importlib.import_module("nhisync_aws.emulator.backstage")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._backstage = module.Backstage(self._clock, SystemRandomness())
        (self._directory / _ROOTS).write_text(self._backstage.roots, encoding="ascii")

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return self._running.url

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create an account's role and the credentials that reach it.

        Options: ``account`` (12 digits; sources may share one), ``auth`` (``assume_role``, ``keys_file`` or
        ``web_identity``), ``mode`` (``read`` or ``fingerprint``), ``policy`` (an IAM document in place of the
        adapter's own), ``external_id``, ``batch`` (bool: the policy allows BatchGetSecretValue), ``opinions`` (bool:
        and the simulator), ``protection`` (bool: and what tells how items are guarded), ``trails`` (trails of the
        account, see `nhisync_aws.emulator.trails_overlay`).
        """
        record = SourceRecord(
            key=SourceKey(path, source),
            account=str(options.get("account") or _next_account()),
            region=region,
            mode=AccessMode(str(options.get("mode", "read"))),
            auth=str(options.get("auth", "assume_role")),
        )
        if record.key in self._sources:
            raise ValueError(f"the world has a source {path}/{source} already")
        self._sources[record.key] = record
        for trail in options.get("trails", ()):
            self._running.trail(record.account, region, trail)
        auth = self._auth_document(record, options)
        document = {"provider": "aws", "region": region, "endpoint": self.endpoint, "auth": auth}
        return {**document, "trust_file": str(self._directory / _ROOTS)}

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant one credential; kinds and options: README.md.

        Raises:
            ValueError: no such kind.
        """
        record = self._record(path, source)
        return self._running.seed(record.key, record.account, record.region, item)

    def rotation_function(
        self, path: str, source: str, name: str, function: "RotationFunction | None" = None, *, seconds: float = 0.0
    ) -> str:
        """Deploy a rotation function in the source's account and region, and return its ARN.

        Args:
            path: path of the source.
            source: the source.
            name: function name; the seeds' secrets name ``rotate-<region>``.
            function: called once for each step; None = what AWS's template does.
            seconds: how long a rotation takes, on the world's clock.
        """
        record = self._record(path, source)
        return self._running.deploy(record.account, record.region, name, function, seconds)

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault on, or off with ``off=True``; names: `nhisync_aws.emulator.faults.FAULTS`."""
        record = self._record(path, source)
        self._running.fault(record.key, record.account, record.region, name, dict(options))

    def calls(self, path: str | None = None, source: str | None = None) -> Counter[str]:
        """API calls since the last reset by ``service:Operation``; of one source, or of all."""
        key = SourceKey(path, source) if path is not None and source is not None else None
        return self._running.cloud.counter.calls(key)

    def reset_calls(self) -> None:
        """Count again from zero."""
        self._running.cloud.counter.reset()

    def delay(self, seconds: float) -> None:
        """Let every call take `seconds` longer, as a network would."""
        self._running.cloud.delay = seconds

    def account_of(self, path: str, source: str) -> str:
        """The account id of a source."""
        return self._record(path, source).account

    def bucket(self, account: str, name: str) -> dict[str, bytes]:
        """A bucket that Private CA may write its audit reports to, made on first use: key → content."""
        return self._running.cloud.account(account).buckets.setdefault(name, {})

    def stop(self) -> None:
        """Close the server, all connections and all state; safe to call twice."""
        backstage, self._backstage = self._backstage, None
        if backstage is not None:
            backstage.stop()
        self._sources.clear()

    @property
    def _running(self) -> "Backstage":
        if self._backstage is None:
            raise RuntimeError("the world is not started")
        return self._backstage

    def _record(self, path: str, source: str) -> SourceRecord:
        key = SourceKey(path, source)
        if key not in self._sources:
            raise ValueError(f"the world has no source {path}/{source}")
        return self._sources[key]

    def _auth_document(self, record: SourceRecord, options: Mapping[str, Any]) -> dict[str, Any]:
        policy = options.get("policy") or self._policy(record, options)
        if record.auth == "keys_file":
            keys = self._running.user_with_keys(record.key, record.account, "nhisync", policy)
            return {"method": "keys_file", "file": self._keys_file(record, keys)}
        role = f"nhisync-{record.key.path}-{record.key.source}"
        if record.auth == "web_identity":
            arn, token = self._running.role_for_token(record.key, record.account, role, policy)
            return {"method": "web_identity", "role_arn": arn, "token_file": self._write(record, "token", token)}
        hub = self._hub_account()
        external_id = options.get("external_id")
        arn, keys = self._running.role_for_user(record.key, hub, record.account, role, policy, external_id)
        base = {"method": "keys_file", "file": self._keys_file(record, keys)}
        document = {"method": "assume_role", "role_arn": arn, "base": base}
        return {**document, "external_id": external_id} if external_id else document

    def _policy(self, record: SourceRecord, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The adapter's own documents for everything, so that tests prove that they suffice."""
        batch = bool(options.get("batch", False))
        from_adapter = importlib.import_module("nhisync_aws.permissions")
        batch = bool(options.get("batch", False))
        scope = from_adapter.Scope(region=record.region, account=record.account, batch=batch)
        wanted = self._running.everything(record.key)
        documents = from_adapter.documents(record.mode, wanted, _ALL_KINDS, scope)[:1]
        if options.get("opinions"):
            documents += importlib.import_module("nhisync_aws.opinions").permissions_for(wanted, _ALL_KINDS, scope)
        found = [json.loads(document.text) for document in documents]
        statements = [one for document in found for one in document["Statement"]]
        if options.get("protection"):
            statements += importlib.import_module("nhisync_aws.guarding").statements(scope)
        return {**found[0], "Statement": statements}

    def _hub_account(self) -> str:
        """Nhisync's own account, in which its users live; one for each world."""
        return self._running.hub_account(_next_account)

    def _keys_file(self, record: SourceRecord, keys: tuple[str, str]) -> str:
        parser = configparser.ConfigParser()
        parser["default"] = {"aws_access_key_id": keys[0], "aws_secret_access_key": keys[1]}
        text = io.StringIO()
        parser.write(text)
        return self._write(record, "credentials", text.getvalue())

    def _write(self, record: SourceRecord, suffix: str, text: str) -> str:
        file = self._directory / f"{record.key.path}-{record.key.source}.{suffix}"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return str(file)


def _next_account() -> str:
    """Account ids differ in all worlds of a process, because moto's state is the process's."""
    with _ACCOUNTS_LOCK:
        return f"{111122220000 + next(_ACCOUNTS)}"
