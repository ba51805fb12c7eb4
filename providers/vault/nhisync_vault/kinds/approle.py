"""AppRole: one item per role; its generations are its secret IDs, told by accessor, never by value.

Source: OpenBao ``internal/builtin/credential/approle/path_role.go``. Accessors are listed in the order of hidden HMACs,
so such a listing cannot be paged by name. Accessors of dead secret IDs can stay listed (hashicorp/vault#4396), so each
one is looked up.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Moment,
    Precision,
    ProviderError,
    PublicId,
    Unchanged,
)
from nhisync_vault.facts import attributes, check_name, instant, mapping, marker, number, span, text, texts
from nhisync_vault.kinds.base import Listed, NamedKind, Run
from nhisync_vault.mounts import Mount

_MOST = 200
"""Most secret IDs of one role that are looked up: more of them are a leak, not an overlap."""


class AppRoleKind(NamedKind):
    """Kind ``approle``."""

    name = "approle"
    folder = "role"

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Policies, role id and secret IDs of one role.

        Raises:
            ProviderError: NOT_FOUND when the server has no such role, else why not.
        """
        name = entry.name
        check_name(name)
        locator, base = run.locator(self.name, mount, name), f"{mount.api}/role/{name}"
        role = run.api.get(base)
        accessors, complete = run.api.whole(f"{base}/secret-id")
        mark = marker("approle", role, sorted(accessors))
        if run.known(locator) == mark:
            return run.unchanged(locator)
        secret_ids = _lookups(run, base, accessors[:_MOST])
        live = [one for one in secret_ids if _alive(one, run.now())]
        newest = max(live or secret_ids, key=_made, default=None)
        return run.item(
            locator,
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            ids=run.ids(*_role_id(run, mount, base)),
            marker=mark,
            **_generation(secret_ids, newest, bound=role.get("bind_secret_id") is not False, now=run.now()),
            attributes=attributes(
                secret_ids=len(accessors) if complete else f"{len(accessors)} or more",
                secret_ids_live=len(live),
                secret_id_uses_left=number(newest.get("secret_id_num_uses")) or None if newest else None,
                secret_id_ttl=span(role.get("secret_id_ttl")),
                policies=", ".join(texts(role.get("token_policies"))) or "none",
                token_ttl=span(role.get("token_ttl")),
                token_max_ttl=span(role.get("token_max_ttl")),
                token_period=span(role.get("token_period")),
                bound_cidrs=texts(role.get("secret_id_bound_cidrs")) or None,
            ),
        )


def _lookups(run: Run, base: str, accessors: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """What is known of each secret ID; one that disappears meanwhile is left out."""
    found = []
    for accessor in accessors:
        try:
            body = {"secret_id_accessor": accessor}
            found.append(run.api.lookup(f"{base}/secret-id-accessor/lookup", body))
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
    return found


def _role_id(run: Run, mount: Mount, base: str) -> list[PublicId]:
    """A digest of the role id (sensitive, so only its equality is told); nothing when it may not be read."""
    try:
        role_id = text(run.api.get(f"{base}/role-id").get("role_id"))
    except ProviderError as error:
        if error.kind is ErrorKind.THROTTLED:
            raise
        run.miss(AppRoleKind.name, "role ids", mount, error)
        return []
    return [PublicId("role-id", hashlib.sha256(role_id.encode()).hexdigest()[:32])] if role_id else []


def _made(secret_id: Mapping[str, Any]) -> datetime:
    return instant(secret_id.get("creation_time")) or datetime.min.replace(tzinfo=UTC)


def _alive(secret_id: Mapping[str, Any], now: datetime) -> bool:
    ends = instant(secret_id.get("expiration_time"))
    return ends is None or ends > now


def _generation(
    secret_ids: Sequence[Mapping[str, Any]], newest: Mapping[str, Any] | None, *, bound: bool, now: datetime
) -> dict[str, Any]:
    """Generation fields of the item: the newest living secret ID is the current one."""
    if newest is None:
        state = CredentialState.PRE_ACTIVATION if bound else CredentialState.ACTIVE
        return {"state": state}
    made = [at for one in secret_ids if (at := instant(one.get("creation_time"))) is not None]
    current, ends = instant(newest.get("creation_time")), instant(newest.get("expiration_time"))
    used = instant(newest.get("last_updated_time"))
    metadata = mapping(newest.get("metadata"))
    return {
        "state": CredentialState.ACTIVE if _alive(newest, now) else CredentialState.DEACTIVATED,
        "version": text(newest.get("secret_id_accessor")) or None,
        "created": Moment(min(made)) if made else None,
        "rotated": Moment(current) if current else None,
        "expires": Moment(ends) if ends else None,
        "last_used": Moment(used, Precision.EXACT) if used and current and used > current else None,
        "owner": text(metadata.get("owner")) if "owner" in metadata else None,
    }
