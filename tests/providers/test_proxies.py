"""The setting ``proxy`` of every provider that has one: what no client could tunnel through is told at load."""

from typing import Any

import pytest
from pydantic import ValidationError

from nhisync.spi import SourceSettings
from nhisync_acme.settings import AcmeSettings
from nhisync_aws import AwsSettings
from nhisync_azure import AzureSettings
from nhisync_gcp.settings import GcpSettings
from nhisync_kubernetes.settings import KubernetesSettings
from nhisync_vault.settings import VaultSettings

TOKEN = {"method": "token_file", "token_file": "t"}
UUID = "11111111-2222-3333-4444-555555555555"
SECRET = {"method": "client_secret", "tenant": UUID, "client_id": UUID, "secret_file": "s"}
GOOD: dict[type[SourceSettings], dict[str, Any]] = {
    AcmeSettings: {"provider": "acme", "directory": "https://acme.example/directory"},
    AwsSettings: {"provider": "aws", "auth": {"method": "keys_file", "file": "k"}},
    AzureSettings: {"provider": "azure", "auth": SECRET},
    GcpSettings: {"provider": "gcp", "project": "payments", "auth": {"method": "access_token_file", "file": "t"}},
    KubernetesSettings: {"provider": "kubernetes", "address": "https://k8s.example:6443", "auth": TOKEN},
    VaultSettings: {"provider": "vault", "address": "https://vault.example:8200", "auth": {**TOKEN, "method": "token"}},
}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "proxy", ["ftp://canary", "canary:3128", "", "http://[canary", "http://canary:canary:3128", "socks5://canary:1080"]
)
def test_what_is_no_proxy_is_refused(kind: type[SourceSettings], proxy: str) -> None:
    """A mistake of the file, and not an unreachable service in the middle of a night; nothing of it is repeated."""
    with pytest.raises(ValidationError) as told:
        kind.model_validate({**GOOD[kind], "proxy": proxy})
    assert [one["loc"] for one in told.value.errors()] == [("proxy",)]
    assert "canary" not in told.value.errors()[0]["msg"]


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "http://[::1]:3128", None])
def test_a_proxy_is_taken(kind: type[SourceSettings], proxy: str | None) -> None:
    """Names and addresses; none is none."""
    assert getattr(kind.model_validate({**GOOD[kind], "proxy": proxy}), "proxy") == proxy  # noqa: B009 - not of the base
