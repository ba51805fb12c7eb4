"""Probes from documents to values: which keys a kind takes, how deep it can prove, one for both sides or one each."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from nhisync.config.probe_documents import ProbeDocument, ProbesDocument
from nhisync.config.probe_templates import unfolded
from nhisync.config.problems import Loc, Report, dotted
from nhisync.config.scripts import script_problems, script_text
from nhisync.config.tree import Node
from nhisync.config.validation import validate
from nhisync.config.values import Probe

SIDES: Final = ("primary", "backup")
"""Role words under which a pair may name one probe each."""

_REST: Final = frozenset({"aws-sts", "vault-token", "vault-approle", "entra-token", "gcp-token", "kubernetes-token"})
"""Types that speak HTTP and know what to ask."""

_LOGINS: Final = frozenset({"postgres", "redis", "amqp"})
"""Types that log in with a password and can go on to a transaction."""

_TARGET: Final = {
    **dict.fromkeys({"tls", "tcp", *_LOGINS}, "address"),
    **dict.fromkeys({"http", *_REST}, "url"),
}
_LADDER: Final = ("tcp", "tls", "auth", "txn")
_OPTIONAL: Final = {
    "header": {"http"},
    "user": {"http", *_LOGINS, "aws-sts", "vault-approle", "entra-token"},
    "user_field": {"http", *_LOGINS, "aws-sts", "vault-approle", "entra-token"},
    "secret_field": {"http", "tls", *_LOGINS, *_REST},
    "certificate_field": {"http", "tls"},
    "key_field": {"http", "tls"},
    "database": {"postgres"},
    "server_name": {"http", "tls", "amqp", *_REST},
    "ca_file": {"http", "tls", *_LOGINS, *_REST},
    "proxy": {"http", *_REST},
    "seen_as": {"http"},
    "session_field": {"aws-sts"},
    "region": {"aws-sts"},
    "namespace": {"vault-token", "vault-approle"},
    "mount": {"vault-approle"},
    "reusable": {"vault-approle"},
    "scope": {"entra-token", "gcp-token"},
    "vhost": {"amqp"},
    "script": {"http"},
}
"""Key → types that take it."""

_AUTHS: Final = {
    "http": {"none", "bearer", "basic", "header", "client-certificate"},
    "tls": {"none", "client-certificate"},
}
_NEEDED: Final = {"aws-sts": "region", "entra-token": "scope"}
"""Type → key that it cannot do without."""

_NAMED: Final = frozenset({"postgres", "amqp", "aws-sts", "vault-approle", "entra-token"})
"""Types whose credential has a name beside the secret."""

_REFUSALS: Final = frozenset({401, 403})


def build_probes(node: Node, loc: Loc, report: Report, template_of: str = "") -> Mapping[str, Probe]:
    """Role word → probe of the pair whose ``probe`` stands at `loc`; problems go into `report`.

    Args:
        node: the probe, or one for each side.
        loc: keys that lead to it.
        report: takes the problems.
        template_of: name of the app where it stands in a ``match`` template, "" = in a pair.
    """
    if not isinstance(node.value, dict) or "type" in node.children or not set(SIDES) & set(node.children):
        probe = _built(node, loc, report, template_of)
        return dict.fromkeys(SIDES, probe) if probe else {}
    if validate(ProbesDocument, node, loc, report) is None:
        return {}
    found = ((side, node.get(side)) for side in SIDES)
    built = ((side, _built(child, (*loc, side), report, template_of)) for side, child in found if child is not None)
    return {side: probe for side, probe in built if probe is not None}


def _built(node: Node, loc: Loc, report: Report, template_of: str) -> Probe | None:
    value = unfolded(node, template_of, loc, report) if template_of else None
    document = validate(ProbeDocument, node, loc, report, value)
    if document is None:
        return None
    for key, text in _problems(document):
        keys = key.split(".") if key else []
        child = node.get(*keys) if keys else None
        place: Loc = (*loc, *keys) if child is not None else loc
        report.add((child or node).mark, dotted(place), f"{dotted(place)}: {text}")
    return probe_of(document)


def probe_of(document: ProbeDocument) -> Probe:
    """The probe that a document describes."""
    return Probe(
        type=document.type,
        target=document.url or document.address or "",
        auth=_auth(document),
        header=document.header or "",
        user=document.user or "",
        user_field=document.user_field or "",
        secret_field=document.secret_field or "",
        certificate_field=document.certificate_field or "",
        key_field=document.key_field or "",
        session_field=document.session_field or "",
        issue=document.issue,
        database=document.database or "",
        region=document.region or "",
        namespace=document.namespace or "",
        mount=document.mount or "",
        scope=document.scope or "",
        vhost=document.vhost or "",
        script=script_text(document.script) if document.script else "",
        tls=document.tls,
        server_name=document.server_name or "",
        ca_file=document.ca_file or "",
        proxy=document.proxy or "",
        seen_as=document.seen_as or "",
        expect=frozenset(document.expect),
        depth=document.depth or _deepest(document),
        run_from=document.run_from,
        timeout=document.timeout,
    )


def _auth(document: ProbeDocument) -> str:
    """Most types know how they present a credential; `auth` is for those that do not."""
    if document.type == "gcp-token" and document.issue:
        return "bearer"  # an account mints tokens, never a key that could sign
    return "login" if document.type in _LOGINS | _REST else document.auth


def _problems(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of everything that does not fit together."""
    kind = document.type
    wanted = _TARGET.get(kind, "")
    have = {key for key in ("url", "address") if getattr(document, key) is not None}
    if wanted and wanted not in have:
        yield "", f"a check of type {kind} needs `{wanted}`"
    for key in sorted(have - {wanted}):
        yield key, f"a check of type {kind} takes no `{key}`"
    for key, kinds in _OPTIONAL.items():
        if getattr(document, key) is not None and kind not in kinds:
            yield key, f"a check of type {kind} takes no `{key}`"
    needed = _NEEDED.get(kind)
    if needed and getattr(document, needed) is None:
        yield "", f"a check of type {kind} needs `{needed}`"
    yield from _open_ways(document)
    yield from _harm_problems(document)
    yield from _auth_problems(document)
    yield from _depth_problems(document)
    yield from script_problems(document)


