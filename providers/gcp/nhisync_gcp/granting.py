"""Reads what service accounts may do in the source's project.

Allow policies of the project, of what stands above it, and of each of its secrets; deny policies of the first two; the
roles that they name; and of each account its own policy: who may act as it. All but the last is read once for all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from nhisync.spi import Budget, ErrorKind, GrantFacts, Locator, ProviderError, Syntax
from nhisync.spi.fanout import spread
from nhisync_gcp.connection import Connection
from nhisync_gcp.errors import Called, malformed
from nhisync_gcp.names import AccountName, SecretName, is_region, last_of, parent_of
from nhisync_gcp.permissions import ACCOUNT_KINDS
from nhisync_gcp.rights import Account, Policy, compiled, trusted
from nhisync_gcp.settings import GcpSettings

SCHEME = "gcp"

_WITH_CONDITIONS = {"requested_policy_version": 3}
_POLICY_OF = {"projects": "project", "folders": "folder", "organizations": "organization"}
_MOST_ABOVE = 20
"""Folders nest ten deep at most (Resource Manager, "Quotas and limits")."""

_PAGE = 1_000
_PERMISSION = re.compile(r"[A-Za-z][\w-]*(?:\.[\w-]+)+\Z")


class Shared(NamedTuple):
    """What the policies of a project say, whoever is asked about.

    Attributes:
        above: the project by its number, and every folder and organisation over it.
        allow: allow policies.
        deny: deny policies.
    """

    above: tuple[str, ...]
    allow: tuple[Policy, ...]
    deny: tuple[Policy, ...]


class GrantRun:
    """One look at the rights of some accounts.

    Args:
        connection: of the source.
        settings: of the source.
        region: the source's region, or None.
        budget: every call is spent.
        now: the time of observation.
    """

    def __init__(
        self,
        connection: Connection,
        settings: GcpSettings,
        region: str | None,
        budget: Budget,
        now: Callable[[], datetime],
    ) -> None:
        self._connection, self._settings, self._region, self._budget, self._now = (
            connection, settings, region, budget, now,
        )  # fmt: skip
        self._shared: Shared | ProviderError | None = None
        self._roles: dict[str, tuple[str, ...]] = {}

    def facts(self, wanted: Sequence[Locator]) -> Iterator[GrantFacts]:
        """The rights of each wanted account, or why they are not known; what needs no asking comes first."""
        for item in sorted(dict.fromkeys(one.item for one in wanted), key=lambda one: one.kind in ACCOUNT_KINDS):
            try:
                if item.kind not in ACCOUNT_KINDS:
                    raise ProviderError(ErrorKind.UNSUPPORTED, f"the kind {item.kind} holds no rights at Google Cloud")
                yield self._single(item)
            except ProviderError as error:
                yield GrantFacts(locator=item, observed_at=self._now(), error=error.fact)

    def _single(self, item: Locator) -> GrantFacts:
        name = AccountName(AccountName.of(item).email)
        resource = name.resource(self._settings.project)
        own = self._call("iam.get_iam_policy", resource=resource, options=_WITH_CONDITIONS)
        shared = self._for_all()
        at_home = resource.startswith(f"{parent_of(self._settings.project)}/")
        groups = {group: frozenset(accounts) for group, accounts in self._settings.groups.items()}
        who = Account(name.email, frozenset(shared.above) if at_home else frozenset(), groups)
        parts = (compiled(who, shared.allow, shared.deny, self._role), trusted(own, self._role))
        return GrantFacts(
            locator=item,
            observed_at=self._now(),
            scheme=SCHEME,
            syntax=Syntax.PATH,
            rights=tuple(sorted(right for rights, _ in parts for right in rights)),
            gaps=tuple(sorted({gap for _, gaps in parts for gap in gaps})),
        )

    def _for_all(self) -> Shared:
        """What all accounts share, read once.

        Raises:
            ProviderError: a part cannot be read: without it nobody's rights are known.
        """
        if self._shared is None:
            try:
                self._shared = self._read()
            except ProviderError as error:
                self._shared = error
        if isinstance(self._shared, ProviderError):
            raise self._shared
        return self._shared

    def _read(self) -> Shared:
        project = parent_of(self._settings.project)
        allow = [Policy((f"{project}/*",), policy_of(self._call, project))]
        found = self._call("cloudresourcemanager.get_project", name=project)
        if not found.name.startswith("projects/"):
            raise malformed(Called("cloudresourcemanager.get_project"), "the answer does not name the project")
        places, deny = [str(found.name)], list[Policy]()
        where: tuple[str, ...] = (f"{project}/*",)
        if self._settings.inherited:
            deny += self._denials(project, where)
            for place in above(self._call, found.parent):
                where = (*where, f"{place}/*")
                allow.append(Policy(where, policy_of(self._call, place)))
                deny += self._denials(place, where)
                places.append(place)
        allow += spread(list(self._secrets()), self._of_secret, self._settings.workers)
        return Shared(tuple(places), tuple(allow), tuple(deny))

    def _denials(self, place: str, where: tuple[str, ...]) -> Iterator[Policy]:
        """Deny policies that are attached to a place; the list leaves their rules out."""
        parent = f"policies/cloudresourcemanager.googleapis.com%2F{place.replace('/', '%2F')}/denypolicies"
        for page in self._connection.pages("iam_v2.list_policies", self._budget, "policies", parent=parent):
            for row in page:
                yield Policy(where, self._call("iam_v2.get_policy", name=row.name))

    def _secrets(self) -> Iterator[SecretName]:
        default = (self._region,) if self._region and is_region(self._region) else ()
        for location in ("", *dict.fromkeys(self._settings.locations or default)):
            parent = parent_of(self._settings.project, location)
            pages = self._connection.pages(
                "secretmanager.list_secrets", self._budget, "secrets", location=location, parent=parent, page_size=_PAGE
            )
            yield from (SecretName(last_of(row.name), location) for page in pages for row in page)

    def _of_secret(self, secret: SecretName) -> Iterator[Policy]:
        """A secret's own policy; none when it is gone since it was listed."""
        name, place = secret.resource(self._settings.project), secret.location
        try:
            found = self._call("secretmanager.get_iam_policy", location=place, resource=name, options=_WITH_CONDITIONS)
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return
        if found.bindings:
            yield Policy((f"{name}/*",), found)

    def _role(self, name: str) -> tuple[str, ...]:
        """What a role holds; nothing when it is deleted, or when a custom one is not there any more.

        Raises:
            ProviderError: it cannot be read.
        """
        if name not in self._roles:
            try:
                found = self._call("iam.get_role", name=name)
            except ProviderError as error:
                if error.kind is not ErrorKind.NOT_FOUND or name.startswith("roles/"):
                    raise
                self._roles[name] = ()
                return ()
            held = () if found.deleted else tuple(found.included_permissions)
            if found.name != name or not all(map(_PERMISSION.match, held)):
                raise malformed(Called("iam.get_role"), "the answer is about another role, or holds no permissions")
            self._roles[name] = held
        return self._roles[name]

    def _call(self, name: str, /, *, location: str = "", **request: Any) -> Any:
        return self._connection.call(name, self._budget, location=location, **request)


def above(call: Callable[..., Any], parent: str) -> Iterator[str]:
    """Folders and organisation over a project, the nearest first; `call` is that of a connection or a run.

    Raises:
        ProviderError: MALFORMED where they do not end, else why one cannot be read.
    """
    for _ in range(_MOST_ABOVE):
        if not parent:
            return
        if parent.partition("/")[0] not in {"folders", "organizations"}:
            break
        yield parent
        if parent.startswith("organizations/"):
            return
        parent = call("cloudresourcemanager.get_folder", name=parent).parent
    raise malformed(Called("cloudresourcemanager.get_folder"), "the folders over the project do not end")


def policy_of(call: Callable[..., Any], place: str) -> Any:
    """The allow policy of a project, a folder or an organisation.

    Raises:
        ProviderError: why it cannot be read.
    """
    method = f"cloudresourcemanager.get_{_POLICY_OF[place.partition('/')[0]]}_policy"
    return call(method, resource=place, options=_WITH_CONDITIONS)
