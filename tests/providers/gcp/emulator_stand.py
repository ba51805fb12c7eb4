"""Real SDK clients for the contract tests: against the emulator, or against a server that the environment names.

``NHISYNC_GCP_SM_ENDPOINT`` (``http://HOST:PORT`` = gRPC without TLS, as third-party emulators speak it, or
``https://HOST``) with ``NHISYNC_GCP_SM_PROJECT``, and for a real server ``NHISYNC_GCP_SM_KEY_FILE`` (key file of a
service account that may do everything with secrets of that throw-away project; optional ``NHISYNC_GCP_SM_CACERT``).
Tests that need a fault, a clock to step or several services are the emulator's only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import google.auth.transport.grpc
import google.auth.transport.requests
import grpc
import pytest
import requests
from google.cloud import certificate_manager_v1, iam_admin_v1, iam_credentials_v1, iam_v2, secretmanager_v1
from google.cloud.certificate_manager_v1.services.certificate_manager.transports import CertificateManagerGrpcTransport
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
from google.cloud.iam_credentials_v1.services.iam_credentials.transports import IAMCredentialsGrpcTransport
from google.cloud.iam_v2.services.policies.transports import PoliciesGrpcTransport
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.cloud.security import privateca_v1
from google.cloud.security.privateca_v1.services.certificate_authority_service.transports import (
    CertificateAuthorityServiceGrpcTransport,
)
from google.oauth2 import service_account

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
from nhisync_gcp.crypto_keys import KeyManagementClient
from nhisync_gcp.emulator import GcpWorld
from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.source import Source
from nhisync_gcp.hierarchy import ResourceManagerClient

REAL_ENDPOINT = os.environ.get("NHISYNC_GCP_SM_ENDPOINT", "")
ONLY_EMULATED = "needs a fault, a clock to step or another service: the emulator's only"
LOCATION = "europe-west1"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUT = 20.0


class Clients:
    """SDK clients of one identity; channels are closed with it."""

    def __init__(self, *, key_file: str, ca_file: str, project: str) -> None:
        self.project = project
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = ca_file or True
        self._ca = Path(ca_file).read_bytes() if ca_file else None
        self.request = google.auth.transport.requests.Request(session=self.session)
        made: Any = service_account.Credentials
        self.credentials = made.from_service_account_file(key_file, scopes=SCOPES) if key_file else None
        self._channels: list[grpc.Channel] = []

    def channel(self, address: str, credentials: Any = None) -> grpc.Channel:
        """A channel to ``https://…`` with tokens, or to ``http://…`` without anything."""
        scheme, _, target = address.partition("://")
        chosen = credentials or self.credentials
        if scheme == "http":
            made = grpc.insecure_channel(target)
        else:
            tls = grpc.ssl_channel_credentials(self._ca)
            secure: Any = google.auth.transport.grpc.secure_authorized_channel
            target = target if ":" in target else f"{target}:443"
            near = [("grpc.enable_http_proxy", 0)] if target.startswith("127.0.0.1:") else []
            made = secure(chosen, self.request, target, ssl_credentials=tls, options=near)
        self._channels.append(made)
        return made

    def secrets(self, address: str, credentials: Any = None) -> Any:
        """A Secret Manager client."""
        transport = SecretManagerServiceGrpcTransport(channel=self.channel(address, credentials))
        return secretmanager_v1.SecretManagerServiceClient(transport=transport)

    def iam(self, address: str, credentials: Any = None) -> Any:
        """An IAM admin client."""
        return iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=self.channel(address, credentials)))

    def denials(self, address: str) -> Any:
        """A client of version 2 of IAM, which has the deny policies."""
        return iam_v2.PoliciesClient(transport=PoliciesGrpcTransport(channel=self.channel(address)))

    def tokens(self, address: str) -> Any:
        """A client of IAM Credentials, which mints."""
        transport = IAMCredentialsGrpcTransport(channel=self.channel(address))
        return iam_credentials_v1.IAMCredentialsClient(transport=transport)

    def places(self, address: str) -> Any:
        """Nhisync's own client of Resource Manager."""
        return ResourceManagerClient(transport=self.channel(address))

    def crypto_keys(self, address: str) -> Any:
        """Nhisync's own client of Cloud KMS."""
        return KeyManagementClient(transport=self.channel(address))

    def certificates(self, address: str) -> Any:
        """A Certificate Manager client."""
        transport = CertificateManagerGrpcTransport(channel=self.channel(address))
        return certificate_manager_v1.CertificateManagerClient(transport=transport)

    def authorities(self, address: str) -> Any:
        """A Certificate Authority Service client."""
        transport = CertificateAuthorityServiceGrpcTransport(channel=self.channel(address))
        return privateca_v1.CertificateAuthorityServiceClient(transport=transport)

    def close(self) -> None:
        """Close every channel and connection."""
        for channel in self._channels:
            channel.close()
        self.session.close()


