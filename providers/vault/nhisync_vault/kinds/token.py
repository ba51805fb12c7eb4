"""Tokens, told by accessor: those that pairs name, our own, and (opt-in) a census of all.

Source: OpenBao ``internal/vault/token_store.go``. Listing accessors walks every token of the cluster and needs sudo;
batch tokens have no accessor and cannot be seen at all. The token store is one mount of every cluster, so the locator
is ``token/<accessor>``; ``token/self`` is nhisync's own.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nhisync.spi import (
    LEFT_OUT,
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    ProviderError,
    PublicId,
    Unchanged,
)
from nhisync_vault.facts import attributes, check_name, mapping, marker, moment, number, span, text, texts
from nhisync_vault.kinds.base import Gap, Listed, NoPeek, Run
from nhisync_vault.mounts import Mount

STORE: Final = Mount(path="", type="token", local=True, auth=True)
"""The token store: always there, always local to its cluster, and no part of the locator."""

SELF: Final = "self"
"""Name under which nhisync's own token stands: its identity is an item like any other (R32)."""


class TokenKind(NoPeek):
    """Kind ``token``."""

    name = "token"
    deep = True

    def listed(self, run: Run, mount: Mount, prefix: str) -> Iterator[Listed | Gap]:  # noqa: ARG002 - the protocol's
        """Accessors, when a census is configured.

        Raises:
            ProviderError: UNSUPPORTED without a census, DENIED without sudo.
        """
        census = run.settings.token_census
        if census is None:
            raise ProviderError(
                ErrorKind.UNSUPPORTED,
                "tokens are not listed: the source has no token_census",
                reason=LEFT_OUT,
                fix="Name tokens by accessor in pairs, or set token_census: {limit: 1000} and grant sudo.",
            )
        accessors, complete = run.api.whole("auth/token/accessors")
        fitting = [one for one in accessors if one.startswith(prefix)]
        yield from (Listed(one) for one in fitting[: census.limit])
        if not complete or len(fitting) > census.limit:
            yield Gap("", _capped(len(fitting), census.limit))

    def bare(self, run: Run, mount: Mount, entry: Listed) -> Item:  # noqa: ARG002 - the protocol's
        """Only the token's existence."""
        return run.item(_locator(run, entry.name))

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:  # noqa: ARG002 - the protocol's
        """Policies and lifetime of one token.

        Raises:
            ProviderError: NOT_FOUND when no living token has this accessor, else why not.
        """
        check_name(entry.name)
        if entry.name == SELF:
            return _item(run, SELF, run.api.get("auth/token/lookup-self"))
        return _item(run, entry.name, run.api.lookup("auth/token/lookup-accessor", {"accessor": entry.name}))


def _locator(run: Run, name: str) -> Locator:
    return Locator(run.context.source, TokenKind.name, name)


def _capped(found: int, limit: int) -> ProviderError:
    return ProviderError(
        ErrorKind.THROTTLED,
        f"{found} or more tokens exist; {min(found, limit)} were looked up",
        fix="Raise token_census.limit of the source, or name the tokens that matter in pairs.",
    )


def _item(run: Run, name: str, data: Mapping[str, Any]) -> Item:
    """A renewal is no rotation: it moves the validity window of the same token, which is what `not_before` says."""
    policies = tuple(sorted({*texts(data.get("policies")), *texts(data.get("identity_policies"))}))
    expires, created = moment(data.get("expire_time")), moment(data.get("creation_time"))
    accessor, meta = text(data.get("accessor")), mapping(data.get("meta"))
    return run.item(
        _locator(run, name),
        provider_id=accessor,
        lifecycle=Lifecycle.STATIC if expires is None else Lifecycle.OWN,
        state=CredentialState.ACTIVE,
        version=accessor or None,
        created=created,
        not_before=(moment(data.get("last_renewal_time")) or created) if expires else None,
        expires=expires,
        owner=text(meta.get(run.settings.owner_key)),
        logical_name=text(meta.get("nhisync_name")) or None,
        ids=run.ids(*([PublicId("token-accessor", accessor)] if accessor else [])),
        exposure="a root token: it may do everything" if "root" in policies else "",
        marker=marker("token", {**data, "ttl": None}),
        attributes=attributes(
            display_name=text(data.get("display_name")),
            policies=", ".join(policies) or "none",
            type=text(data.get("type")),
            period=span(data.get("period")),
            orphan=data.get("orphan") is True,
            uses_left=number(data.get("num_uses")) or None,
            role=text(data.get("role")),
            created_by=text(data.get("path")),
        ),
    )
