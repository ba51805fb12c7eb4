"""Which calls show that the permissions of a configuration are held: harmless reads, each of one permission."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nhisync.spi import Locator, ProviderError
from nhisync_gcp.names import AccountName, CertificateName, SecretName, parent_of
from nhisync_gcp.permissions import ACCOUNT_KINDS
from nhisync_gcp.settings import GcpSettings

NOWHERE = "nhisync-doctor-no-such-item"
"""A name that no item has: a call on it shows whether the permission is held, and can return no value."""

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Try:
    """One call that shows whether a permission is held.

    Attributes:
        permission: the permission.
        call: ``service.method``.
        request: fields of its request.
        location: location of a regional Secret Manager, or "".
        on: what it is tried on, for a person.
    """

    permission: str
    call: str
    request: dict[str, Any]
    location: str = ""
    on: str = ""


def tries(settings: GcpSettings, region: str | None, wanted: Sequence[Locator], kinds: frozenset[str]) -> Iterator[Try]:
    """Every permission that this configuration needs, once; items stand for their kind, at most three of each."""
    for kind in sorted(kinds | {locator.kind for locator in wanted}):
        places = _places(settings, region, kind, wanted)
        yield from _LISTS.get(kind, _no_list)(settings.project, places)
        for locator in samples(wanted, kind):
            try:
                yield from _ITEMS.get(kind, _no_item)(settings.project, locator)
            except ProviderError:
                continue  # a name that no item can have: the inventory says so of the item


def samples(wanted: Sequence[Locator], kind: str) -> list[Locator]:
    """Items that stand for their kind."""
    return [locator for locator in wanted if locator.kind == kind][:_SAMPLES]


def _places(settings: GcpSettings, region: str | None, kind: str, wanted: Sequence[Locator]) -> tuple[str, ...]:
    """Locations in which `kind` stands here."""
    if kind in ACCOUNT_KINDS or kind == "secret":
        return ("",)
    named = [one.name.partition("/")[0] for one in wanted if one.kind == kind]
    always = ["global"] if kind == "certificate" else []
    return tuple(dict.fromkeys((*always, *named, *(settings.locations or ((region,) if region else ())))))


def _secret_lists(project: str, places: Sequence[str]) -> Iterator[Try]:
    for place in places:
        request = {"parent": parent_of(project, place), "page_size": 1}
        yield Try("secretmanager.secrets.list", "secretmanager.list_secrets", request, place, place or "the project")


def _account_lists(project: str, _: Sequence[str]) -> Iterator[Try]:
    request = {"name": parent_of(project), "page_size": 1}
    yield Try("iam.serviceAccounts.list", "iam.list_service_accounts", request, on="the project")


def _certificate_lists(project: str, places: Sequence[str]) -> Iterator[Try]:
    for place in places:
        request = {"parent": parent_of(project, place), "page_size": 1}
        yield Try("certificatemanager.certs.list", "certificatemanager.list_certificates", request, on=place)


def _pool_lists(project: str, places: Sequence[str]) -> Iterator[Try]:
    for place in places:
        request = {"parent": parent_of(project, place), "page_size": 1}
        yield Try("privateca.caPools.list", "privateca.list_ca_pools", request, on=place)


def _no_list(_: str, __: Sequence[str]) -> Iterator[Try]:
    return iter(())


def _secret_item(project: str, locator: Locator) -> Iterator[Try]:
    name = SecretName.of(locator)
    resource = name.resource(project)
    yield Try("secretmanager.secrets.get", "secretmanager.get_secret", {"name": resource}, name.location, locator.name)
    request = {"parent": resource, "page_size": 1}
    call = "secretmanager.list_secret_versions"
    yield Try("secretmanager.versions.list", call, request, name.location, locator.name)


def _account_item(project: str, locator: Locator) -> Iterator[Try]:
    name = AccountName(AccountName.of(locator).email)
    resource = name.resource(project)
    yield Try("iam.serviceAccounts.get", "iam.get_service_account", {"name": resource}, on=name.email)
    if locator.kind == "service-account-key":
        request = {"name": resource, "key_types": [1]}
        yield Try("iam.serviceAccountKeys.list", "iam.list_service_account_keys", request, on=name.email)
        key = AccountName(name.email, "0" * 40).resource(project)
        yield Try("iam.serviceAccountKeys.get", "iam.get_service_account_key", {"name": key}, on=name.email)


def _certificate_item(project: str, locator: Locator) -> Iterator[Try]:
    resource = CertificateName.of(locator).resource(project)
    call = "certificatemanager.get_certificate"
    yield Try("certificatemanager.certs.get", call, {"name": resource}, on=locator.name)


def _pool_item(project: str, locator: Locator) -> Iterator[Try]:
    name = CertificateName.of(locator)
    pool = CertificateName(name.location, name.pool).resource(project)
    for permission, method in (
        ("privateca.certificateAuthorities.list", "privateca.list_certificate_authorities"),
        ("privateca.certificates.list", "privateca.list_certificates"),
    ):
        yield Try(permission, method, {"parent": pool, "page_size": 1}, on=f"{name.location}/{name.pool}")
    request = {"name": f"{pool}/certificates/{name.id or NOWHERE}"}
    yield Try("privateca.certificates.get", "privateca.get_certificate", request, on=f"{name.location}/{name.pool}")


def _no_item(_: str, __: Locator) -> Iterator[Try]:
    return iter(())


_LISTS: dict[str, Callable[[str, Sequence[str]], Iterator[Try]]] = {
    "secret": _secret_lists,
    "regional-secret": _secret_lists,
    "service-account": _account_lists,
    "service-account-key": _account_lists,
    "certificate": _certificate_lists,
    "cas-certificate": _pool_lists,
}
_ITEMS: dict[str, Callable[[str, Locator], Iterator[Try]]] = {
    "secret": _secret_item,
    "regional-secret": _secret_item,
    "service-account": _account_item,
    "service-account-key": _account_item,
    "certificate": _certificate_item,
    "cas-certificate": _pool_item,
}
