"""Policies of one identity as rights: what the ACL would decide, compiled once (pure).

Source: OpenBao ``internal/vault/policy/policy.go`` and ``acl.go``. Policies on the same path string are merged and
``deny`` wins. Then one path string decides a request: an exact one, else of all that match the one whose first wildcard
stands furthest right, not a prefix before a prefix, with fewer ``+``, the longer one. So every right says which paths
are decided elsewhere, and a denied path is simply one that nothing allows. Listings are asked with a trailing slash; a
path without one decides them when no other does.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nhisync.spi import Effect, Right
from nhisync_vault.facts import instant, mapping, texts
from nhisync_vault.hcl import HclError, parse_blocks

ROOT = "root"
DEFAULT = "default"

_LISTING = frozenset({"list", "scan"})
_CHECKED = frozenset({"read", "create", "update", "patch"})
_LEGACY: Mapping[str, tuple[str, ...]] = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
_WRAPPING = ("min_wrapping_ttl", "max_wrapping_ttl")
_PARAMETERS = ("allowed_parameters", "denied_parameters")
_BODY = frozenset({*_PARAMETERS, "required_parameters"})
"""Settings about the body of a request: only reads and writes have one that is looked at."""

_PAGES = frozenset({"pagination_limit", "list_scan_response_keys_filter_path"})
"""Settings about listings."""

_PLAIN = frozenset({"comment", "policy", "capabilities", "expiration"})
_OPAQUE = frozenset({"mfa_methods", "control_group", "subscribe_event_types", "list_scan_response_keys_filter_path"})
_KNOWN = _PLAIN | _OPAQUE | {*_WRAPPING, *_PARAMETERS, "required_parameters", "pagination_limit"}


@dataclass(slots=True)
class _Path:
    """What all policies say of one path string.

    Attributes:
        path: as written, with ``*`` and ``+``.
        capabilities: words; ``deny`` alone when denied.
        facts: setting → its merged value.
    """

    path: str
    capabilities: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def wild(self) -> bool:
        """Whether it is a pattern."""
        return self.path.endswith("*") or "+" in self.path.removesuffix("*").split("/")

    @property
    def rank(self) -> tuple[int, bool, int, int, str]:
        """The larger one decides, of patterns that match the same request."""
        body = self.path.removesuffix("*")
        segments = body.split("/")
        first = min((i for i, one in enumerate(segments) if one == "+"), default=None)
        at = len(body) if first is None else sum(len(one) + 1 for one in segments[:first])
        return at, not self.path.endswith("*"), -segments.count("+"), len(body), body


def rights_of(policies: Iterable[tuple[str, str]], now: datetime) -> tuple[tuple[Right, ...], tuple[str, ...]]:
    """The rights that these policies give together, and what of them has no meaning here.

    Args:
        policies: name and text, in HCL or JSON.
        now: paths whose time is over are passed over.
    """
    paths: dict[str, _Path] = {}
    gaps: set[str] = set()
    for name, text in policies:
        try:
            blocks = parse_blocks(text)
        except HclError as error:
            gaps.add(f"policy {name}: {error}")
            continue
        for kind, label, body in blocks:
            unread = [kind] if kind != "path" else sorted(set(body) - _KNOWN)
            gaps.update(f"policy {name}: {word} has no meaning here" for word in unread)
            if kind == "path":
                _merge(paths.setdefault(label.lstrip("/"), _Path(label.lstrip("/"))), body, now)
    found = [right for path in paths.values() for right in _rights(path, tuple(paths.values()))]
    return tuple(sorted(set(found))), tuple(sorted(gaps))


def everything() -> tuple[Right, ...]:
    """The rights of the policy ``root``."""
    return (Right(Effect.ALLOW, ("*",), ("*",)),)


def _merge(path: _Path, body: Mapping[str, Any], now: datetime) -> None:
    ends = instant(body.get("expiration"))
    if (ends is not None and ends < now) or path.capabilities == {"deny"}:
        return
    words = {*texts(body.get("capabilities")), *_LEGACY.get(str(body.get("policy", "")), ())}
    if "deny" in words:
        path.capabilities, path.facts = {"deny"}, {}
        return
    path.capabilities |= words
    for name in _PARAMETERS:
        _merge_parameters(path.facts, name, mapping(body.get(name)))
    required = {*path.facts.get("required_parameters", ()), *map(str.lower, texts(body.get("required_parameters")))}
    limits = {name: body[name] for name in (*_WRAPPING, "pagination_limit") if body.get(name)}
    for name, value in limits.items():
        path.facts[name] = min((path.facts.get(name, value), value), key=_seconds)
    path.facts |= {name: body[name] for name in sorted(_OPAQUE & set(body))}
    path.facts |= {"required_parameters": sorted(required)} if required else {}
    path.facts |= {"expiration": str(body["expiration"])} if ends is not None else {}


def _merge_parameters(facts: dict[str, Any], name: str, new: Mapping[str, Any]) -> None:
    """Values add up; a parameter with any value stays so."""
    merged: dict[str, list[Any]] = facts.get(name, {})
    for parameter, values in new.items():
        key, own = parameter.lower(), values if isinstance(values, list) else [values]
        wild = not own or merged.get(key) == []
        more = [*own, *(one for one in merged.get(key, ()) if one not in own)]
        merged[key] = [] if wild else sorted(more, key=str)
    if merged:
        facts[name] = merged


def _seconds(raw: Any) -> float:
    """A duration as policies write it, for comparison only."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    text = str(raw)
    unit = units.get(text[-1:], 1)
    body = text.rstrip("smhd")
    return float(body) * unit if body.replace(".", "", 1).isdigit() else float("inf")


