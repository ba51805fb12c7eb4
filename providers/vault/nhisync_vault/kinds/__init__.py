"""The kinds of item this provider reads, in the order in which they are swept."""

from nhisync_vault.kinds.approle import AppRoleKind
from nhisync_vault.kinds.base import Gap, Kind, Listed, Run, absent
from nhisync_vault.kinds.database import DynamicRoleKind, StaticRoleKind
from nhisync_vault.kinds.kv import KvKind
from nhisync_vault.kinds.ldap import LdapStaticKind
from nhisync_vault.kinds.pki import PkiKind
from nhisync_vault.kinds.token import STORE, TokenKind
from nhisync_vault.kinds.transit import TransitKind

ALL: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        AppRoleKind(),
        DynamicRoleKind(),
        StaticRoleKind(),
        KvKind(),
        LdapStaticKind(),
        PkiKind(),
        TokenKind(),
        TransitKind(),
    )
}

__all__ = ["ALL", "STORE", "Gap", "Kind", "Listed", "Run", "TokenKind", "absent"]
