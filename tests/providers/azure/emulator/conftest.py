"""A cloud to test against through the real SDKs: the emulator, or a real one named by the environment.

``NHISYNC_AZURE_KV_URL`` (a throw-away vault) and ``NHISYNC_ENTRA_AUTHORITY`` point the contract tests at real servers,
with ``NHISYNC_AZURE_TENANT``, ``NHISYNC_AZURE_CLIENT_ID`` and ``NHISYNC_AZURE_CLIENT_SECRET`` for an application that
is Key Vault Administrator of the vault. Optional: ``NHISYNC_AZURE_CACERT`` (PEM), ``NHISYNC_AZURE_API_VERSION`` (for
servers that do not know the newest one), ``NHISYNC_AZURE_GRAPH_URL`` with ``NHISYNC_AZURE_APP_OBJECT_ID`` (object id of
a throw-away registration that the application may change; else the tests of Graph are skipped), and
``NHISYNC_AZURE_ARM_URL`` with ``NHISYNC_AZURE_VAULT_ID``.

Tests that need a fault switch, a clock to step or a second identity are the emulator's only: they ask for `world`.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest
from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
from nhisync_azure.emulator import AzureWorld

REAL_VAULT = os.environ.get("NHISYNC_AZURE_KV_URL", "")
PUBLIC_GRAPH, PUBLIC_ARM = "https://graph.microsoft.com", "https://management.azure.com"
FAST = {"retry_total": 0, "retry_backoff_factor": 0.0}


class Target:
    """One cloud with one identity, and the real clients for it.

    Args:
        document: a source document as `AzureWorld.add_source` makes it.
        polls: seconds between polls of long operations.
        api_version: None = the SDK's newest.
    """

    def __init__(self, document: dict[str, Any], *, polls: float = 0.0, api_version: str | None = None) -> None:
        self.document, self.auth, self.polls = document, document["auth"], polls
        self.vault, self.vault_id = document["vault"], document.get("vault_id", "")
        self._options: dict[str, Any] = {"connection_verify": document["ca_file"]}
        if api_version:
            self._options["api_version"] = api_version
        self._open: list[Any] = []
        self.credential = self.login()
        self.secrets = self.client(SecretClient)
        self.certificates = self.client(CertificateClient)
        self.keys = self.client(KeyClient)

    def login(self, secret: str | None = None, *, client_id: str = "", tenant: str = "") -> Any:
        """A fresh credential of azure-identity for this identity, or for another secret or application."""
        options = {
            "authority": self.document["authority"],
            "disable_instance_discovery": True,
            "connection_verify": self.document["ca_file"],
            **FAST,
        }
        tenant, client = tenant or self.auth["tenant"], client_id or self.auth["client_id"]
        method = self.auth["method"]
        if secret is not None or method == "client_secret":
            value = secret if secret is not None else Path(self.auth["secret_file"]).read_text(encoding="utf-8")
            return self.closing(ClientSecretCredential(tenant, client, value, **options))
        if method == "certificate":
            file = self.auth["certificate_file"]
            return self.closing(CertificateCredential(tenant, client, certificate_path=file, **options))
        file = self.auth["token_file"]
        made = WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file, **options)
        return self.closing(made)

    def client(self, kind: type[Any], **options: Any) -> Any:
        """A Key Vault client; TLS is verified, the challenge's resource cannot be on 127.0.0.1."""
        chosen = {**self._options, **FAST, "verify_challenge_resource": ".vault." in self.vault, **options}
        return self.closing(kind(self.vault, self.credential, **chosen))

    def crypto(self, key: Any) -> Any:
        """A client that signs with a key on the server."""
        return self.closing(
            CryptographyClient(key, self.credential, **self._options, verify_challenge_resource=".vault." in self.vault)
        )

    def graph(self, method: str, path: str, body: Any = None, *, credential: Any = None) -> Any:
        """One request to Microsoft Graph; `path` below ``/v1.0`` or a whole next link."""
        url = path if path.startswith("https://") else f"{self.document['graph']}/v1.0{path}"
        return self._send(f"{PUBLIC_GRAPH}/.default", method, url, body, credential)

    def arm(self, path: str, *, credential: Any = None, version: str = "2022-04-01") -> Any:
        """One read of Azure Resource Manager."""
        join = "&" if "?" in path else "?"
        url = path if path.startswith("https://") else f"{self.document['arm']}{path}{join}api-version={version}"
        return self._send(f"{PUBLIC_ARM}/.default", "GET", url, None, credential)

    def closing(self, client: Any) -> Any:
        """Close it with the target."""
        self._open.append(client)
        return client

    def close(self) -> None:
        """Close every client."""
        for client in self._open:
            client.close()

    def _send(self, scope: str, method: str, url: str, body: Any, credential: Any) -> Any:
        policies = [RetryPolicy(**FAST), BearerTokenCredentialPolicy(credential or self.credential, scope)]
        with PipelineClient(url, policies=policies, connection_verify=self.document["ca_file"]) as client:
            request = HttpRequest(method, url, json=body) if body is not None else HttpRequest(method, url)
            return client.send_request(request)


