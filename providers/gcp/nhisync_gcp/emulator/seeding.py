"""Planting: provider-neutral seeds become resources with a past."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from nhisync_gcp.emulator import seed_accounts, seed_certificates, seed_secrets
from nhisync_gcp.emulator.plot import Planted, Plot


class Seeder(NamedTuple):
    """How a kind is planted.

    Attributes:
        plant: does it.
        options: what its seeds may say beyond `Seed`; all also know ``denied``.
    """

    plant: Callable[[Plot], Planted]
    options: tuple[str, ...]


#: Kind → how it is planted.
SEEDERS: Final[Mapping[str, Seeder]] = {
    "secret": Seeder(seed_secrets.seed_global, seed_secrets.OPTIONS),
    "regional-secret": Seeder(seed_secrets.seed_regional, seed_secrets.OPTIONS),
    "service-account": Seeder(seed_accounts.seed_account, seed_accounts.ACCOUNT_OPTIONS),
    "service-account-key": Seeder(seed_accounts.seed_key, seed_accounts.KEY_OPTIONS),
    "certificate": Seeder(seed_certificates.seed_certificate, seed_certificates.CERTIFICATE_OPTIONS),
    "cas-certificate": Seeder(seed_certificates.seed_cas_certificate, seed_certificates.CAS_OPTIONS),
    "certificate-authority": Seeder(seed_certificates.seed_authority, seed_certificates.AUTHORITY_OPTIONS),
}


def plant(plot: Plot) -> Planted:
    """Plant one seed.

    Raises:
        ValueError: a kind that the provider does not have.
        TypeError: an option that the kind does not have.
    """
    kind = plot.seed.kind
    if kind not in SEEDERS:
        raise ValueError(f"the gcp world has no kind {kind}; it has {', '.join(sorted(SEEDERS))}")
    seeder = SEEDERS[kind]
    unknown = sorted(plot.seed.options.keys() - {*seeder.options, "denied"})
    if unknown:
        raise TypeError(f"{kind} has no option {', '.join(unknown)}; it has {', '.join(seeder.options)}")
    return seeder.plant(plot)
