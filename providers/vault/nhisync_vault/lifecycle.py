"""What probing and rotating one item need, in the words of an ACL policy.

A probe reads the stored value of the item it presents, mints a login that ends with nhisync's own token, or has a
certificate signed that it revokes; logins themselves (``auth/<mount>/login``) need no grant. A rotation drives the
engine's own lifecycle, reads metadata to see where it stands, and retires exactly what it replaced; it reads no
value, and never destroys data, metadata or keys (never: ``rotate-root``, ``custom-secret-id``, ``metadata`` delete,
``destroy``, ``sys/leases/revoke-prefix``).
"""

from collections.abc import Callable, Mapping

from nhisync_vault.grants import LIFE, Grant, fingerprint_grants


def probe_grants(kind: str, mount: str, name: str) -> list[Grant]:
    """What presenting the credential of one item needs; empty where the server shows and mints none."""
    if kind == "db-dynamic":
        return [Grant(f"{mount}/creds/{name}", ("read",))]
    if kind == "pki":
        return _signed(mount, name)
    return fingerprint_grants(kind, mount, (name,))


def _signed(m: str, n: str) -> list[Grant]:
    """A certificate of two minutes for a key made here, and its revocation, by what was signed: we have nothing else.

    The policy holds the name that is asked for; a role that takes it from the request's CSR must hold it itself.
    """
    what, _, rest = n.partition("/")
    role, _, common_name = rest.partition("/")
    if what != "role" or not common_name:
        return []
    asked = (("common_name", (common_name,)), ("csr", ()), ("format", ("pem",)), ("ttl", (LIFE,)))
    return [
        Grant(f"{m}/roles/{role}", ("read",)),
        Grant(f"{m}/sign/{role}", ("update",), parameters=asked),
        Grant(f"{m}/revoke", ("update",), parameters=(("certificate", ()),)),
    ]


def rotate_grants(kind: str, mount: str, name: str) -> list[Grant]:
    """What replacing the current generation of one item needs; empty for what has no lifecycle here."""
    make = _ROTATE.get(kind)
    return make(mount, name) if make is not None else []


def _kv(m: str, n: str) -> list[Grant]:
    """A write with check-and-set on the version that the metadata shows."""
    return [Grant(f"{m}/metadata/{n}", ("read",)), Grant(f"{m}/data/{n}", ("create", "update"))]


def _db_static(m: str, n: str) -> list[Grant]:
    return [Grant(f"{m}/static-roles/{n}", ("read",)), Grant(f"{m}/rotate-role/{n}", ("update",))]


def _ldap_static(m: str, n: str) -> list[Grant]:
    return [Grant(f"{m}/static-role/{n}", ("read",)), Grant(f"{m}/rotate-role/{n}", ("update",))]


def _approle(m: str, n: str) -> list[Grant]:
    """Mint a secret ID, tell ours by its metadata, destroy the old one by accessor."""
    base = f"auth/{m}/role/{n}"
    return [
        Grant(base, ("read",)),
        Grant(f"{base}/secret-id", ("update",)),
        Grant(f"{base}/secret-id/", ("list",)),
        Grant(f"{base}/secret-id-accessor/lookup", ("update",)),
        Grant(f"{base}/secret-id-accessor/destroy", ("update",)),
    ]


def _pki(m: str, n: str) -> list[Grant]:
    """A certificate for exactly this name from whatever role allows it, and the revocation of one by serial.

    A locator names no role, so the role stays open and the name is held instead; ``sign`` cannot be held to a name,
    because roles take it from the request's CSR.
    """
    what, _, common_name = n.partition("/")
    if what != "cn":
        return []
    return [
        Grant(f"{m}/certs/", ("list",)),
        Grant(f"{m}/issue/+", ("update",), parameters=(("common_name", (common_name,)), ("format", ()), ("ttl", ()))),
        Grant(f"{m}/revoke", ("update",), parameters=(("serial_number", ()),)),
    ]


def _transit(m: str, n: str) -> list[Grant]:
    return [Grant(f"{m}/keys/{n}", ("read",)), Grant(f"{m}/keys/{n}/rotate", ("update",))]


_ROTATE: Mapping[str, Callable[[str, str], list[Grant]]] = {
    "approle": _approle,
    "db-static": _db_static,
    "kv": _kv,
    "ldap-static": _ldap_static,
    "pki": _pki,
    "transit": _transit,
}
"""Logins of ``db-dynamic`` are minted anew for each use; the role that would issue a ``token`` is in no locator."""
