"""What the words of a vault's access policies mean in the data actions of roles.

Two models of one vault must be comparable. Some data actions cover two operations that policies grant apart (``get``
one object, ``list`` all): such an action has two parts, ``…/read/get`` and ``…/read/list``, and is whole where both are
held. Source: Microsoft Learn, "Azure role-based access control vs. access policies", and the reference of each call.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from nhisync_azure.operations import VAULT

_METADATA = "secrets/readMetadata/action"
PARTS = tuple(f"{VAULT}/{one}" for one in (_METADATA, "keys/read", "certificates/read", "certificatecas/read"))
"""Data actions with two parts."""

_ALIKE = {
    "delete": "{kind}/delete",
    **{word: f"{{kind}}/{word}/action" for word in ("recover", "backup", "restore", "purge")},
}
_OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "secrets": {
        "get": ("secrets/getSecret/action", f"{_METADATA}/get"),
        "list": (f"{_METADATA}/list",),
        "set": ("secrets/setSecret/action", "secrets/update/action"),
    },
    "keys": {
        "get": ("keys/read/get",),
        "list": ("keys/read/list",),
        "wrapkey": ("keys/wrap/action",),
        "unwrapkey": ("keys/unwrap/action",),
        "getrotationpolicy": ("keyrotationpolicies/read",),
        "setrotationpolicy": ("keyrotationpolicies/write",),
    },
    "certificates": {
        "get": ("certificates/read/get",),
        "list": ("certificates/read/list",),
        "getissuers": ("certificatecas/read/get",),
        "listissuers": ("certificatecas/read/list",),
        "setissuers": ("certificatecas/write",),
        "deleteissuers": ("certificatecas/delete",),
        "manageissuers": ("certificatecas/read/get", "certificatecas/read/list", "certificatecas/write"),
        "managecontacts": ("certificatecontacts/write",),
    },
}
_ALL = {
    "secrets": ("secrets/*",),
    "keys": ("keys/*", "keyrotationpolicies/*"),
    "certificates": ("certificates/*", "certificatecas/*", "certificatecontacts/*"),
}


def data_actions(permissions: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The data actions that an access policy gives.

    Args:
        permissions: ``secrets``, ``keys``, ``certificates`` or ``storage`` → its words.
    """
    given = ((kind.lower(), word.lower()) for kind, words in permissions.items() for word in words)
    found = {f"{VAULT}/{action}" for kind, word in given for action in _meant(kind, word)}
    whole = {action for action in PARTS if {f"{action}/get", f"{action}/list"} <= found}
    return frozenset(found | whole)


def in_parts(patterns: Iterable[str]) -> frozenset[str]:
    """Patterns of a role's data actions, and the parts of every action that they match and that has parts."""
    found = frozenset(patterns)
    low = [one.casefold() for one in found]
    held = [action for action in PARTS if any(fnmatchcase(action.casefold(), pattern) for pattern in low)]
    return found.union(f"{action}/{part}" for action in held for part in ("get", "list"))


def _meant(kind: str, word: str) -> tuple[str, ...]:
    """A word that is not known here (``storage`` has no data actions) stands for itself, as an action."""
    if word == "all":
        return _ALL.get(kind, (f"{kind}/*",))
    own = _OWN.get(kind, {}).get(word)
    return own or (_ALIKE.get(word, "{kind}/{word}/action").format(kind=kind, word=word),)
