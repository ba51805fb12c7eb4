"""Identity: entities and aliases, made by logins, readable by id and name.

Source: OpenBao ``internal/vault/identity/store_entities.go`` and ``store_aliases.go``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from nhisync_vault.emulator.engine import Call, Engine, route
from nhisync_vault.emulator.gotime import rfc3339
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import Response, listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """How one auth mount knows an entity.

    Attributes:
        id: alias id.
        name: the auth method's name for it (for AppRole: the role id).
        mount_accessor: accessor of the auth mount.
        mount_path: path of the auth mount.
        mount_type: type of the auth mount.
        created: when.
        metadata: from the login.
    """

    id: str
    name: str
    mount_accessor: str
    mount_path: str
    mount_type: str
    created: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity.

    Attributes:
        id: entity id.
        name: ``entity_<random>`` unless set.
        aliases: its aliases.
        policies: identity policies.
        created: when.
        updated: when.
        disabled: its tokens are refused.
    """

    id: str
    name: str
    aliases: tuple[Alias, ...]
    policies: tuple[str, ...]
    created: datetime
    updated: datetime
    disabled: bool = False


def entity_of_login(storage: Storage, ids: Ids, *, alias: Alias, now: datetime) -> Entity:
    """The entity behind a login's alias; made at the first login."""
    key = f"alias/{alias.mount_accessor}/{alias.name}"
    known = storage.get(key)
    if known is not None:
        entity: Entity = storage.get(f"entity/{known}")
        return entity
    made = replace(alias, id=ids.uuid())
    entity = Entity(
        id=ids.uuid(), name=f"entity_{ids.base62(8)}", aliases=(made,), policies=(), created=now, updated=now
    )
    storage.put(key, entity.id)
    storage.put(f"alias-id/{made.id}", entity.id)
    storage.put(f"entity/{entity.id}", entity)
    return entity


def entity_policies(storage: Storage, entity_id: str) -> tuple[str, ...]:
    """Identity policies of an entity, sorted; empty for none."""
    entity: Entity | None = storage.get(f"entity/{entity_id}") if entity_id else None
    return () if entity is None else tuple(sorted(entity.policies))


class IdentityEngine(Engine):
    """Reads of ``identity/entity`` and ``identity/entity-alias``; writes only set an entity's policies and name."""

    type: ClassVar[str] = "identity"

    def __init__(self) -> None:
        super().__init__()
        self.routes = (
            route(r"entity/id/?", list_=self._list),
            route(r"entity/id/(?P<id>[^/]+)", read=self._read, write=self._update),
            route(r"lookup/entity", write=self._lookup),
            route(r"entity-alias/id/?", list_=self._list_aliases),
            route(r"entity-alias/id/(?P<id>[^/]+)", read=self._read_alias),
        )

    def _list(self, call: Call) -> Response:
        return listing(call.page("entity/"))

    def _read(self, call: Call) -> Response | None:
        entity: Entity | None = call.storage.get(f"entity/{call['id']}")
        return None if entity is None else Response(data=_entity_data(entity))

    def _update(self, call: Call) -> Response | None:
        entity: Entity | None = call.storage.get(f"entity/{call['id']}")
        if entity is None:
            return None
        changed = replace(
            entity,
            policies=tuple(call.strings("policies")) or entity.policies,
            name=call.text("name", entity.name),
            disabled=call.flag("disabled", default=entity.disabled),
            updated=call.now,
        )
        call.storage.put(f"entity/{entity.id}", changed)
        return None

    def _lookup(self, call: Call) -> Response | None:
        """By alias name and the accessor of its mount; no entity is an answer without a body."""
        owner = call.storage.get(f"alias/{call.text('alias_mount_accessor')}/{call.text('alias_name')}")
        entity: Entity | None = call.storage.get(f"entity/{owner}") if owner else None
        return None if entity is None else Response(data=_entity_data(entity))

    def _list_aliases(self, call: Call) -> Response:
        return listing(call.page("alias-id/"))

    def _read_alias(self, call: Call) -> Response | None:
        owner = call.storage.get(f"alias-id/{call['id']}")
        if owner is None:
            return None
        entity: Entity = call.storage.get(f"entity/{owner}")
        alias = next(alias for alias in entity.aliases if alias.id == call["id"])
        return Response(data=_alias_data(alias, entity.id))


def _entity_data(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.id,
        "name": entity.name,
        "aliases": [_alias_data(alias, entity.id) for alias in entity.aliases],
        "policies": list(entity.policies),
        "disabled": entity.disabled,
        "metadata": None,
        "creation_time": rfc3339(entity.created),
        "last_update_time": rfc3339(entity.updated),
        "group_ids": [],
        "direct_group_ids": [],
        "inherited_group_ids": [],
        "namespace_id": "root",
    }


def _alias_data(alias: Alias, entity_id: str) -> dict[str, Any]:
    return {
        "id": alias.id,
        "canonical_id": entity_id,
        "name": alias.name,
        "mount_accessor": alias.mount_accessor,
        "mount_path": alias.mount_path,
        "mount_type": alias.mount_type,
        "metadata": dict(alias.metadata),
        "creation_time": rfc3339(alias.created),
        "last_update_time": rfc3339(alias.created),
        "local": False,
    }
