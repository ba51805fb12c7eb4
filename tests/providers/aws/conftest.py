"""One emulated AWS for each test, real boto3 clients against it over loopback HTTP, everything closed at the end."""

import configparser
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.loaders import Loader

from nhisync.spi import Budget, Coverage, InventoryRequest, Item, Locator, SourceContext, Unchanged
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_aws import AwsProvider, AwsSettings
from nhisync_aws.emulator import AwsWorld

REGION = "eu-north-1"
_LOADER = Loader()  # parsing the service models once makes the suite twice as fast


class Aws:
    """A world with its clock, and ways to look at it with plain boto3."""

    def __init__(self, world: AwsWorld, clock: FakeClock) -> None:
        self.world = world
        self.clock = clock
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self._clients: list[Any] = []

    def source(
        self, path: str = "backup", source: str = "aws", *, region: str = REGION, **options: Any
    ) -> dict[str, Any]:
        """Add a source and keep its document."""
        document = self.world.add_source(path, source, region=region, options=options)
        self.documents[path, source] = document
        return document

    def seed(self, kind: str, name: str, *, path: str = "backup", source: str = "aws", **facts: Any) -> str:
        """Plant one item; facts that `Seed` does not have become its options."""
        known = {k: facts.pop(k) for k in ("fields", "created", "rotated", "expires", "owner", "tags") if k in facts}
        return self.world.seed(path, source, Seed(kind=kind, name=name, options=facts, **known))

    def keys(self, path: str = "backup", source: str = "aws") -> dict[str, str]:
        """The long-lived keys of a source's file."""
        auth = self.documents[path, source]["auth"]
        parser = configparser.ConfigParser()
        parser.read(auth.get("file") or auth["base"]["file"])
        return dict(parser["default"])

    def client(self, service: str, credentials: Mapping[str, str], region: str = REGION) -> Any:
        """A boto3 client that uses exactly these credentials; closed with the fixture."""
        core = botocore.session.get_session()
        core.register_component("data_loader", _LOADER)
        session = boto3.session.Session(botocore_session=core, **credentials)
        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        made = session.client(service, region_name=region, endpoint_url=self.world.endpoint, config=config)
        self._clients.append(made)
        return made

    def session(self, path: str = "backup", source: str = "aws") -> dict[str, str]:
        """Credentials of the source's role."""
        auth = self.documents[path, source]["auth"]
        sts = self.client("sts", self.keys(path, source))
        found = sts.assume_role(RoleArn=auth["role_arn"], RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def close(self) -> None:
        """Close all clients."""
        for made in self._clients:
            made.close()


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    """A started world with no source yet."""
    clock = FakeClock()
    world = AwsWorld(clock=clock, directory=tmp_path / "aws-world")
    world.start()
    held = Aws(world, clock)
    try:
        yield held
    finally:
        held.close()
        world.stop()


ADMIN: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@pytest.fixture
def admin(aws: Aws) -> Callable[..., Any]:
    """A factory of clients that may do everything, in the account of one source made for it."""
    aws.source("backup", "admin", auth="keys_file", policy=ADMIN)
    return lambda service, region=REGION: aws.client(service, aws.keys("backup", "admin"), region)


@pytest.fixture
def pca(admin: Callable[..., Any]) -> Any:
    """Private CA with the same user."""
    return admin("acm-pca")


@pytest.fixture
def ca(pca: Any) -> str:
    """ARN of an active root authority of ten years."""
    made = pca.create_certificate_authority(
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "RSA_2048",
            "SigningAlgorithm": "SHA256WITHRSA",
            "Subject": {"CommonName": "pay root"},
        },
        CertificateAuthorityType="ROOT",
    )["CertificateAuthorityArn"]
    own = pca.issue_certificate(
        CertificateAuthorityArn=made,
        Csr=pca.get_certificate_authority_csr(CertificateAuthorityArn=made)["Csr"].encode(),
        SigningAlgorithm="SHA256WITHRSA",
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
        Validity={"Type": "YEARS", "Value": 10},
    )["CertificateArn"]
    root = pca.get_certificate(CertificateAuthorityArn=made, CertificateArn=own)["Certificate"]
    pca.import_certificate_authority_certificate(CertificateAuthorityArn=made, Certificate=root.encode())
    return str(made)


