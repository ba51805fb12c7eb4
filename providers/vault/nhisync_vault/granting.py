"""Reads what AppRoles and tokens may do: the policies they get, and limits of their tokens.

Nothing is tried and no token is made: ``sys/policies/acl`` shows the texts, the role or the token says which apply.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nhisync.spi import (
    TTL,
    ErrorFact,
    ErrorKind,
    GrantFacts,
    Limit,
    Locator,
    PermissionDocument,
    ProviderError,
    Right,
    Syntax,
)
from nhisync_vault.api import Api
from nhisync_vault.facts import check_name, instant, number, text, texts
from nhisync_vault.grants import Grant, merge, render
from nhisync_vault.mounts import Mount, MountTable
from nhisync_vault.rights import DEFAULT, ROOT, everything, rights_of
from nhisync_vault.settings import VaultSettings

SCHEME = "vault"
UNSET = "the server's maximum"
"""A lifetime that no role limits."""

_SELF = "self"
_TITLE = "policy nhisync-rights{where}: which policies the named identities have, and their texts"


def permissions_for(settings: VaultSettings, asked: frozenset[str]) -> tuple[PermissionDocument, ...]:
    """The policy that reading rights of the kinds `asked` needs beside the READ policy; none where none are held."""
    kinds = set(asked & _READERS.keys())
    if not kinds:
        return ()
    grants = merge(rights_grants(kinds))
    title = _TITLE.format(where=f" in namespace {settings.namespace}" if settings.namespace else "")
    document = PermissionDocument(
        title=title, language="hcl", text=render(title, grants), actions=tuple(grant.action for grant in grants)
    )
    return (document,)


def rights_grants(kinds: set[str]) -> list[Grant]:
    """What those kinds need: policy texts, and for AppRoles the entity behind their logins."""
    entity = [Grant("identity/lookup/entity", ("update",))] if "approle" in kinds else []
    return [Grant("sys/policies/acl/*", ("read",)), *entity]


def holds_rights(locator: Locator) -> bool:
    """Whether items of this kind may do anything at this server."""
    return locator.kind in _READERS


def without_rights(wanted: Sequence[Locator], now: datetime) -> Iterator[GrantFacts]:
    """The answer about every item of a kind that holds no rights here."""
    for locator in dict.fromkeys(one.item for one in wanted if not holds_rights(one)):
        message = f"the kind {locator.kind} holds no rights at this server"
        error = ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=message)
        yield GrantFacts(locator=locator, observed_at=now, error=error)


class GrantRun:
    """One look at the rights of some identities; every policy text is read once.

    Args:
        api: of one cluster.
        table: its auth mounts.
        now: the time of observation.
    """

    def __init__(self, api: Api, table: MountTable, now: Callable[[], datetime]) -> None:
        self._api, self._table, self._now = api, table, now
        self._texts: dict[str, str | None] = {}

    def facts(self, wanted: Sequence[Locator]) -> Iterator[GrantFacts]:
        """The rights of each wanted item, or why they are not known."""
        for locator in dict.fromkeys(one.item for one in wanted):
            try:
                yield self._single(locator)
            except ProviderError as error:
                yield self._unknown(locator, error.fact)

    def _single(self, locator: Locator) -> GrantFacts:
        names, limits, gaps = _READERS[locator.kind](self, locator)
        rights, unread = self._rights(names)
        return GrantFacts(
            locator=locator,
            observed_at=self._now(),
            scheme=SCHEME,
            syntax=Syntax.PATH,
            rights=rights,
            limits=tuple(sorted(limits)),
            gaps=tuple(sorted({*gaps, *unread})),
        )

    def _unknown(self, locator: Locator, fact: ErrorFact) -> GrantFacts:
        return GrantFacts(locator=locator, observed_at=self._now(), error=fact)

    def _rights(self, names: Sequence[str]) -> tuple[tuple[Right, ...], tuple[str, ...]]:
        if ROOT in names:
            return everything(), ()
        found = [(name, self._text(name)) for name in sorted(set(names))]
        return rights_of([(name, policy) for name, policy in found if policy is not None], self._now())

    def _text(self, name: str) -> str | None:
        """The text of a policy; None = there is none, or its time is over: both grant nothing."""
        if name not in self._texts:
            check_name(name)
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> str | None:
        try:
            data = self._api.get(f"sys/policies/acl/{name}")
        except ProviderError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        ends = instant(data.get("expiration"))
        return None if ends is not None and ends < self._now() else text(data.get("policy"))

    def approle(self, locator: Locator) -> tuple[list[str], list[Limit], list[str]]:
        """Policies, limits and gaps of an AppRole."""
        mount, name = self._table.place(locator)
        check_name(name)
        role = self._api.get(f"{mount.api}/role/{name}")
        names = [*texts(role.get("token_policies"))]
        if role.get("token_no_default_policy") is not True:
            names.append(DEFAULT)
        more, gaps = self._entity(mount, name)
        return [*names, *more], _limits(role, ("token_bound_cidrs", "secret_id_bound_cidrs")), gaps

    def _entity(self, mount: Mount, name: str) -> tuple[list[str], list[str]]:
        """Policies that come with the entity behind the role's logins; before the first login there is none."""
        role_id = text(self._api.get(f"{mount.api}/role/{name}/role-id").get("role_id"))
        if not role_id or not mount.accessor:
            return [], ["identity policies: the role's entity cannot be named"]
        body = {"alias_name": role_id, "alias_mount_accessor": mount.accessor}
        data = self._api.maybe("identity/lookup/entity", body)
        groups = texts(data.get("group_ids"))
        return [*texts(data.get("policies"))], [f"policies of {len(groups)} identity groups"] if groups else []

    def token(self, locator: Locator) -> tuple[list[str], list[Limit], list[str]]:
        """Policies and limits of a token; its lookup already holds the identity's policies."""
        check_name(locator.name)
        if locator.name == _SELF:
            data = self._api.get("auth/token/lookup-self")
        else:
            data = self._api.lookup("auth/token/lookup-accessor", {"accessor": locator.name})
        names = [*texts(data.get("policies")), *texts(data.get("identity_policies"))]
        life = {**data, "token_explicit_max_ttl": data.get("explicit_max_ttl"), "token_period": data.get("period")}
        return names, _limits(life, ("bound_cidrs",)), []


def _limits(facts: Mapping[str, Any], networks: Sequence[str]) -> list[Limit]:
    """A periodic token lives as long as it is renewed; one without limits as long as the server lets it."""
    period = number(facts.get("token_period"))
    names = ("token_explicit_max_ttl",) if period else ("token_explicit_max_ttl", "token_max_ttl")
    caps = [cap for name in names if (cap := number(facts.get(name)))]
    found = [Limit(TTL, str(min(caps)) if caps else "0" if period else UNSET)]
    uses = number(facts.get("token_num_uses"))
    if uses:
        found.append(Limit("uses", str(uses)))
    found += [Limit(name, ", ".join(texts(facts.get(name)))) for name in networks if texts(facts.get(name))]
    return found


_READERS: Mapping[str, Callable[[GrantRun, Locator], tuple[list[str], list[Limit], list[str]]]] = {
    "approle": GrantRun.approle,
    "token": GrantRun.token,
}