class Stand:
    """One emulated source with an owner's clients on it.

    Attributes:
        world: the world; its only source is primary/gcp unless a test adds more.
        clock: steps only when told to.
        document: the source's configuration.
        owner: clients of an account that may do everything.
        nhisync: clients of the source's own identity.
        sm: the owner's Secret Manager client for global secrets.
        regional: the owner's client of `LOCATION`.
        iam: the owner's IAM client.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        self.clock = FakeClock()
        self.world = GcpWorld(clock=self.clock, directory=directory / "world")
        self.world.start()
        self._opened: list[Clients] = []
        self.document = self.world.add_source("primary", "gcp", region=LOCATION, options=options)
        self.project = str(self.document["project"])
        self.owner = self.clients(str(self.world.key_file("primary", "gcp", "owner-account")))
        self.sm = self.owner.secrets(self.global_address)
        self.iam = self.owner.iam(self.global_address)

    @property
    def regional(self) -> Any:
        """The owner's client of the regional endpoint."""
        return self.owner.secrets(self.document["regional_endpoints"][LOCATION])

    @property
    def nhisync(self) -> Clients:
        """Clients of the source's own identity."""
        return self.clients(self.document["auth"]["file"])

    @property
    def global_address(self) -> str:
        """Address of the global services."""
        return str(self.document["endpoints"]["secretmanager"])

    @property
    def cloud(self) -> Cloud:
        """The emulated state."""
        return self.world.cloud

    @property
    def source(self) -> Source:
        """The source from the server's side."""
        return self.world.source("primary", "gcp")

    @property
    def parent(self) -> str:
        """The project's resource name."""
        return f"projects/{self.project}"

    @property
    def number(self) -> str:
        """The project's number, by which Secret Manager's answers name it."""
        return self.cloud.project(self.project).number

    @property
    def web(self) -> str:
        """Address of the HTTPS listener."""
        return self.source.listeners["token"].address

    def clients(self, key_file: str) -> Clients:
        """Clients of the account that a key file names."""
        made = Clients(key_file=key_file, ca_file=self.document["ca_file"], project=self.project)
        self._opened.append(made)
        return made

    def seed(self, kind: str, name: str, **seed: Any) -> str:
        """Plant one credential."""
        options = {key: seed.pop(key) for key in list(seed) if key not in Seed.__dataclass_fields__}
        return self.world.seed("primary", "gcp", Seed(kind=kind, name=name, options=options, **seed))

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the source."""
        self.world.fault("primary", "gcp", name, **options)

    def close(self) -> None:
        """Close clients, then the world."""
        for clients in self._opened:
            clients.close()
        self.world.stop()


class SecretServer:
    """A server with Secret Manager and a project to write in: the emulator, or one that the environment names."""

    def __init__(self, sm: Any, project: str, stand: Stand | None) -> None:
        self.sm, self.project, self.stand = sm, project, stand
        self._made: list[str] = []

    @property
    def parent(self) -> str:
        """The project's resource name."""
        return f"projects/{self.project}"

    def create(self, name: str = "", **fields: Any) -> str:
        """A fresh secret; returns its resource name as it was asked for."""
        secret_id = name or f"nhisync-{uuid4().hex[:12]}"
        secret = {"replication": {"automatic": {}}, **fields}
        self.sm.create_secret(parent=self.parent, secret_id=secret_id, secret=secret, timeout=TIMEOUT)
        self._made.append(f"{self.parent}/secrets/{secret_id}")
        return self._made[-1]

    def add(self, secret: str, data: bytes = b"canary") -> str:
        """A new version; returns its number."""
        made = self.sm.add_secret_version(parent=secret, payload={"data": data}, timeout=TIMEOUT)
        return str(made.name.rpartition("/")[2])

    def clean(self) -> None:
        """Remove what was made on a real server."""
        for name in self._made if self.stand is None else ():
            self.sm.delete_secret(name=name, timeout=TIMEOUT)


@contextmanager
def open_stand(directory: Path, **options: Any) -> Iterator[Stand]:
    """An emulated source, closed at the end."""
    made = Stand(directory, **options)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def open_server(directory: Path) -> Iterator[SecretServer]:
    """The server of the environment, else the emulator."""
    if not REAL_ENDPOINT:
        with open_stand(directory) as stand:
            yield SecretServer(stand.sm, stand.project, stand)
        return
    project = os.environ["NHISYNC_GCP_SM_PROJECT"]
    key_file = os.environ.get("NHISYNC_GCP_SM_KEY_FILE", "")
    ca_file = os.environ.get("NHISYNC_GCP_SM_CACERT", "")
    clients = Clients(key_file=key_file, ca_file=ca_file, project=project)
    server = SecretServer(clients.secrets(REAL_ENDPOINT), project, None)
    try:
        yield server
    finally:
        server.clean()
        clients.close()


def only_emulated() -> None:
    """Skip, and say so, when the suite runs against a real server."""
    if REAL_ENDPOINT:
        pytest.skip(ONLY_EMULATED)
