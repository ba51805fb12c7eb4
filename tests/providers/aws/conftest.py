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

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
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
