"""Planting: provider-neutral seeds become resources with a past."""

from collections.abc import Callable, Mapping
from typing import Final

from nhisync_gcp.emulator.plot import Planted, Plot
from nhisync_gcp.emulator.seed_accounts import seed_account, seed_key
from nhisync_gcp.emulator.seed_certificates import seed_authority, seed_cas_certificate, seed_certificate
from nhisync_gcp.emulator.seed_secrets import seed_global, seed_regional

#: Kind → how it is planted.
SEEDERS: Final[Mapping[str, Callable[[Plot], Planted]]] = {
    "secret": seed_global,
    "regional-secret": seed_regional,
    "service-account": seed_account,
    "service-account-key": seed_key,
    "certificate": seed_certificate,
    "cas-certificate": seed_cas_certificate,
    "certificate-authority": seed_authority,
}
