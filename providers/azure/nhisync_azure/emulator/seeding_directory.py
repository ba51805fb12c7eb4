"""Seeds of the tenant's directory: client secrets, certificates and federated credentials of applications.

A seed's name is the application's display name, or ``<application>/<credential's display name>``. Seeds with one
application name share the application; the first one makes it, with its service principal.

Options of all kinds: ``credential`` (display name of the credential), ``app_id``, ``graph_roles`` (application
permissions), ``owned`` (nhisync's principal owns it), ``enabled`` (of the service principal). Secrets: ``refusals``
(logins that still meet a replica that does not know it). Certificates: ``kty``, ``key``. Federation: ``issuer``,
``subject``, ``audiences``.
"""

from datetime import timedelta
from typing import Any, Final

from nhisync_azure.emulator import identities
from nhisync_azure.emulator.directory import Credentials, FederatedCredential, KeyCredential, PasswordCredential
from nhisync_azure.emulator.identities import Identity
from nhisync_azure.emulator.material import KeyShape
from nhisync_azure.emulator.seeding import Plot

_TWO_YEARS: Final = timedelta(days=730)
_OPTIONS: Final[dict[str, Any]] = {
    "credential": None,
    "app_id": None,
    "graph_roles": (),
    "owned": False,
    "enabled": True,
}


def seed_app_secret(plot: Plot) -> str:
    """Plant a client secret on an application registration."""
    return _secret(plot, on_principal=False)


def seed_sp_secret(plot: Plot) -> str:
    """Plant a client secret on a service principal."""
    return _secret(plot, on_principal=True)


def seed_app_certificate(plot: Plot) -> str:
    """Plant a certificate on an application registration."""
    return _certificate(plot, on_principal=False)


def seed_sp_certificate(plot: Plot) -> str:
    """Plant a certificate on a service principal."""
    return _certificate(plot, on_principal=True)


def seed_app_federation(plot: Plot) -> str:
    """Plant trust in another issuer on an application registration."""
    options = plot.options(
        **_OPTIONS, issuer=identities.TOKEN_ISSUER, subject=None, audiences=(identities.TOKEN_AUDIENCE,)
    )
    identity, credential = _application(plot, options)
    identity.application.federated.append(
        FederatedCredential(
            id=plot.cloud.ids.guid(),
            name=credential or "federation",
            issuer=str(options["issuer"]),
            subject=str(options["subject"] or f"system:serviceaccount:default:{plot.seed.name}"),
            audiences=tuple(options["audiences"]),
        )
    )
    return _locator(plot)


def _secret(plot: Plot, *, on_principal: bool) -> str:
    options = plot.options(**_OPTIONS, refusals=0)
    holder, credential = _holder(plot, options, on_principal=on_principal)
    value = next(iter(plot.seed.fields.values()), "") or plot.cloud.ids.password()
    end = plot.changed + _TWO_YEARS if plot.seed.expires is None else plot.now + plot.seed.expires
    holder.passwords.append(
        PasswordCredential(
            key_id=plot.cloud.ids.guid(),
            display_name=credential,
            start=min(plot.changed, end - timedelta(days=1)),
            end=end,
            secret=value,
            refusals=int(options["refusals"]),
        )
    )
    return _locator(plot)


def _certificate(plot: Plot, *, on_principal: bool) -> str:
    options = plot.options(**_OPTIONS, kty="EC", key=None)
    holder, credential = _holder(plot, options, on_principal=on_principal)
    key = options["key"] or plot.cloud.keyring.new(KeyShape(kty=str(options["kty"])))
    end = plot.changed + _TWO_YEARS if plot.seed.expires is None else plot.now + plot.seed.expires
    start = min(plot.changed, end - timedelta(days=1))
    certificate = identities.self_signed(plot.cloud, plot.seed.name, key, start=start, end=end)
    made: KeyCredential = identities.key_credential(plot.cloud, certificate, credential)
    holder.keys.append(made)
    return _locator(plot)


def _holder(plot: Plot, options: dict[str, Any], *, on_principal: bool) -> tuple[Credentials, str | None]:
    identity, credential = _application(plot, options)
    return (identity.principal if on_principal else identity.application), credential


def _application(plot: Plot, options: dict[str, Any]) -> tuple[Identity, str | None]:
    """The application of the seed's name, and the credential's display name."""
    name, _, tail = plot.seed.name.partition("/")
    credential = options["credential"] if options["credential"] is not None else tail or None
    tenant = plot.tenant
    known = next((one for one in tenant.applications.values() if one.display_name == name), None)
    principal = tenant.principal(known.app_id) if known else None
    if known is not None and principal is not None:
        return Identity(application=known, principal=principal), credential
    made = identities.new_identity(plot.cloud, tenant, name)
    if options["app_id"]:
        made.application.app_id = made.principal.app_id = str(options["app_id"])
    made.application.created = made.principal.created = plot.created
    made.application.tags = made.principal.tags = [f"{key}:{value}" for key, value in plot.tags.items()]
    made.principal.enabled = bool(options["enabled"])
    if options["owned"]:
        made.application.owners.add(plot.principal.id)
        made.principal.owners.add(plot.principal.id)
    identities.set_graph_roles(plot.cloud, tenant, made.principal, tuple(options["graph_roles"]))
    return made, credential


def _locator(plot: Plot) -> str:
    return f"{plot.seed.kind}/{plot.seed.name}"
