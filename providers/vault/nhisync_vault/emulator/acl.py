"""The ACL: parsed policies and the path matcher that decides every request.

Source: OpenBao ``internal/vault/policy/acl.go``. An exact path wins over everything; then, of all matching globs and
``+`` patterns, the one whose first wildcard stands furthest right, not a prefix before a prefix, fewer ``+``, longer;
several policies on the same path string are merged and ``deny`` wins; no match is a denial.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nhisync_vault.emulator.wire import Operation, Request
from nhisync_vault.hcl import HclError, parse_blocks

CAPABILITIES = ("create", "delete", "deny", "list", "patch", "read", "scan", "sudo", "update")
_KEYS = frozenset(
    {
        "comment",
        "policy",
        "capabilities",
        "allowed_parameters",
        "denied_parameters",
        "required_parameters",
        "min_wrapping_ttl",
        "max_wrapping_ttl",
        "mfa_methods",
        "pagination_limit",
        "expiration",
        "list_scan_response_keys_filter_path",
        "control_group",
    }
)
_LEGACY = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
_LISTS = (Operation.LIST, Operation.SCAN)
_CHECKED = (Operation.READ, Operation.UPDATE, Operation.CREATE, Operation.PATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one path string of one or more policies permits.

    Attributes:
        path: as written, with ``*`` and ``+``.
        capabilities: granted words; contains ``deny`` alone when denied.
        allowed: parameter → allowed values (empty = any).
        denied: parameter → denied values (empty = all).
        required: parameters that must be sent.
        pagination_limit: largest page of a list, 0 = none.
        expiration: after this instant the path is skipped, or None.
    """

    path: str
    capabilities: frozenset[str]
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    denied: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    pagination_limit: int = 0
    expiration: datetime | None = None

    @property
    def denies(self) -> bool:
        """Whether the path is denied explicitly."""
        return "deny" in self.capabilities


def parse_policy(text: str) -> tuple[Rule, ...]:
    """The rules of one policy, in order.

    Raises:
        HclError: the text is not a policy; the message says why without repeating it.
    """
    rules = []
    for kind, label, body in parse_blocks(text):
        if kind != "path":
            raise HclError(f"invalid key {kind!r} at the top level")
        unknown = sorted(set(body) - _KEYS)
        if unknown:
            raise HclError(f"path {label!r}: invalid key {unknown[0]!r}")
        rules.append(_rule(label, body))
    return tuple(rules)


def _rule(label: str, body: Mapping[str, Any]) -> Rule:
    words = frozenset(str(word) for word in body.get("capabilities", ())) | frozenset(
        _LEGACY.get(str(body.get("policy", "")), ())
    )
    wrong = sorted(words - set(CAPABILITIES))
    if wrong:
        raise HclError(f"path {label!r}: invalid capability {wrong[0]!r}")
    if "+*" in label:
        raise HclError(f"path {label!r}: invalid use of wildcards ('+*' is forbidden)")
    expiration = body.get("expiration")
    return Rule(
        path=label.lstrip("/"),
        capabilities=frozenset({"deny"}) if "deny" in words else words,
        allowed=_parameters(body.get("allowed_parameters", {})),
        denied=_parameters(body.get("denied_parameters", {})),
        required=tuple(str(name).lower() for name in body.get("required_parameters", ())),
        pagination_limit=int(body.get("pagination_limit", 0)),
        expiration=datetime.fromisoformat(expiration) if expiration else None,
    )


