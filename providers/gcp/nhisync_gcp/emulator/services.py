"""Which methods a global and a regional endpoint serve."""

from nhisync_gcp.emulator import (
    certificate_manager,
    crypto_keys,
    denials,
    hierarchy,
    iam_accounts,
    iam_credentials,
    iam_keys,
    iam_roles,
    private_ca,
    secret_policies,
    secret_reads,
    secret_rotation,
    secret_writes,
)
from nhisync_gcp.emulator.rpc import Rpc

REGIONAL: tuple[Rpc, ...] = (
    *secret_reads.METHODS,
    *secret_writes.METHODS,
    *secret_policies.METHODS,
    *secret_rotation.METHODS,
)
GLOBAL: tuple[Rpc, ...] = (
    *REGIONAL,
    *iam_accounts.METHODS,
    *iam_keys.METHODS,
    *iam_credentials.METHODS,
    *iam_roles.METHODS,
    *denials.METHODS,
    *hierarchy.METHODS,
    *certificate_manager.METHODS,
    *crypto_keys.METHODS,
    *private_ca.METHODS,
)