class Seen:
    """What one inventory brought, sorted by what it is."""

    def __init__(self, observations: list[Any]) -> None:
        self.items = {f"{i.locator.kind}/{i.locator.name}": i for i in observations if isinstance(i, Item)}
        self.unchanged = [f"{u.locator.kind}/{u.locator.name}" for u in observations if isinstance(u, Unchanged)]
        self.coverage = [c for c in observations if isinstance(c, Coverage)]

    @property
    def status(self) -> dict[str, str]:
        """Kind (and scope) to coverage word."""
        return {f"{c.kind}:{c.scope}" if c.scope else c.kind: c.status.value for c in self.coverage}

    @property
    def markers(self) -> dict[Locator, str]:
        """What a store would send back as known."""
        return {item.locator: item.marker for item in self.items.values() if item.marker}

    def __getitem__(self, name: str) -> Item:
        return self.items[name]


class Source:
    """The adapter on one source of the world; every call to `see` is a new process in small."""

    def __init__(self, aws: Aws, path: str, source: str, base: Path) -> None:
        self.aws, self.path, self.source, self.base = aws, path, source, base
        self._open: list[AwsProvider] = []

    def provider(self, **settings: Any) -> AwsProvider:
        """A fresh adapter; one attempt unless told otherwise, so that faults show at once."""
        document = {**self.aws.documents[self.path, self.source], "attempts": 1, **settings}
        context = SourceContext(
            path=self.path,
            source=self.source,
            region=None,
            base=self.base,
            clock=self.aws.clock,
            randomness=CountingRandomness(),
        )
        made = AwsProvider(AwsSettings.model_validate(document), context)
        self._open.append(made)
        return made

    def budget(self, seconds: float = 600, calls: int = 100_000) -> Budget:
        """A budget on the world's clock."""
        return Budget(self.aws.clock, seconds=seconds, calls=calls)

    def locator(self, name: str) -> Locator:
        """``kind/name`` as a locator of this source."""
        return Locator.parse(f"{self.source}:{name}")

    def see(
        self,
        *wanted: str,
        kinds: str = "",
        known: Mapping[Locator, str] | None = None,
        prefixes: Mapping[str, tuple[str, ...]] | None = None,
        budget: Budget | None = None,
        protection: bool = False,
        **settings: Any,
    ) -> Seen:
        """Run one inventory; `kinds` are blank-separated."""
        request = InventoryRequest(
            budget=budget or self.budget(),
            kinds=frozenset(kinds.split()),
            wanted=tuple(self.locator(name) for name in wanted),
            known=known or {},
            prefixes=prefixes or {},
            protection=protection,
        )
        return Seen(list(self.provider(**settings).inventory(request)))

    def close(self) -> None:
        """Close all adapters, twice, as a caller may."""
        for made in self._open:
            made.close()
            made.close()


@pytest.fixture
def seen_of() -> Callable[[list[Any]], Seen]:
    """Sorts observations that a test took from the stream itself."""
    return Seen


@pytest.fixture
def backup(aws: Aws, tmp_path: Path) -> Iterator[Source]:
    """The adapter on ``backup/aws``, reached through an assumed role with the adapter's own read document."""
    aws.source()
    held = Source(aws, "backup", "aws", tmp_path)
    yield held
    held.close()


@pytest.fixture
def source_of(aws: Aws, tmp_path: Path) -> Iterator[Callable[..., Source]]:
    """A factory: add a source with options and get the adapter on it."""
    made: list[Source] = []

    def factory(path: str = "backup", source: str = "aws", **options: Any) -> Source:
        aws.source(path, source, **options)
        made.append(Source(aws, path, source, tmp_path))
        return made[-1]

    yield factory
    for held in made:
        held.close()
