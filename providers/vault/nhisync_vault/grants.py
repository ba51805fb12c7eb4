"""What each kind needs to be read, per mount, in the words of an ACL policy; and what is denied on purpose.

Paths and capabilities follow the API paths of the engines (OpenBao ``internal/builtin``); the denials make the read
mode provable: with this policy no value can be read, whatever other policy the same path string appears in
(``deny`` wins on the same path; on different paths the more specific one wins). Listings are granted with their
trailing slash, as the server matches them: without it ``+/keys/+`` would hide ``+/keys`` (OpenBao ``vault/acl.go``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

READ_LIST = ("read", "list")
COMMON: Mapping[str, tuple[str, ...]] = {
    "sys/mounts": ("read",),
    "sys/auth": ("read",),
    "auth/token/lookup-self": ("read",),
    "auth/token/revoke-self": ("update",),
    "sys/capabilities-self": ("update",),
}
"""Needed by every mode: the mount tables, and who we are."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One ``path`` block.

    Attributes:
        path: with ``*`` and ``+``.
        capabilities: words, or ``("deny",)``.
    """

    path: str
    capabilities: tuple[str, ...]

    @property
    def action(self) -> str:
        """``read,list secret/metadata/*``."""
        return f"{','.join(self.capabilities)} {self.path}"


def common_grants() -> list[Grant]:
    """What every mode needs."""
    return [Grant(path, words) for path, words in COMMON.items()]


def read_grants(kind: str, mount: str, names: Sequence[str], *, sweep: bool) -> list[Grant]:
    """Least privilege to inventory `names` of one mount, or all of it when `sweep`; ends with the denials.

    Args:
        kind: locator kind.
        mount: without slashes at its ends and without ``auth/``.
        names: item names below the mount.
        sweep: the whole mount is listed.
    """
    grants = _SWEEP[kind](mount) if sweep else [grant for name in names for grant in _ONE[kind](mount, name)]
    return [*grants, *(Grant(path, ("deny",)) for path in _denied(kind, mount))]


def fingerprint_grants(kind: str, mount: str, names: Sequence[str]) -> list[Grant]:
    """What reading the values of `names` needs on top; empty for kinds whose values the server never shows."""
    forms = {"kv": "{m}/data/{n}", "db-static": "{m}/static-creds/{n}", "ldap-static": "{m}/static-cred/{n}"}
    form = forms.get(kind)
    return [] if form is None else [Grant(form.format(m=mount, n=name), ("read",)) for name in names]


def merge(grants: Iterable[Grant]) -> list[Grant]:
    """One block per path; ``deny`` wins; sorted by path."""
    merged: dict[str, set[str]] = {}
    for grant in grants:
        merged.setdefault(grant.path, set()).update(grant.capabilities)
    return [
        Grant(path, ("deny",) if "deny" in words else tuple(sorted(words))) for path, words in sorted(merged.items())
    ]


def render(title: str, grants: Iterable[Grant]) -> str:
    """The policy as HCL, one block per path."""
    lines = [f"# {title}"]
    for grant in grants:
        words = ", ".join(f'"{word}"' for word in grant.capabilities)
        lines.append(f'path "{grant.path}" {{ capabilities = [{words}] }}')
    return "\n".join(lines) + "\n"


def _kv_sweep(m: str) -> list[Grant]:
    return [
        Grant(f"{m}/metadata/*", READ_LIST),
        Grant(f"{m}/detailed-metadata/*", ("list",)),
        Grant(f"{m}/subkeys/*", ("read",)),
    ]


def _kv_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/metadata/{name}", ("read",)), Grant(f"{m}/subkeys/{name}", ("read",))]


def _db_sweep(m: str) -> list[Grant]:
    paths = ("static-roles", "roles", "config")
    lists = [Grant(f"{m}/{path}/", ("list",)) for path in paths]
    return [*lists, *(Grant(f"{m}/{path}/*", ("read",)) for path in paths)]


def _db_static_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/static-roles/{name}", ("read",)), Grant(f"{m}/config/*", ("read",))]


def _db_dynamic_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/roles/{name}", ("read",)), Grant(f"{m}/config/*", ("read",))]


def _approle_sweep(m: str) -> list[Grant]:
    return [Grant(f"auth/{m}/role/", ("list",)), *_approle_one(m, "+")]


def _approle_one(m: str, name: str) -> list[Grant]:
    return [
        Grant(f"auth/{m}/role/{name}", ("read",)),
        Grant(f"auth/{m}/role/{name}/role-id", ("read",)),
        Grant(f"auth/{m}/role/{name}/secret-id/", ("list",)),
        Grant(f"auth/{m}/role/{name}/secret-id-accessor/lookup", ("update",)),
    ]


def _pki_sweep(m: str) -> list[Grant]:
    return [
        Grant(f"{m}/issuers/", ("list",)),
        Grant(f"{m}/issuer/+", ("read",)),
        Grant(f"{m}/config/issuers", ("read",)),
        Grant(f"{m}/certs/", ("list",)),
        Grant(f"{m}/certs/detailed/", ("list",)),
        Grant(f"{m}/certs/revoked/", ("list",)),
        Grant(f"{m}/cert/+", ("read",)),
    ]


def _pki_one(m: str, _: str) -> list[Grant]:
    return _pki_sweep(m)


def _transit_sweep(m: str) -> list[Grant]:
    return [Grant(f"{m}/keys/", ("list",)), Grant(f"{m}/keys/+", ("read",))]


def _transit_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/keys/{name}", ("read",))]


def _ldap_sweep(m: str) -> list[Grant]:
    return [
        Grant(f"{m}/static-role/", ("list",)),
        Grant(f"{m}/static-role/*", READ_LIST),
        Grant(f"{m}/config", ("read",)),
    ]


def _ldap_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/static-role/{name}", ("read",)), Grant(f"{m}/config", ("read",))]


def _token_sweep(_: str) -> list[Grant]:
    return [Grant("auth/token/accessors/", ("list", "sudo")), *_token_one("", "")]


def _token_one(_: str, __: str) -> list[Grant]:
    return [Grant("auth/token/lookup-accessor", ("update",))]


_SWEEP = {
    "kv": _kv_sweep,
    "db-static": _db_sweep,
    "db-dynamic": _db_sweep,
    "approle": _approle_sweep,
    "pki": _pki_sweep,
    "transit": _transit_sweep,
    "ldap-static": _ldap_sweep,
    "token": _token_sweep,
}
_ONE = {
    "kv": _kv_one,
    "db-static": _db_static_one,
    "db-dynamic": _db_dynamic_one,
    "approle": _approle_one,
    "pki": _pki_one,
    "transit": _transit_one,
    "ldap-static": _ldap_one,
    "token": _token_one,
}


def _denied(kind: str, mount: str) -> tuple[str, ...]:
    forms: Mapping[str, tuple[str, ...]] = {
        "kv": ("{m}/data/*",),
        "db-static": ("{m}/creds/*", "{m}/static-creds/*"),
        "db-dynamic": ("{m}/creds/*", "{m}/static-creds/*"),
        "ldap-static": ("{m}/static-cred/*", "{m}/creds/*"),
        "transit": ("{m}/export/*", "{m}/backup/*"),
        "approle": ("auth/{m}/role/+/custom-secret-id", "auth/{m}/role/+/secret-id/lookup"),
        "pki": ("{m}/issue/*", "{m}/sign/*"),
    }
    return tuple(form.format(m=mount) for form in forms.get(kind, ()))
