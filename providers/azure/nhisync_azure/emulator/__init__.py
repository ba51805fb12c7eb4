"""An in-process Azure: Key Vault, Entra tokens, Microsoft Graph, Resource Manager; for tests and `nhisync demo`.

`AzureWorld.add_source` answers with a source document of this shape; names that are not set are absent::

    provider: azure
    region: westeurope
    vault: https://127.0.0.1:4431          # one port per vault; also by Host header NAME.vault.azure.net
    access: rbac                           # or policies
    vault_id: /subscriptions/…             # absent with arm=False
    directory: true                        # false with graph=False
    authority: https://127.0.0.1:4430      # token service, Graph (below /v1.0) and Resource Manager: one listener
    graph: https://127.0.0.1:4430
    arm: https://127.0.0.1:4430
    ca_file: …/ca.pem
    auth: {method: client_secret, tenant: <guid>, client_id: <guid>, secret_file: …}
          # or certificate + certificate_file (PEM, key and certificate), workload_identity + token_file

Scopes are those of the public cloud whatever the addresses are: ``https://vault.azure.net/.default``,
``https://graph.microsoft.com/.default``, ``https://management.azure.com/.default``. The Key Vault clients need
``verify_challenge_resource=False`` against 127.0.0.1, the credentials ``disable_instance_discovery=True``.

`AzureWorld.install` gives a source's identity exactly one custom role, access policy or set of Graph permissions, so
that a test can remove one line; `AzureWorld.assign` adds a role (built-in by name, with scope and condition);
`AzureWorld.calls` counts requests by ``kv:secrets/list`` and the like; `AzureWorld.source` shows the server's side.
"""

from nhisync_azure.emulator.world import AzureWorld

__all__ = ["AzureWorld"]
