"""What each kind needs to be read, per mount, in the words of an ACL policy; and what is denied on purpose.

Paths and capabilities follow the API paths of the engines (OpenBao ``internal/builtin``); the denials make the read
mode provable: with this policy no value can be read, whatever other policy the same path string appears in
(``deny`` wins on the same path; on different paths the more specific one wins). Listings are granted with their
trailing slash, as the server matches them: without it ``+/keys/+`` would hide ``+/keys`` (OpenBao ``vault/acl.go``).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

READ_LIST = ("read", "list")
AUTH_KINDS = frozenset({"approle"})
"""Kinds that stand in the table of auth mounts."""

STORE_KINDS = frozenset({"token"})
"""Kinds that stand in no mount of either table."""

OPENBAO, VAULT = "openbao", "vault"

LIFE = "120s"
"""How long a certificate lives that a probe has signed and cannot revoke: the engine knows no least life, and clocks
differ."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One ``path`` block.

    Attributes:
        path: with ``*`` and ``+``.
        capabilities: words, or ``("deny",)``.
        parameters: name → the only values that may be sent, () = any; none at all = the body is not looked at.
        only: the one flavour (`OPENBAO`, `VAULT`) that has or needs the path, "" = both.
    """

    path: str
    capabilities: tuple[str, ...]
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    only: str = ""

    @property
    def action(self) -> str:
        """``read,list secret/metadata/*``."""
        return f"{','.join(self.capabilities)} {self.path}"

    @property
    def denies(self) -> bool:
        """Whether it closes its path."""
        return self.capabilities == ("deny",)

    @property
    def block(self) -> str:
        """The block in HCL, as a policy holds it."""
        path, words = _quoted(self.path), ", ".join(map(_quoted, self.capabilities))
        if not self.parameters:
            return f"path {path} {{ capabilities = [{words}] }}"
        allowed = "".join(
            f"    {_quoted(name)} = [{', '.join(map(_quoted, values))}]\n" for name, values in self.parameters
        )
        return f"path {path} {{\n  capabilities = [{words}]\n  allowed_parameters = {{\n{allowed}  }}\n}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def common_grants(kinds: Collection[str], *, revocable: bool = True) -> list[Grant]:
    """What every mode needs: who we are, the mount tables of `kinds`, and the end of a login's token.

    Args:
        kinds: kinds that are read or written.
        revocable: the token comes from a login of ours, so it is revoked when the source is closed.
    """
    placed = set(kinds) - STORE_KINDS
    return [
        Grant("auth/token/lookup-self", ("read",)),
        Grant("sys/capabilities-self", ("update",)),
        *([Grant("auth/token/revoke-self", ("update",))] if revocable else []),
        *([Grant("sys/mounts", ("read",))] if placed - AUTH_KINDS else []),
        *([Grant("sys/auth", ("read",))] if placed & AUTH_KINDS else []),
    ]


def read_grants(kind: str, mount: str, names: Sequence[str], *, sweep: bool) -> list[Grant]:
    """Least privilege to inventory `names` of one mount, or all of it when `sweep`; ends with the denials.

    Args:
        kind: locator kind.
        mount: without slashes at its ends and without ``auth/``.
        names: item names below the mount.
        sweep: the whole mount is listed.
    """
    grants = _SWEEP[kind](mount) if sweep else [grant for name in names for grant in _ONE[kind](mount, name)]
    return [*grants, *denials(kind, mount)]


def denials(kind: str, mount: str) -> list[Grant]:
    """What is closed on purpose on one mount."""
    return [Grant(path, ("deny",)) for path in _denied(kind, mount)]


def fingerprint_grants(kind: str, mount: str, names: Sequence[str]) -> list[Grant]:
    """What reading the values of `names` needs on top; empty for kinds whose values the server never shows."""
    forms = {"kv": "{m}/data/{n}", "db-static": "{m}/static-creds/{n}", "ldap-static": "{m}/static-cred/{n}"}
    form = forms.get(kind)
    return [] if form is None else [Grant(form.format(m=mount, n=name), ("read",)) for name in names]


def merge(grants: Iterable[Grant]) -> list[Grant]:
    """One block per path; ``deny`` wins; sorted by path."""
    merged: dict[str, Grant] = {}
    for grant in grants:
        old = merged.get(grant.path)
        merged[grant.path] = grant if old is None else _both(old, grant)
    return [replace(one, capabilities=tuple(sorted(one.capabilities))) for _, one in sorted(merged.items())]


def _both(old: Grant, new: Grant) -> Grant:
    if old.denies or new.denies:
        return Grant(old.path, ("deny",))
    names = {name for name, _ in (*old.parameters, *new.parameters)} if old.parameters and new.parameters else set()
    allowed = [(name, dict(old.parameters).get(name, ()), dict(new.parameters).get(name, ())) for name in sorted(names)]
    return Grant(
        old.path,
        tuple({*old.capabilities, *new.capabilities}),
        tuple((name, tuple(sorted({*one, *other}))) for name, one, other in allowed),
        old.only if old.only == new.only else "",
    )


def render(title: str, grants: Iterable[Grant]) -> str:
    """The policy as HCL, one block per path."""
    return "\n".join([f"# {title}", *(grant.block for grant in grants)]) + "\n"


def _kv_sweep(m: str) -> list[Grant]:
    return [
        Grant(f"{m}/metadata/*", READ_LIST),
        Grant(f"{m}/detailed-metadata/*", ("list",), only=OPENBAO),
        Grant(f"{m}/subkeys/*", ("read",)),
    ]


def _kv_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/metadata/{name}", ("read",)), Grant(f"{m}/subkeys/{name}", ("read",))]


def _db_static_sweep(m: str) -> list[Grant]:
    return [Grant(f"{m}/static-roles/", ("list",)), *_db_static_one(m, "*")]


def _db_dynamic_sweep(m: str) -> list[Grant]:
    return [Grant(f"{m}/roles/", ("list",)), *_db_dynamic_one(m, "*")]


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
    """Issuers and certificates themselves need no grant: the server shows them to anybody."""
    return [*_pki_one(m, "issuer/"), *_pki_one(m, "cn/")]


def _pki_one(m: str, name: str) -> list[Grant]:
    if name.startswith("issuer/"):
        return [Grant(f"{m}/issuer/+", ("read",))]
    if name.startswith("role/"):
        return [Grant(f"{m}/roles/{name.split('/')[1]}", ("read",))]
    revoked = Grant(f"{m}/certs/revoked/", ("list",))
    if not name.startswith("cn/"):
        return [revoked]
    return [
        revoked,
        Grant(f"{m}/certs/", ("list",), only=VAULT),
        Grant(f"{m}/certs/detailed/", ("list",), only=OPENBAO),
    ]


def _transit_sweep(m: str) -> list[Grant]:
    return [Grant(f"{m}/keys/", ("list",)), Grant(f"{m}/keys/+", ("read",))]


def _transit_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/keys/{name}", ("read",))]


def _ldap_sweep(m: str) -> list[Grant]:
    return [
        Grant(f"{m}/static-role/*", READ_LIST),
        Grant(f"{m}/config", ("read",)),
    ]


def _ldap_one(m: str, name: str) -> list[Grant]:
    return [Grant(f"{m}/static-role/{name}", ("read",)), Grant(f"{m}/config", ("read",))]


def _token_sweep(_: str) -> list[Grant]:
    return [Grant("auth/token/accessors/", ("list", "sudo")), *_token_one("", "")]


def _token_one(_: str, name: str) -> list[Grant]:
    return [] if name == "self" else [Grant("auth/token/lookup-accessor", ("update",))]


_SWEEP = {
    "kv": _kv_sweep,
    "db-static": _db_static_sweep,
    "db-dynamic": _db_dynamic_sweep,
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
