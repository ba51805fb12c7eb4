"""A source whose role holds exactly one IAM document: what `nhisync permissions` printed, or that less one line."""

import datetime as dt
import fnmatch
import json
from pathlib import Path

from nhisync.spi import AccessMode, CheckState, FieldValue, Locator, ProviderError
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.seed_iam import account_root
from nhisync_aws.permissions import documents
from nhisync_aws.statements import Scope

from .conftest import REGION, Aws, Source

DAY = dt.timedelta(days=1)
CANARY = "canary-7b2d-never-printed"
GIT = "service-credential/codecommit.amazonaws.com/git"
NAMES = (
    "secret/pay/hand",
    "secret/pay/wide",
    "access-key/svc",
    "role/task",
    GIT,
    "server-certificate/old",
    "certificate/api.example.com",
    "parameter//pay/key",
)
LATE = ("access-key/late", "role/never")
"""What no listing of a sweep has: a user younger than the credential report, and a role that is not there."""

KINDS = frozenset(name.partition("/")[0] for name in NAMES)
BREADTHS = ("named", "swept", "batch")


class Place:
    """One such source, in one mode and breadth (``batch``: named items, values in batches)."""

    def __init__(self, aws: Aws, path: str, base: Path, mode: AccessMode, breadth: str) -> None:
        self.aws, self.path, self.mode = aws, path, mode
        aws.source(path)
        self.source = Source(aws, path, "aws", base)
        self.settings = {"batch_values": breadth == "batch"}
        self.kinds = KINDS if breadth == "swept" else frozenset()
        self.names = NAMES + (LATE if breadth == "swept" else ())
        self._plant()
        if self.kinds:
            self.source.see(kinds="access-key")  # leaves a report behind
            aws.clock.advance(dt.timedelta(hours=1))
            self._user("late")
        (document,) = self.source.provider(**self.settings).permissions(mode, self.wanted, self.kinds)
        self.document = json.loads(document.text)

    @property
    def wanted(self) -> list[Locator]:
        """What pairs name."""
        return [self.source.locator(name) for name in self.names]

    def without(self, sid: str, action: str) -> dict:
        """The document with one action removed."""
        text = json.dumps(self.document)
        changed = json.loads(text)
        (statement,) = [one for one in changed["Statement"] if one["Sid"] == sid]
        statement["Action"].remove(action)
        assert json.dumps(changed) != text
        return changed

    def apply(self, document: dict) -> None:
        """Make `document` all that nhisync's role may do."""
        with self.aws.world._running.cloud.lock:
            role = iam(self.aws.world.account_of(self.path, "aws")).get_role(f"nhisync-{self.path}-aws")
            role.policies.clear()
            role.put_policy("nhisync", json.dumps(document))

    def reports(self) -> list:
        """Every typed reason that identifying, the inventory and (in its mode) the value reading give."""
        self.source.provider(**self.settings).identify(self.source.budget())
        seen = self.source.see(*self.names, kinds=" ".join(self.kinds), **self.settings)
        found = [one.error for one in (*seen.items.values(), *seen.coverage) if one.error is not None]
        if self.mode is AccessMode.FINGERPRINT:
            found += [one[1] for one in self.values() if isinstance(one, tuple)]
        return found

    def values(self) -> list:
        """Every item whose kind has a value, read."""
        wanted = [one for one in self.wanted if one.kind in ("secret", "parameter")]
        return list(self.source.provider(**self.settings).values(wanted, self.source.budget()))

    def opened(self) -> list[str]:
        """Names of the items whose values came."""
        return sorted({one.locator.name for one in self.values() if isinstance(one, FieldValue)})

    def checks(self) -> list:
        """The doctor's lines."""
        provider = self.source.provider(**self.settings)
        return list(provider.examine(self.mode, self.wanted, self.kinds, self.source.budget()))

    def call(self, action: str, **parameters: object) -> dict:
        """One call of nhisync's role through its boto3 client.

        Raises:
            ProviderError: what a refusal means.
        """
        service, _, operation = action.partition(":")
        provider = self.source.provider(**self.settings)
        return provider._connection.call(service, operation, self.source.budget(), **parameters)

    def refusal(self, action: str, **parameters: object) -> ProviderError | None:
        """Why a call is refused, None when it is not."""
        try:
            self.call(action, **parameters)
        except ProviderError as error:
            return error
        return None

    def _plant(self) -> None:
        fields = {"password": CANARY}
        self._seed("secret", "pay/hand", created=90 * DAY, rotated=7 * DAY, rotation=None, kms={}, fields=fields)
        self._seed("secret", "pay/wide", replicas={"eu-west-1": {}}, rotation={}, fields=fields)
        self._user("svc")
        root = {"AWS": account_root(self.aws.world.account_of(self.path, "aws"))}
        trust = {"Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole"}
        self._seed("role", "task", trust={"Version": "2012-10-17", "Statement": [trust]})
        self._seed("service-credential", GIT.partition("/")[2])
        self._seed("server-certificate", "old")
        self._seed("certificate", "api.example.com")
        self._seed("parameter", "/pay/key", kms={}, fields=fields)

    def _user(self, name: str) -> None:
        self._seed("access-key", name, created=dt.timedelta(), keys=[{"age": dt.timedelta()}, {"age": dt.timedelta()}])

    def _seed(self, kind: str, name: str, **facts: object) -> None:
        self.aws.seed(kind, name, path=self.path, **facts)


def lines(mode: AccessMode, breadth: str) -> list[tuple[str, str]]:
    """(statement, action) of everything a document allows, known without a server."""
    names = NAMES + (LATE if breadth == "swept" else ())
    wanted = [Locator.parse(f"aws:{name}") for name in names]
    kinds = KINDS if breadth == "swept" else frozenset()
    (document,) = documents(mode, wanted, kinds, Scope(region=REGION, account="1", batch=breadth == "batch"))
    statements = [one for one in json.loads(document.text)["Statement"] if one["Effect"] == "Allow"]
    return [(one["Sid"], action) for one in statements for action in one["Action"]]


def prints(place: Place, checks: list, sid: str, action: str) -> bool:
    """Whether a failed check of the doctor has a grant as its fix that the removed line covers."""
    (line,) = [one for one in place.document["Statement"] if one["Sid"] == sid]
    fixes = [one.fix for one in checks if one.state is CheckState.FAILED and one.name == f"permission:{action}"]
    grants = [json.loads(fix.removeprefix("Grant it: ")) for fix in fixes]
    return any(one["Action"] == action and _within(one["Resource"], line["Resource"]) for one in grants)


def _within(resource: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(resource, pattern) for pattern in patterns)
