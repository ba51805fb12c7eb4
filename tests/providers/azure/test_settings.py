"""What a source of provider ``azure`` may be told, and what it says to what it does not take."""

import pytest
from pydantic import ValidationError

from nhisync_azure import AzureSettings

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-BBBB-cccc-dddd-eeeeeeeeeeee"
AUTH = {"method": "client_secret", "tenant": TENANT, "client_id": CLIENT, "secret_file": "azure.secret"}
VAULT = "https://payments-north.vault.azure.net"
VAULT_ID = f"/subscriptions/{TENANT}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/payments-north"


def settings(**keys):
    """Settings of a source on one vault."""
    return AzureSettings.model_validate({"provider": "azure", "vault": VAULT, "auth": AUTH, **keys})


def test_a_vault_and_an_identity_are_enough():
    """Everything else has a default; ids are compared in lower case."""
    made = settings()
    assert made.auth.client_id == CLIENT.lower()
    assert (made.authority_url, made.graph_url) == ("https://login.microsoftonline.com", "https://graph.microsoft.com")
    assert made.real_vault
    assert not made.has_directory
    assert [made.serves(kind) for kind in ("secret", "key", "certificate", "app-secret")] == [True, True, True, False]


def test_a_source_without_a_vault_is_the_directory():
    """The tenant's applications need no vault."""
    made = settings(vault=None)
    assert [made.serves(kind) for kind in ("secret", "app-secret", "sp-certificate", "other")] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("cloud", "vault", "real"),
    [
        ("public", "https://a-b.vault.azure.net:443", True),
        ("public", "https://a-b.VAULT.azure.net/", True),
        ("public", "https://a-b.vault.azure.cn", False),
        ("china", "https://a-b.vault.azure.cn", True),
        ("usgov", "https://a-b.vault.usgovcloudapi.net", True),
        ("public", "https://vault.azure.net.evil.example", False),
        ("public", "https://127.0.0.1:8443", False),
    ],
)
def test_only_the_clouds_own_domain_is_a_real_vault(cloud, vault, real):
    """Whether the challenge is held against the vault's domain must not depend on a look-alike."""
    assert settings(cloud=cloud, vault=vault).real_vault is real


@pytest.mark.parametrize(
    "keys",
    [
        {"vault": "http://payments-north.vault.azure.net"},
        {"vault": "payments-north.vault.azure.net"},
        {"vault": f"{VAULT}/secrets"},
        {"vault": "https://user:canary-pw@payments-north.vault.azure.net"},
        {"vault": f"{VAULT}?canary-pw"},
        {"vault": "https://a.vault.azure.net\\@evil.example"},
        {"vault": "https://a.vault.azure.net:99999"},
        {"vault": None, "directory": False},
        {"vault": None, "vault_id": VAULT_ID},
        {"vault_id": "/subscriptions/x/vaults/y"},
        {"auth": {**AUTH, "tenant": "common"}},
        {"auth": {**AUTH, "tenant": "a/b"}},
        {"auth": {**AUTH, "client_id": "canary-pw"}},
        {"auth": {**AUTH, "client_secret": "canary-pw"}},
        {"auth": {"method": "default"}},
        {"attempts": 0},
        {"connect_timeout": "0s"},
        {"access": "both"},
        {"api_version": "newest"},
        {"cloud": "germany"},
    ],
)
def test_what_cannot_be_right_is_refused_and_not_repeated(keys):
    """A wrong value is an error at once, not after five seconds of retries; a pasted secret is not shown."""
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert "canary-pw" not in str(caught.value)


@pytest.mark.parametrize(
    "auth",
    [
        {
            "method": "certificate",
            "tenant": "contoso.onmicrosoft.com",
            "client_id": CLIENT,
            "certificate_file": "c.pem",
        },
        {"method": "workload_identity", "tenant": TENANT, "client_id": CLIENT, "token_file": "token"},
    ],
)
def test_methods(auth):
    """Each method names its own file."""
    assert settings(auth=auth, vault_id=VAULT_ID).auth.method == auth["method"]