def _rights(path: _Path, every: Sequence[_Path]) -> Iterator[Right]:
    words = path.capabilities - {"deny"}
    for group, blind in (
        (words & _LISTING, _BODY),
        (words & _CHECKED, _PAGES),
        (words - _LISTING - _CHECKED, _BODY | _PAGES),
    ):
        listing = bool(group & _LISTING)
        for resource, turn in _forms(path, listing=listing) if group else ():
            elsewhere = {
                form for one in every if one is not path for form in _later(one, resource, turn, listing=listing)
            }
            yield Right(
                Effect.ALLOW,
                tuple(sorted(group)),
                (resource,),
                but_resources=tuple(sorted(elsewhere)),
                conditions=_conditions(path, blind),
            )


def _conditions(path: _Path, blind: frozenset[str]) -> tuple[str, ...]:
    """What else a request must meet, without the settings that its operation is `blind` to."""
    told = {name: value for name, value in path.facts.items() if name not in blind}
    return tuple(sorted(f"{name}={_plain(value)}" for name, value in told.items()))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _forms(path: _Path, *, listing: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The requests that a path string is about, and when it is asked; the larger turn decides.

    Exact ones come first. A listing ends in a slash: it is asked as it is, and then without its slash. An empty last
    segment is a segment, too, so that ``a/+`` is about the listing of ``a/``.
    """
    bare = listing and not path.path.endswith(("/", "*"))
    resource = f"{path.path}/" if bare else path.path
    if not path.wild:
        yield resource, (2 if bare else 3,)
        return
    yield resource, (0 if bare else 1, path.rank)
    if bare and path.path.endswith("/+"):
        yield path.path.removesuffix("+"), (1, path.rank)


def _later(other: _Path, resource: str, turn: tuple[Any, ...], listing: bool) -> Iterator[str]:
    """What `other` decides of the requests that `resource` is about, although it is asked at `turn`."""
    for form, its in _forms(other, listing=listing):
        if its > turn and _overlap(form, resource):
            yield form


def _overlap(one: str, other: str) -> bool:
    """Whether two path strings may match the same request."""
    first, second = one.removesuffix("*").split("/"), other.removesuffix("*").split("/")
    open_first, open_second = one.endswith("*"), other.endswith("*")
    if (len(first) > len(second) and not open_second) or (len(second) > len(first) and not open_first):
        return False
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        starts = (open_first and index == len(first) - 1, open_second and index == len(second) - 1)
        if not _fits(a, b, starts):
            return False
    return True


def _fits(one: str, other: str, starts: tuple[bool, bool]) -> bool:
    if "+" in (one, other) or one == other:
        return True
    return (starts[0] and other.startswith(one)) or (starts[1] and one.startswith(other))
