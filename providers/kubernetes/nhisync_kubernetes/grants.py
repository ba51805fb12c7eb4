"""Single rights, in the words of RBAC, and how one line of a Role spells them.

Source: kubernetes.io/docs, Using RBAC Authorization. ``resourceNames`` restrict ``get``, ``patch`` and ``create`` of a
subresource; they cannot restrict ``list`` of a whole collection.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_OF_THE_CLUSTER = frozenset({"namespaces", "clusterissuers", "subjectaccessreviews"})
"""Resources that stand in no namespace."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right.

    Attributes:
        namespace: where it must hold; "" = in the whole cluster.
        group: API group, "" = core.
        resource: plural, with ``/subresource``.
        verb: ``get``, ``list``, ``create`` or ``patch``.
        names: objects it is limited to; empty = all.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """As ``kubectl auth can-i`` is asked: ``get secrets -n payments: stripe``."""
        names = f": {', '.join(self.names)}" if self.names else ""
        return f"{self.bare}{self._where}{names}"

    @property
    def actions(self) -> tuple[str, ...]:
        """The same for each name by itself."""
        return tuple(replace(self, names=(name,)).action for name in self.names) or (self.action,)

    @property
    def bare(self) -> str:
        """Verb and resource alone: ``get certificates.cert-manager.io``."""
        main, slash, sub = self.resource.partition("/")
        return f"{self.verb} {main}{f'.{self.group}' if self.group else ''}{slash}{sub}"

    @property
    def _where(self) -> str:
        """Namespace in kubectl's words."""
        if self.namespace:
            return f" -n {self.namespace}"
        return "" if self.resource in _OF_THE_CLUSTER else " -A"

    @property
    def rule(self) -> dict[str, list[str]]:
        """The rule of a Role or ClusterRole."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        return rule | ({"resourceNames": list(self.names)} if self.names else {})

    @property
    def fix(self) -> str:
        """What to paste, and where."""
        kind = f"the Role of namespace {self.namespace}" if self.namespace else "the ClusterRole"
        return f"Add to {kind}: - {flow(self.rule)}"


def merge(grants: Iterable[Grant]) -> list[Grant]:
    """One grant per namespace, resource and verb, without those that a wider one covers; sorted."""
    merged: dict[Grant, set[str] | None] = {}
    for grant in grants:
        key = replace(grant, names=())
        known = merged.get(key, set())
        merged[key] = None if known is None or not grant.names else known | set(grant.names)
    everywhere = {key for key, names in merged.items() if names is None and not key.namespace}
    return sorted(
        replace(key, names=tuple(sorted(names or ())))
        for key, names in merged.items()
        if key in everywhere or replace(key, namespace="") not in everywhere
    )


def flow(value: Any) -> str:
    """One line of YAML; texts are JSON's, which is YAML, so that a name like ``0`` or ``on`` stays one."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return json.dumps(value)
