"""What the server itself says that AppRoles and tokens may do: ``sys/capabilities-accessor``, for all paths at once.

It is asked of a living token: the one that the locator names, or of an AppRole the newest that a login of its own made,
found by the source's ``token_census``. The answer is words for a path; parameters are not looked at. Every path is
matched as a listing's would be, so that a listing is asked with its closing slash and everything else without (OpenBao
``internal/vault/capabilities.go``, ``acl.go``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nhisync.spi import (
    ErrorFact,
    ErrorKind,
    Locator,
    OpinionFacts,
    PermissionDocument,
    ProviderError,
    Question,
    Said,
)
from nhisync_vault.api import Api
from nhisync_vault.facts import check_name, mapping, number, text, texts
from nhisync_vault.granting import holds_rights
from nhisync_vault.grants import Grant, merge, read_grants, render
from nhisync_vault.kinds.token import SELF
from nhisync_vault.mounts import MountTable
from nhisync_vault.settings import VaultSettings

_LISTING = frozenset({"list", "scan"})
_NOBODY = "no living token of the role is known"
_TITLE = "policy nhisync-opinions{where}: what the server would allow the named identities"


def permissions_for(settings: VaultSettings, asked: frozenset[str]) -> tuple[PermissionDocument, ...]:
    """The policy that asking about the kinds `asked` needs beside that of their rights; none where nothing is asked."""
    grants = merge(opinion_grants(set(asked), census=settings.token_census is not None))
    if not grants:
        return ()
    title = _TITLE.format(where=f" in namespace {settings.namespace}" if settings.namespace else "")
    actions = tuple(grant.action for grant in grants)
    return (PermissionDocument(title=title, language="hcl", text=render(title, grants), actions=actions),)


def opinion_grants(kinds: set[str], *, census: bool) -> list[Grant]:
    """What those kinds need: the question, and for AppRoles the tokens of their logins."""
    asked = kinds & ({"token", "approle"} if census else {"token"})
    found = read_grants("token", "", (), sweep=True) if "approle" in asked else []
    return [Grant("sys/capabilities-accessor", ("update",)), *found] if asked else []


class OpinionRun:
    """One round of questions; the tokens of a cluster are looked up once.

    Args:
        api: of one cluster.
        table: its auth mounts.
        now: the time of observation.
    """

    def __init__(self, api: Api, table: MountTable, now: Callable[[], datetime]) -> None:
        self._api, self._table, self._now = api, table, now
        self._living: Mapping[tuple[str, str], str] | None = None

    def facts(self, asked: Mapping[Locator, Sequence[Question]]) -> Iterator[OpinionFacts]:
        """What the server says to each identity's questions, or why it says nothing."""
        for locator, named in asked.items():
            try:
                yield self._single(locator, named)
            except ProviderError as error:
                yield self._unknown(locator, error.fact)

    def _single(self, locator: Locator, asked: Sequence[Question]) -> OpinionFacts:
        if not holds_rights(locator):
            raise ProviderError(ErrorKind.UNSUPPORTED, f"the kind {locator.kind} holds no rights at this server")
        paths = sorted({one.resource for one in asked if _fits(one)})
        said = self._capabilities(locator, paths) if paths else {}
        answers = tuple((one, _said(one, said.get(one.resource, ()))) for one in asked)
        return OpinionFacts(locator=locator, observed_at=self._now(), answers=answers)

    def _unknown(self, locator: Locator, fact: ErrorFact) -> OpinionFacts:
        return OpinionFacts(locator=locator, observed_at=self._now(), error=fact)

    def _capabilities(self, locator: Locator, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
        check_name(locator.name)
        if locator.kind == "token" and locator.name == SELF:
            data = self._api.lookup("sys/capabilities-self", {"paths": paths})
        else:
            accessor = locator.name if locator.kind == "token" else self._accessor(locator)
            data = self._api.lookup("sys/capabilities-accessor", {"accessor": accessor, "paths": paths})
        return {path: texts(data.get(path)) for path in paths}

    def _accessor(self, locator: Locator) -> str:
        """The newest living token that a login of the role made.

        Raises:
            ProviderError: UNSUPPORTED, there is none or none may be looked for; else why that is not known.
        """
        if self._api.settings.token_census is None:
            fix = "Set token_census: {limit: 1000} of the source, and grant what nhisync permissions prints."
            raise ProviderError(ErrorKind.UNSUPPORTED, f"{_NOBODY}: the source has no token_census", fix=fix)
        mount, name = self._table.place(locator)
        if self._living is None:
            self._living = self._tokens(self._api.settings.token_census.limit)
        found = self._living.get((mount.api, name.lower()))
        if found is None:
            raise ProviderError(ErrorKind.UNSUPPORTED, f"{_NOBODY}: nobody is logged in with it")
        return found

    def _tokens(self, limit: int) -> Mapping[tuple[str, str], str]:
        """(auth mount, role) → accessor of the newest login.

        Raises:
            ProviderError: THROTTLED when there are more tokens than may be looked up; else why they are not known.
        """
        accessors, complete = self._api.whole("auth/token/accessors")
        if not complete or len(accessors) > limit:
            fix = "Raise token_census.limit of the source."
            raise ProviderError(ErrorKind.THROTTLED, f"more than {limit} tokens exist", fix=fix)
        newest: dict[tuple[str, str], tuple[float, str]] = {}
        for accessor in sorted(accessors):
            data = self._token(accessor)
            role, made = text(mapping(data.get("meta")).get("role_name")), number(data.get("creation_time"))
            where = (text(data.get("path")).removesuffix("/login"), role.lower())
            if role and made:
                newest[where] = max(newest.get(where, (made, accessor)), (made, accessor))
        return {where: accessor for where, (_, accessor) in newest.items()}

    def _token(self, accessor: str) -> dict[str, Any]:
        """A token; one that ended since it was listed is none."""
        try:
            return self._api.lookup("auth/token/lookup-accessor", {"accessor": accessor})
        except ProviderError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return {}
            raise


def _fits(asked: Question) -> bool:
    """Whether the server answers about this path as it would decide the request."""
    return (asked.action in _LISTING) == asked.resource.endswith("/")


def _said(asked: Question, words: Sequence[str]) -> Said:
    if not words or not _fits(asked):
        return Said.UNKNOWN
    return Said.ALLOWED if {"root", asked.action} & set(words) and "deny" not in words else Said.DENIED