def fresh(prefix: str) -> str:
    """A name that no test before has used."""
    return f"{prefix}-{uuid4().hex[:10]}"


def code_of(refusal: HttpResponseError) -> tuple[int | None, str, str]:
    """Status, code and inner code of a refusal."""
    error = refusal.error
    inner = (error.innererror or {}) if error is not None else {}
    return refusal.status_code, (error.code or "") if error else "", str(inner.get("code", ""))


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only moves when told to."""
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock, tmp_path: Path) -> Iterator[AzureWorld]:
    """An empty emulated cloud."""
    made = AzureWorld(clock=clock, directory=tmp_path / "world")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def open_target(world: AzureWorld) -> Iterator[Any]:
    """Makes a source of the emulated cloud and its clients; options as `AzureWorld.add_source` knows them."""
    made: list[Target] = []

    def build(path: str = "primary", source: str = "azure", **options: Any) -> Target:
        region = options.pop("region", "westeurope")
        made.append(Target(world.add_source(path, source, region=region, options=options)))
        return made[-1]

    yield build
    for target in made:
        target.close()


@pytest.fixture
def site(open_target: Any, world: AzureWorld) -> Target:
    """An emulated source whose identity may do everything; ``primary/azure`` in `world`."""
    target: Target = open_target(mode="rotate")
    administer(world)
    return target


def administer(world: AzureWorld, path: str = "primary", source: str = "azure") -> None:
    """Every right on the source's vault and tenant."""
    world.assign(path, source, role="Key Vault Administrator")
    world.assign(path, source, role="Owner", scope=f"/subscriptions/{world.source(path, source).vault.subscription}")
    roles = ("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All", "Policy.Read.All")
    world.install(path, source, graph_roles=roles)


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A cloud with one identity that may do everything: a real one when the environment names it, else the emulator."""
    if not REAL_VAULT:
        yield request.getfixturevalue("site")
        return
    target = real_target(request.getfixturevalue("tmp_path"))
    yield target
    target.close()


@pytest.fixture
def app_id(request: pytest.FixtureRequest, cloud: Target) -> str:
    """Object id of a throw-away application registration whose credentials may be changed."""
    if REAL_VAULT:
        found = os.environ.get("NHISYNC_AZURE_APP_OBJECT_ID", "")
        if not found:
            pytest.skip("NHISYNC_AZURE_APP_OBJECT_ID names no throw-away application")
        return found
    world: AzureWorld = request.getfixturevalue("world")
    world.seed("primary", "azure", Seed(kind="app-secret", name="throw-away/first", expires=timedelta(days=90)))
    tenant = world.source("primary", "azure").tenant
    return next(one.id for one in tenant.applications.values() if one.display_name == "throw-away")


def real_target(folder: Path) -> Target:
    """The cloud that the environment names."""
    secret = folder / "client-secret"
    secret.write_text(os.environ["NHISYNC_AZURE_CLIENT_SECRET"], encoding="utf-8")
    document = {
        "vault": REAL_VAULT.rstrip("/"),
        "vault_id": os.environ.get("NHISYNC_AZURE_VAULT_ID", ""),
        "authority": os.environ["NHISYNC_ENTRA_AUTHORITY"].rstrip("/"),
        "graph": os.environ.get("NHISYNC_AZURE_GRAPH_URL", PUBLIC_GRAPH).rstrip("/"),
        "arm": os.environ.get("NHISYNC_AZURE_ARM_URL", PUBLIC_ARM).rstrip("/"),
        "ca_file": os.environ.get("NHISYNC_AZURE_CACERT") or True,
        "auth": {
            "method": "client_secret",
            "tenant": os.environ["NHISYNC_AZURE_TENANT"],
            "client_id": os.environ["NHISYNC_AZURE_CLIENT_ID"],
            "secret_file": str(secret),
        },
    }
    return Target(document, polls=2.0, api_version=os.environ.get("NHISYNC_AZURE_API_VERSION"))