def _harm_problems(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    """What would use something up, or be made for nothing."""
    kind = document.type
    if kind == "vault-approle" and not document.reusable:
        yield "", "a login may use the secret ID up; state `reusable: true` where secret_id_num_uses is 0"
    if document.issue and _auth(document) == "none":
        yield "issue", "this probe presents no credential, so that none can be issued for it"
    if kind == "provider" and document.run_from != "local":
        yield "run_from", "a source's provider makes its probes here"


def _auth_problems(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    kind, auth = document.type, document.auth
    if auth not in _AUTHS.get(kind, {"none"}):
        yield "auth", f"a check of type {kind} takes no `auth: {auth}`"
    if (auth == "header") != (document.header is not None):
        yield "", "`header` and `auth: header` belong together"
    if document.user is not None and document.user_field is not None:
        yield "user_field", "`user` names the login already"
    if _needs_user(document) and document.user is None and document.user_field is None:
        yield "", "a login needs `user` or `user_field`"
    if auth != "none" and _REFUSALS & set(document.expect):
        yield "expect", "401 and 403 are refusals; they cannot mean accepted"


def _open_ways(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    """Credentials that would travel where others can read them; PostgreSQL has a login that hides its password."""
    kind, url = document.type, document.url or ""
    if not document.tls and kind not in _LOGINS:
        yield "tls", f"a check of type {kind} takes no `tls`"
    elif not document.tls and kind != "postgres" and not loopback(f"tcp://{document.address}"):
        yield "tls", "this type sends the password itself: `tls: false` is for this host's loopback only"
    if _auth(document) == "none" or not url.startswith("http://"):
        return
    if not loopback(url):
        yield "url", "a credential is sent over https:// only (http:// to this host's loopback excepted)"
    if document.proxy is not None:
        yield "proxy", "a credential goes through a proxy over https:// only"


def _needs_user(document: ProbeDocument) -> bool:
    return document.type in _NAMED or document.auth == "basic"


def _depth_problems(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    if document.depth is None or document.type == "provider":
        return
    deepest = _deepest(document)
    if deepest == "auth" and document.type in {"http", *_LOGINS}:
        deepest = "txn"
    if _LADDER.index(document.depth) > _LADDER.index(deepest):
        yield "depth", f"this probe proves `{deepest}` at most"


def _deepest(document: ProbeDocument) -> str:
    """How deep a probe can prove by its type and what it presents; a transaction is never assumed."""
    if document.type in {"tls", "provider"} or _auth(document) != "none":
        return "auth"
    if (document.url or "").startswith("https://"):
        return "tls"
    return "tcp"


def loopback(url: str) -> bool:
    """Whether nobody but this host sees what is sent there; a name that only looks like an address is none."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