def _parameters(raw: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {str(name).lower(): tuple(values) for name, values in raw.items()}


def _merge(old: Rule, new: Rule) -> Rule:
    if old.denies:
        return old
    if new.denies:
        return replace(old, capabilities=frozenset({"deny"}), allowed={}, denied={})
    limits = [limit for limit in (old.pagination_limit, new.pagination_limit) if limit > 0]
    return replace(
        old,
        capabilities=old.capabilities | new.capabilities,
        allowed=_merge_parameters(old.allowed, new.allowed),
        denied=_merge_parameters(old.denied, new.denied),
        required=tuple(dict.fromkeys((*old.required, *new.required))),
        pagination_limit=min(limits, default=0),
    )


def _merge_parameters(
    old: Mapping[str, tuple[Any, ...]], new: Mapping[str, tuple[Any, ...]]
) -> dict[str, tuple[Any, ...]]:
    merged = dict(old)
    for name, values in new.items():
        wild = not values or (name in merged and not merged[name])
        merged[name] = () if wild else (*values, *merged.get(name, ()))
    return merged


class Acl:
    """The merged policies of one token."""

    def __init__(self, rules: Iterable[Rule], *, root: bool, now: datetime) -> None:
        self.root = root
        self._exact: dict[str, Rule] = {}
        self._prefix: dict[str, Rule] = {}
        self._segment: dict[str, Rule] = {}
        for rule in rules:
            if rule.expiration is None or now <= rule.expiration:
                self._add(rule)

    def _add(self, rule: Rule) -> None:
        if "+" in rule.path.split("/") or "+" in rule.path.rstrip("*").split("/"):
            table, key = self._segment, rule.path
        elif rule.path.endswith("*"):
            table, key = self._prefix, rule.path[:-1]
        else:
            table, key = self._exact, rule.path
        table[key] = _merge(table[key], rule) if key in table else rule

    def find(self, path: str, *, listing: bool) -> Rule | None:
        """The one rule that decides `path`, or None."""
        bare = path.removesuffix("/")
        if path in self._exact:
            return self._exact[path]
        if listing and bare in self._exact:
            return self._exact[bare]
        found = self._best(path)
        if found is None and listing and bare != path:
            found = self._best(bare)
        return found

    def _best(self, path: str) -> Rule | None:
        candidates: list[tuple[tuple[Any, ...], Rule]] = []
        prefixes = [prefix for prefix in self._prefix if path.startswith(prefix)]
        if prefixes:
            longest = max(prefixes, key=len)
            candidates.append(((len(longest), False, 0, len(longest), longest), self._prefix[longest]))
        for pattern, rule in self._segment.items():
            rank = _segment_rank(pattern, path)
            if rank is not None:
                candidates.append((rank, rule))
        return max(candidates, key=lambda pair: pair[0])[1] if candidates else None

    def capabilities(self, path: str) -> list[str]:
        """The answer of ``sys/capabilities*`` for one path, sorted."""
        if self.root:
            return ["root"]
        rule = self.find(path, listing=True)
        words = sorted(rule.capabilities) if rule is not None else []
        return words if words and "deny" not in words else ["deny"]

    def sudo(self, path: str) -> bool:
        """Whether a root-protected path may be used."""
        rule = self.find(path, listing=path.endswith("/"))
        return self.root or (rule is not None and "sudo" in rule.capabilities)

    def allows(self, request: Request) -> bool:
        """Whether `request` may run; may cut a list's ``limit`` down to the rule's page size."""
        if self.root:
            return True
        rule = self.find(request.path, listing=request.operation in _LISTS)
        if rule is None or _capability(request.operation) not in rule.capabilities:
            return False
        if request.operation in _LISTS:
            return _page_allowed(rule, request)
        return request.operation not in _CHECKED or _parameters_allowed(rule, request.data)

    def touches(self, mount: str) -> bool:
        """Whether anything below `mount` is permitted: what makes a mount visible to this token."""
        if self.root or "deny" not in self.capabilities(mount):
            return True
        literal = [*self._exact.items(), *self._prefix.items()]
        if any(path.startswith(mount) and rule.capabilities and not rule.denies for path, rule in literal):
            return True
        return any(
            rule.capabilities and not rule.denies and _covers_mount(pattern, mount)
            for pattern, rule in self._segment.items()
        )


def _capability(operation: Operation) -> str:
    return "read" if operation is Operation.HEADER else operation.value


def _segment_rank(pattern: str, path: str) -> tuple[Any, ...] | None:
    is_prefix = pattern.endswith("*")
    wanted = pattern.removesuffix("*")
    segments, parts = wanted.split("/"), path.split("/")
    if len(parts) < len(segments) or (not is_prefix and len(parts) != len(segments)):
        return None
    for position, (segment, part) in enumerate(zip(segments, parts, strict=False)):
        last = position == len(segments) - 1
        if segment in ("+", part) or (is_prefix and last and part.startswith(segment)):
            continue
        return None
    return (pattern.index("+"), not is_prefix, -segments.count("+"), len(wanted), wanted)


def _covers_mount(pattern: str, mount: str) -> bool:
    segments, parts = pattern.removesuffix("*").split("/"), mount.rstrip("/").split("/")
    return len(segments) >= len(parts) and all(s in ("+", p) for s, p in zip(segments, parts, strict=False))


def _parameters_allowed(rule: Rule, data: Mapping[str, Any]) -> bool:
    sent = {name.lower(): value for name, value in data.items()}
    if any(name not in sent for name in rule.required):
        return False
    if not sent:
        return True
    if "*" in rule.denied or any(n in rule.denied and _listed(v, rule.denied[n]) for n, v in sent.items()):
        return False
    if not rule.allowed or set(rule.allowed) == {"*"}:
        return True
    return all(_parameter_allowed(rule, name, value) for name, value in sent.items())


def _parameter_allowed(rule: Rule, name: str, value: Any) -> bool:
    return _listed(value, rule.allowed[name]) if name in rule.allowed else "*" in rule.allowed


def _listed(value: Any, values: tuple[Any, ...]) -> bool:
    return not values or any(_matches(value, each) for each in values)


def _matches(value: Any, wanted: Any) -> bool:
    if not (isinstance(value, str) and isinstance(wanted, str)):
        return bool(value == wanted)
    core = wanted.strip("*")
    if wanted.startswith("*"):
        return core in value if wanted.endswith("*") else value.endswith(core)
    return value.startswith(core) if wanted.endswith("*") else value == wanted


def _page_allowed(rule: Rule, request: Request) -> bool:
    asked = request.data.get("limit")
    if rule.pagination_limit <= 0:
        if asked == "max":
            request.data["limit"] = "0"
        return True
    if asked is None:
        request.data["limit"] = str(rule.pagination_limit)
        return "limit" not in rule.required
    if asked == "max" or str(asked) == "0":
        request.data["limit"] = str(rule.pagination_limit)
        return True
    return str(asked).isdigit() and int(asked) <= rule.pagination_limit
